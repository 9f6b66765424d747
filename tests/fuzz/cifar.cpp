#include "core/error.h"
#include "data/dataset.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace striate;
  const std::string_view content = fuzz::as_text(bytes, size);
  for (const char* name : {"test_batch.bin", "test.bin"}) fuzz::folder().write(name, content);
  for (const char* format : {"cifar10", "cifar100"}) {
    fuzz::may_throw<FileError>([&] { load_dataset(fuzz::folder().path(), Split::test, format); });
  }
  return 0;
}
