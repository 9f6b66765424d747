#include "data/verify.h"

#include <algorithm>
#include <stdexcept>

#include "core/printable.h"
#include "data/format.h"

namespace striate {

namespace {

/// Both splits may have the same, of a file of class names.
void add_once(std::vector<std::string>& lines, const std::string& line) {
  if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
}

SplitReport count(const Dataset& dataset) {
  if (!dataset.labels.defined()) {
    return {.class_counts = std::vector<std::int64_t>(dataset.class_names.size())};
  }
  return {.images = dataset.size(), .image_shape = dataset.image_shape(), .class_counts = class_counts(dataset)};
}

}  // namespace

DatasetReport verify_dataset(const std::filesystem::path& path, const std::string& format, const DataOptions& load) {
  const std::string found = format.empty() ? find_dataset(path) : format;
  DatasetReport report{.format = parse_name_and_options(found).name};
  const bool of_train_alone = has_split(path, Split::train, found) && !has_split(path, Split::test, found);
  for (const Split split : {Split::train, Split::validation, Split::test}) {
    if (split == Split::validation && !has_split(path, split, found)) continue;
    if (split == Split::test && of_train_alone) {
      report.notes.push_back(path.string() +
                             ": there are no test images; to train, hold out a part of these (--val-split)");
      continue;
    }
    Problems problems;
    Dataset dataset = read_dataset(found, path, split, load, problems);
    try {
      if (dataset.labels.defined() && (load.image_size > 0 || dataset.stored_shape().height > 0))
        finish_dataset(report.format, load, dataset);
    } catch (const std::invalid_argument& error) {  // what a format of a user's own gave
      problems.emplace_back(path.string(), error.what());
      dataset = {.class_names = dataset.class_names};
    }
    for (const FileError& problem : problems) add_once(report.problems, problem.what());
    for (const std::string& note : dataset.notes) add_once(report.notes, note);
    SplitReport& counts = split == Split::train        ? report.train
                          : split == Split::validation ? report.validation
                                                       : report.test;
    counts = count(dataset);
    if (report.class_names.empty()) report.class_names = dataset.class_names;
    if (counts.images == 0) continue;  // the problems say why
    for (std::size_t label = 0; label < counts.class_counts.size(); ++label) {
      if (counts.class_counts[label] == 0) {
        report.problems.push_back(
            path.string() + (dataset.is_segmentation() ? ": no pixel of class " : ": no image of class ") +
            std::to_string(label) + " (" + printable(dataset.class_names[label]) + ") in " + to_string(split));
      }
    }
  }
  const bool of_one_size = report.train.image_shape.height > 0 && report.test.image_shape.height > 0;
  if (of_one_size && report.train.image_shape != report.test.image_shape) {
    report.problems.push_back(path.string() + ": images of train are " + to_string(report.train.image_shape) +
                              ", of test " + to_string(report.test.image_shape) +
                              "; give an image size (--image-size)");
  }
  return report;
}

}  // namespace striate
