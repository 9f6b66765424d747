#include "data/folders.h"

#include <algorithm>
#include <array>

#include "core/printable.h"
#include "core/text.h"
#include "data/image.h"

namespace striate {

namespace fs = std::filesystem;

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

fs::path split_folder(const fs::path& path, Split split) {
  if (split == Split::train) return path / "train";
  const bool val = split == Split::validation || (!is_folder(path / "test") && is_folder(path / "val"));
  return path / (val ? "val" : "test");
}

Listing list_folder(const fs::path& folder, Problems& problems, FileTest is_one) {
  constexpr std::array left_by_desktops = {"Thumbs.db", "ehthumbs.db", "desktop.ini", "Icon\r"};
  Listing listing;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool junk = std::find(left_by_desktops.begin(), left_by_desktops.end(), name) != left_by_desktops.end();
    std::error_code unclear;
    const fs::file_status status = entry->status(unclear);
    if (name.front() == '.' || junk) {
      if (!fs::is_directory(status)) listing.junk.push_back(name);
    } else if (unclear) {
      problems.emplace_back(entry->path().string(), "cannot be followed: " + unclear.message());
    } else if (fs::is_directory(status)) {
      listing.folders.push_back(name);
    } else {
      (fs::is_regular_file(status) && is_one(name) ? listing.images : listing.others).push_back(name);
    }
  }
  if (error) problems.emplace_back(folder.string(), "cannot be listed: " + error.message());
  for (auto* names : {&listing.folders, &listing.images, &listing.others, &listing.junk})
    std::sort(names->begin(), names->end());
  return listing;
}

void leave_out(const fs::path& root, const Problems& broken, Dataset& dataset) {
  if (broken.empty()) return;
  std::vector<std::string> lines;
  for (const FileError& problem : broken) lines.emplace_back(problem.what());
  dataset.notes.push_back(root.string() + ": " + std::to_string(broken.size()) +
                          " broken files are left out:" + listed(lines));
}

void expect_one_size(const ScannedFiles& scanned, Problems& problems, bool any_size) {
  const auto name = [&](std::size_t valid) { return scanned.images->name(static_cast<std::int64_t>(valid)); };
  std::vector<ImageShape> shapes = scanned.shapes;
  for (ImageShape& shape : shapes) {
    if (any_size) shape.height = shape.width = 0;
  }
  const ImageShape& first = shapes[0];
  const auto other = std::find_if(shapes.begin(), shapes.end(), [&](const auto& shape) { return shape != first; });
  if (other == shapes.end()) return;
  const auto count = static_cast<std::size_t>(std::count(shapes.begin(), shapes.end(), first));
  std::string advice = "to bring all to one size, give it (--image-size)";
  if (first.is_recording()) {
    const bool alike = other->sample_rate == first.sample_rate && other->channels == first.channels;
    advice = alike ? "to bring all to one length, give it as an option (length=16000)"
                   : "convert them to one sample rate (sox and ffmpeg do); the option channels=1 takes the mean of all "
                     "channels";
  }
  problems.emplace_back(name(static_cast<std::size_t>(other - shapes.begin())),
                        (first.is_recording() ? "expected a recording of " : "expected an image of size ") +
                            to_string(first) + " as " + printable(name(0)) + ", got " + to_string(*other) + "; " +
                            std::to_string(shapes.size() - count) + " of " + std::to_string(shapes.size()) +
                            " differ from the first; " + advice);
}

}  // namespace striate
