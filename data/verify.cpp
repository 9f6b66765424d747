#include "data/verify.h"

#include "core/parallel.h"
#include "data/cifar10.h"
#include "data/image.h"
#include "data/image_folder.h"

namespace striate {

namespace {

void verify_cifar10(FolderReport& report, Split split, SplitReport& counts) {
  for (const std::string& name : cifar10_files(split)) {
    try {
      const Dataset part = load_cifar10_file(report.folder.path / name, report.class_names);
      counts.images += part.size();
      counts.image_shape = {Cifar10::side, Cifar10::side, Cifar10::channels};
      for (const std::int64_t label : part.labels.span<std::int64_t>()) {
        ++counts.class_counts[static_cast<std::size_t>(label)];
      }
    } catch (const FileError& error) {
      report.problems.emplace_back(error.what());
    }
  }
}

void verify_images(FolderReport& report, Split split, SplitReport& counts) {
  std::vector<LabelledFile> files;
  try {
    files = list_images(report.folder.path, split, report.class_names);
  } catch (const FileError& error) {
    report.problems.emplace_back(error.what());
    return;
  }
  std::vector<Shape> shapes(files.size());
  std::vector<std::string> problems(files.size());
  parallel_for(static_cast<std::int64_t>(files.size()), 16, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      try {
        shapes[i] = read_image(files[i].file).shape();
      } catch (const FileError& error) {
        problems[i] = error.what();
      }
    }
  });
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!problems[i].empty()) {
      report.problems.push_back(problems[i]);
      continue;
    }
    if (counts.image_shape.empty()) counts.image_shape = shapes[i];
    if (shapes[i] != counts.image_shape) {
      report.problems.push_back(files[i].file.string() + ": size " + to_string(shapes[i]) +
                                ", expected the first one's " + to_string(counts.image_shape));
    }
    ++counts.images;
    ++counts.class_counts[static_cast<std::size_t>(files[i].label)];
  }
}

void note_empty_classes(FolderReport& report, Split split, const SplitReport& counts) {
  if (counts.images == 0) return;  // said already
  for (std::size_t label = 0; label < counts.class_counts.size(); ++label) {
    if (counts.class_counts[label] == 0) {
      report.problems.push_back(report.folder.path.string() + ": no image of class " + std::to_string(label) + " (" +
                                report.class_names[label] + ") in " + to_string(split));
    }
  }
}

}  // namespace

FolderReport verify_folder(const std::filesystem::path& path) {
  FolderReport report;
  report.folder = find_data(path);
  const bool cifar10 = report.folder.kind == FolderKind::cifar10;
  try {
    report.class_names = cifar10 ? cifar10_class_names(report.folder.path) : image_folder_classes(report.folder.path);
  } catch (const FileError& error) {
    report.problems.emplace_back(error.what());
    if (!cifar10) return report;
    report.class_names.assign(static_cast<std::size_t>(Cifar10::classes), "?");
  }
  for (const Split split : {Split::train, Split::test}) {
    SplitReport& counts = split == Split::train ? report.train : report.test;
    counts.class_counts.assign(report.class_names.size(), 0);
    cifar10 ? verify_cifar10(report, split, counts) : verify_images(report, split, counts);
    note_empty_classes(report, split, counts);
  }
  if (report.train.images > 0 && report.test.images > 0 && report.train.image_shape != report.test.image_shape) {
    report.problems.push_back(report.folder.path.string() + ": images of train are " +
                              to_string(report.train.image_shape) + ", of test " + to_string(report.test.image_shape));
  }
  return report;
}

}  // namespace striate
