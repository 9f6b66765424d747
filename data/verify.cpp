#include "data/verify.h"

#include <algorithm>
#include <utility>

#include "data/format.h"

namespace striate {

namespace {

SplitReport count(const Dataset& dataset) {
  SplitReport report{.class_counts = std::vector<std::int64_t>(dataset.class_names.size())};
  if (!dataset.labels.defined()) return report;
  report.images = dataset.size();
  report.image_shape = dataset.image_shape();
  for (const std::int64_t label : dataset.labels.span<std::int64_t>()) {
    ++report.class_counts.at(static_cast<std::size_t>(label));
  }
  return report;
}

}  // namespace

DatasetReport verify_dataset(const std::filesystem::path& path, const std::string& format) {
  const std::string found = format.empty() ? find_dataset(path) : format;
  DatasetReport report{.format = parse_name_and_options(found).name};
  for (const Split split : {Split::train, Split::test}) {
    std::vector<std::string> problems;
    Dataset dataset;
    attempt(&problems, [&] { dataset = read_dataset(found, {.path = path, .split = split, .problems = &problems}); });
    for (std::string& problem : problems) {
      // Both splits may have the same, of a file of class names.
      const bool is_new = std::find(report.problems.begin(), report.problems.end(), problem) == report.problems.end();
      if (is_new) report.problems.push_back(std::move(problem));
    }
    SplitReport& counts = split == Split::train ? report.train : report.test;
    counts = count(dataset);
    if (report.class_names.empty()) report.class_names = dataset.class_names;
    if (counts.images == 0) continue;  // the problems say why
    for (std::size_t label = 0; label < counts.class_counts.size(); ++label) {
      if (counts.class_counts[label] == 0) {
        report.problems.push_back(path.string() + ": no image of class " + std::to_string(label) + " (" +
                                  dataset.class_names[label] + ") in " + to_string(split));
      }
    }
  }
  if (report.train.images > 0 && report.test.images > 0 && report.train.image_shape != report.test.image_shape) {
    report.problems.push_back(path.string() + ": images of train are " + to_string(report.train.image_shape) +
                              ", of test " + to_string(report.test.image_shape));
  }
  return report;
}

}  // namespace striate
