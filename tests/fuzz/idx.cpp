#include <algorithm>

#include "core/error.h"
#include "data/dataset.h"
#include "tests/fuzz/fuzz.h"

// The first byte says how many are of the labels' file, the rest are the images'.
int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace striate;
  const std::string_view content = fuzz::as_text(bytes, size);
  const std::size_t labels = size > 0 ? std::min<std::size_t>(bytes[0], size - 1) : 0;
  fuzz::folder().write("t10k-labels-idx1-ubyte.gz", content.substr(std::min<std::size_t>(1, size), labels));
  fuzz::folder().write("t10k-images-idx3-ubyte.gz", content.substr(std::min<std::size_t>(1, size) + labels));
  return fuzz::may_throw<FileError>([&] { load_dataset(fuzz::folder().path(), Split::test, "mnist"); });
}
