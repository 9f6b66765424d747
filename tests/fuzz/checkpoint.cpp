#include "optim/checkpoint.h"

#include "core/error.h"
#include "layers/linear.h"
#include "optim/adamw.h"
#include "tests/fuzz/fuzz.h"

namespace {

struct Net : striate::Module {
  striate::Linear head{*this, "head", 3, 2};
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace striate;
  const auto file = fuzz::folder().write("checkpoint.safetensors", fuzz::as_text(bytes, size));
  Net model;
  AdamW optimizer(model.parameters());
  Generator generator;
  TrainingState state{.model = model, .optimizer = optimizer, .generator = generator};
  return fuzz::may_throw<FileError>([&] { load_checkpoint(file, state); });
}
