#pragma once
// The built-in formats, which data/dataset.cpp lists, and what they share: files are looked for in several folders,
// and problems are collected.

#include <algorithm>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "data/dataset.h"

namespace striate {

/// What each looks for is in its help. They throw FileError for a file that is missing, empty, truncated, damaged or of
/// another kind, and for labels that the format does not have, with the file, the place and what was expected.
/// CIFAR-10: the class names are those of batches.meta.txt, or the usual ones without that file.
DatasetFormat cifar10_format();

/// CIFAR-100: 100 classes, with the option coarse=true 20, named by fine_label_names.txt or coarse_label_names.txt.
DatasetFormat cifar100_format();

/// Also with "." before idx in the names of the files, as some have them.
DatasetFormat mnist_format();

/// The same files as MNIST's: it is recognised by the name of their folder, which must say "fashion", and takes any
/// folder when it is asked for by name.
DatasetFormat fashion_mnist_format();

/// train/<class>/*.png, test/<class>/*.jpg, ... at any depth below the class; val/ stands for test/ where there is
/// none, and else holds validation images. Without any of these, <class>/*.png are training images. The classes are the
/// subfolders of train/, or of test/ where there is no train/; classes and files are taken in the order of their names'
/// bytes. Files without an image's ending are passed over, and hidden ones, and what desktops leave behind, which a
/// note says with their number. The option channels=1 reads grey images instead of colour. A class of test/ that is not
/// in train/ is refused, and without an image size an image of another size than the first.
DatasetFormat image_folder_format();

/// train/images/*.jpg with train/labels/*.png of the same names, and so for test/ and val/, as in image folders: in a
/// label map a pixel's index into the palette, or its grey value, is its class. The names of the classes are the lines
/// of classes.txt, or the option classes=sky/building/..., and the pixels of ignore=N (255) belong to none. Further
/// options and what is passed over as for image folders.
DatasetFormat segmentation_folder_format();

/// Recordings (wav, flac) in folders as image_folder_format has images. The option length=16000 brings all to one
/// length by pad_or_trim (data/transform.h), channels=1 takes the mean of their channels. Recordings of one data set
/// must agree in channels and sample rate.
DatasetFormat audio_folder_format();

/// DIGIT_SPEAKER_NUMBER.wav, in the folder or in recordings/ of it, as the Free Spoken Digit Dataset (Jackson et al.)
/// has them: numbers 0 to 4 are the test recordings, as its authors split them. Options as for audio folders, length
/// with a default of 8000, a second.
DatasetFormat spoken_digits_format();

using Problems = std::vector<FileError>;

/// Runs f(); what it throws as FileError is a problem.
template <class F>
void attempt(Problems& problems, F&& f) {
  try {
    std::forward<F>(f)();
  } catch (const FileError& error) {
    problems.push_back(error);
  }
}

/// Tells DataOptions::progress how many of all pictures are done: "read 1200 of 9469 pictures".
class ProgressCount {
 public:
  ProgressCount(const DataOptions& load, std::string what, std::int64_t all)
      : tell_(load.progress), what_(std::move(what)), all_(all) {}
  /// So many more. From any thread.
  void add(std::int64_t pictures) {
    if (!tell_) return;
    const std::lock_guard lock(mutex_);
    done_ += pictures;
    tell_(what_ + " " + std::to_string(done_) + " of " + std::to_string(all_) + " pictures");
  }

 private:
  const std::function<void(const std::string&)>& tell_;
  std::string what_;
  std::int64_t all_;
  std::int64_t done_ = 0;
  std::mutex mutex_;
};

/// What load_dataset and verify_dataset begin with: the valid images, no tensors where there are none.
Dataset read_dataset(const std::string& format, const std::filesystem::path& path, Split split, const DataOptions& load,
                     Problems& problems);

/// What they end with: images of the size that is wanted, and the checks that load_dataset promises. `name` is the
/// format's.
void finish_dataset(const std::string& name, const DataOptions& load, Dataset& dataset);

/// With a .. z for A .. Z.
std::string lower_case(std::string text);

/// The first of the folder itself and these subfolders that holds any of the files.
inline std::optional<std::filesystem::path> folder_with(const std::vector<std::string>& files,
                                                        const std::filesystem::path& folder,
                                                        const std::vector<std::string>& subfolders) {
  const auto holds_any = [&](const std::filesystem::path& place) {
    return std::any_of(files.begin(), files.end(), [&](const std::string& file) {
      std::error_code ignored;
      return std::filesystem::exists(place / file, ignored);
    });
  };
  if (holds_any(folder)) return folder;
  for (const std::string& subfolder : subfolders) {
    if (holds_any(folder / subfolder)) return folder / subfolder;
  }
  return std::nullopt;
}

}  // namespace striate
