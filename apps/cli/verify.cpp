// `striate verify`: counts and problems of a data set. data/verify.h does the work.

#include "data/verify.h"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>

#include "apps/cli/commands.h"
#include "apps/cli/progress.h"
#include "apps/cli/screen.h"
#include "apps/cli/shared_flags.h"
#include "core/printable.h"
#include "core/text.h"

namespace striate::cli {
namespace {

std::string counts_table(const DatasetReport& report) {
  std::vector<std::pair<const char*, const SplitReport*>> splits = {{"train", &report.train}, {"test", &report.test}};
  if (report.validation.images > 0) splits.insert(splits.begin() + 1, {"val", &report.validation});
  std::vector<std::vector<std::string>> rows = {{"class"}};
  for (const auto& [name, split] : splits) rows[0].emplace_back(name);
  const auto count = [](const SplitReport& split, std::size_t label) {
    return std::to_string(label < split.class_counts.size() ? split.class_counts[label] : 0);
  };
  for (std::size_t label = 0; label < report.class_names.size(); ++label) {
    rows.push_back({printable(report.class_names[label])});
    for (const auto& [name, split] : splits) rows.back().push_back(count(*split, label));
  }
  rows.push_back({"all"});
  for (const auto& [name, split] : splits) rows.back().push_back(std::to_string(split->images));
  return text_table(rows, "l" + std::string(splits.size(), 'r'));
}

}  // namespace

int run_verify(const Arguments& arguments) {
  std::string folder;
  std::string format;
  CLI::App app("Checks sizes, labels and class counts of a data set.", "verify");
  app.add_option("DIR", folder, "The data folder; a --dataset that has no files needs none");
  app.add_option("--dataset", format,
                 "What it holds, with options: " + joined(dataset_names()) + " (default: found by looking)");
  DataOptions load;
  app.add_option("--image-size", load.image_size, "As train resizes: images of several sizes are then no problem");
  app.add_option("--max-pixels", load.max_pixels, kMaxPixelsHelp)->capture_default_str();
  app.add_flag("--skip-broken", load.skip_broken, kSkipBrokenHelp);
  parse(app, arguments);
  within("image-size", load.image_size, 0, kMostOfASide);
  at_least("max-pixels", load.max_pixels, 1);
  if (folder.empty() && needs_path(format)) throw UsageError("verify needs the data folder");
  Progress progress;
  load.progress = [&](const std::string& line) { progress.show(line); };
  const DatasetReport report = verify_dataset(folder, format, load);
  progress.clear();
  const ImageShape& shape = report.train.images > 0 ? report.train.image_shape : report.test.image_shape;
  show("{}: {}, {} {}\n", printable(folder, 4096), report.format, shape.is_recording() ? "recordings of" : "images",
       to_string(shape));
  show("{}", counts_table(report));
  for (const std::string& note : report.notes) complain(note);
  for (const std::string& problem : report.problems) complain(problem);
  show("{}\n", report.ok() ? "everything is in order" : fmt::format("{} problems", report.problems.size()));
  return report.ok() ? 0 : 1;
}

}  // namespace striate::cli
