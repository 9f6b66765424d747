#include "models/weights.h"

#include "core/error.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace striate;
  const auto file = fuzz::folder().write("weights.safetensors", fuzz::as_text(bytes, size));
  return fuzz::may_throw<FileError>([&] { load_weights(file); });
}
