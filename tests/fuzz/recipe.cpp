#include "apps/ablate/recipe.h"

#include "apps/cli/command_line.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace striate;
  return fuzz::may_throw<cli::UsageError>(
      [&] { cli::parse_recipe(std::string(fuzz::as_text(bytes, size)), "any.toml"); });
}
