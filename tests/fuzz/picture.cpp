#include "core/error.h"
#include "data/image.h"
#include "tests/fuzz/fuzz.h"

// The format is told by the bytes, not by the name. A label map is read from the same file.
int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace striate;
  const auto file = fuzz::folder().write("picture.png", fuzz::as_text(bytes, size));
  fuzz::may_throw<FileError>([&] { read_indices(file); });
  return fuzz::may_throw<FileError>([&] { read_image(file); });
}
