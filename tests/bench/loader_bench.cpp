// What a loader does with a folder of pictures, by itself: how long the first reading takes, how many pictures a second
// one worker prepares (decoded, cropped at random and resized, flipped, normalised), and the memory that it needs.
//
//   loader_bench FOLDER SIDE [CACHE_MIB=0] [WORKERS=1] [BATCH_SIZE=64]

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "data/dataset.h"
#include "data/loader.h"
using namespace striate;

namespace {

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) throw std::invalid_argument("usage: loader_bench FOLDER SIDE [CACHE_MIB] [WORKERS] [BATCH_SIZE]");
  const std::string side = argv[2];
  const auto number = [&](int i, std::int64_t otherwise) { return argc > i ? std::stoll(argv[i]) : otherwise; };
  const double begun = seconds();
  Dataset data = load_dataset(argv[1], Split::train, "image-folder",
                              {.image_size = std::stoll(side), .cache_bytes = number(3, 0) << 20});
  const auto pictures = static_cast<double>(data.size());
  std::printf("%.0f pictures, %.0f MiB of them kept; read in %.1f s, %.0f MiB of memory\n", pictures,
              static_cast<double>(data.source->cached_bytes()) / (1 << 20), seconds() - begun, peak_mib());

  data.transforms = make_transforms({"random_resized_crop:size=" + side, "random_horizontal_flip"});
  Loader loader(data, {.batch_size = number(5, 64), .workers = static_cast<int>(number(4, 1))});
  for (std::int64_t epoch = 1; epoch <= 3; ++epoch) {
    const double start = seconds();
    loader.start_epoch(epoch);
    for (Batch batch; loader.next(batch);) continue;
    std::printf("epoch %d: %.0f pictures/s, %.0f MiB of memory\n", static_cast<int>(epoch),
                pictures / (seconds() - start), peak_mib());
  }
  return 0;
} catch (const std::exception& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
