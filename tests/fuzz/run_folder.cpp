#include "apps/ablate/runs.h"
#include "apps/cli/command_line.h"
#include "tests/fuzz/fuzz.h"

// A file of a run for each value of the first byte; what a killed run left behind never throws but for flags.
int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace striate;
  if (size == 0) return 0;
  const auto names = {"metrics.csv", "outcome.txt", "config.toml"};
  const std::string name = *(names.begin() + bytes[0] % names.size());
  const fuzz::fs::path file = fuzz::folder().write(name, fuzz::as_text(bytes + 1, size - 1));
  static const cli::Cell cell{.name = "cell", .effective = {{"epochs", "2"}, {"patience", ""}}};
  const cli::Run run{.cell = &cell, .seed = "0", .folder = fuzz::folder().path()};
  cli::read_run(run);
  fuzz::may_throw<cli::UsageError>([&] { cli::changed_flags(run); });
  fuzz::fs::remove(file);
  return 0;
}
