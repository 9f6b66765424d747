#include "data/verify.h"

#include <spdlog/fmt/fmt.h>

#include "apps/cli/commands.h"

namespace striate::cli {
namespace {

void print_counts(const FolderReport& report) {
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
  CLI::App app("Checks sizes, labels and class counts of a data folder.", "verify");
  app.add_option("DIR", folder, "The data folder")->required();
  parse(app, arguments);
  const FolderReport report = verify_folder(folder);
  fmt::print("{}: {}, images {}\n", report.folder.path.string(),
             report.folder.kind == FolderKind::cifar10 ? "CIFAR-10 binary files" : "image folder",
             to_string(report.train.image_shape));
  print_counts(report);
  for (const std::string& problem : report.problems) fmt::print(stderr, "{}\n", problem);
  fmt::print("{}\n", report.ok() ? "everything is in order" : fmt::format("{} problems", report.problems.size()));
  return report.ok() ? 0 : 1;
}

}  // namespace striate::cli
