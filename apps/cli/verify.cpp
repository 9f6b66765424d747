// `striate verify`: counts and problems of a data set. data/verify.h does the work.

#include "data/verify.h"

#include <spdlog/fmt/fmt.h>

#include "apps/cli/commands.h"
#include "core/joined.h"

namespace striate::cli {
namespace {

void print_counts(const DatasetReport& report) {
  fmt::print("{:<16}{:>10}{:>10}\n", "class", "train", "test");
  const auto count = [](const SplitReport& split, std::size_t label) {
    return label < split.class_counts.size() ? split.class_counts[label] : 0;
  };
  for (std::size_t label = 0; label < report.class_names.size(); ++label) {
    fmt::print("{:<16}{:>10}{:>10}\n", report.class_names[label], count(report.train, label),
               count(report.test, label));
  }
  fmt::print("{:<16}{:>10}{:>10}\n", "all", report.train.images, report.test.images);
}

}  // namespace

int run_verify(const Arguments& arguments) {
  std::string folder;
  std::string format;
  CLI::App app("Checks sizes, labels and class counts of a data set.", "verify");
  app.add_option("DIR", folder, "The data folder")->required();
  app.add_option("--dataset", format,
                 "What it holds, with options: " + joined(dataset_names()) + " (default: found by looking)");
  parse(app, arguments);
  const DatasetReport report = verify_dataset(folder, format);
  fmt::print("{}: {}, images {}\n", folder, report.format,
             to_string(report.train.images > 0 ? report.train.image_shape : report.test.image_shape));
  print_counts(report);
  for (const std::string& problem : report.problems) fmt::print(stderr, "{}\n", problem);
  fmt::print("{}\n", report.ok() ? "everything is in order" : fmt::format("{} problems", report.problems.size()));
  return report.ok() ? 0 : 1;
}

}  // namespace striate::cli
