#include "core/safetensors.h"

#include "core/error.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace striate;
  const auto file = fuzz::folder().write("any.safetensors", fuzz::as_text(bytes, size));
  return fuzz::may_throw<FileError>([&] { read_safetensors(file); });
}
