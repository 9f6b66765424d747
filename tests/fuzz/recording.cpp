#include "data/recording.h"

#include "core/error.h"
#include "tests/fuzz/fuzz.h"

// The kind is told by the bytes, not by the name.
int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace striate;
  const auto file = fuzz::folder().write("recording.wav", fuzz::as_text(bytes, size));
  return fuzz::may_throw<FileError>([&] { read_recording(file, 1, 1 << 20); });
}
