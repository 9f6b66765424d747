// Transforms by name on one picture and one thread: kernel_bench --benchmark_filter=transform.

#include <string>
#include <vector>

#include "core/random.h"
#include "data/transform.h"
#include "tests/bench/kernel_bench.h"

namespace striate::kernel_bench {
namespace {

void transform(benchmark::State& state, const std::string& name, const ImageShape& shape) {
  const RandomStream noise = random_stream(1, RandomUse::test);
  std::vector<std::uint8_t> image;
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    image.push_back(static_cast<std::uint8_t>(noise.below(static_cast<std::uint64_t>(i), 256)));
  }
  const Transforms transforms = {make_transform(name)};
  std::uint64_t picture = 0;
  for (auto iteration : state) {
    static_cast<void>(iteration);
    benchmark::DoNotOptimize(apply_transforms(transforms, image, shape, {.image = picture++}));
  }
}

constexpr ImageShape kStored{160, 213, 3};
constexpr ImageShape kCropped{128, 128, 3};

BENCHMARK_CAPTURE(transform, resize, "resize:size=128", kStored)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(transform, resize_grey, "resize:size=128", {160, 213, 1})->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(transform, random_resized_crop, "random_resized_crop:size=128", kStored)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(transform, random_horizontal_flip, "random_horizontal_flip:p=1", kCropped)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(transform, color_jitter, "color_jitter:brightness=0.4,contrast=0.4,saturation=0.4,hue=0.1", kCropped)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(transform, rand_augment, "rand_augment", kCropped)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(transform, trivial_augment_wide, "trivial_augment_wide", kCropped)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace striate::kernel_bench
