// Recordings in folders: the formats audio-folder and spoken-digits. data/recording.h decodes, data/folders.h has what
// is shared with image folders.
#include <algorithm>
#include <optional>

#include "core/check.h"
#include "core/printable.h"
#include "data/folders.h"
#include "data/recording.h"

namespace striate {

namespace fs = std::filesystem;

namespace {

/// `length` is that of recordings where the request has none; 0: their own.
FileKind recordings_of(const ReadRequest& request, std::int64_t length) {
  const std::int64_t channels = request.options.integer("channels", 0);
  expect(channels == 0 || channels == 1, "recordings", "channels=1, or 0 for those of the files", channels);
  length = request.options.integer("length", length);
  if (request.load.length > 0) length = request.load.length;
  FileKind kind{.noun = "recording",
                .endings = "wav and flac",
                .is_one = is_recording_file,
                .read = [channels, most = request.load.max_pixels](const fs::path& file) {
                  const Recording recording = read_recording(file, channels, most);
                  return Picture(recording.samples, recording.sample_rate);
                }};
  if (length != 0) kind.transforms = {make_transform("pad_or_trim:length=" + std::to_string(length))};
  return kind;
}

FileKind recordings(const ReadRequest& request) { return recordings_of(request, 0); }

struct SpokenDigit {
  std::int64_t digit;
  Split split;
};

/// What a name of DIGIT_SPEAKER_NUMBER.wav says.
std::optional<SpokenDigit> spoken_digit(const fs::path& file) {
  const std::string name = file.stem().string();
  const std::size_t number = name.rfind('_') + 1;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const bool fits = number > 3 && number < name.size() && is_digit(name[0]) && name[1] == '_' &&
                    std::all_of(name.begin() + static_cast<std::ptrdiff_t>(number), name.end(), is_digit);
  if (!fits) return std::nullopt;
  const bool for_test = name.size() == number + 1 && name[number] < '5';
  return SpokenDigit{name[0] - '0', for_test ? Split::test : Split::train};
}

fs::path digits_folder(const fs::path& path) { return is_folder(path / "recordings") ? path / "recordings" : path; }

bool holds_spoken_digits(const fs::path& path) {
  Problems ignored;
  const Listing listing = list_folder(digits_folder(path), ignored, is_recording_file);
  return std::any_of(listing.images.begin(), listing.images.end(), spoken_digit);
}

Dataset read_spoken_digits(const ReadRequest& request) {
  constexpr std::int64_t second = 8000;
  const FileKind kind = recordings_of(request, second);
  const fs::path root = digits_folder(request.path);
  Dataset dataset;
  dataset.class_names = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  Problems broken;
  const Listing listing = list_folder(root, broken, is_recording_file);
  std::vector<LabelledFile> files;
  std::vector<std::string> passed_over = listing.others;
  for (const std::string& name : listing.images) {
    const std::optional<SpokenDigit> said = spoken_digit(name);
    if (said && said->split == request.split) files.push_back({root / name, said->digit});
    if (!said) passed_over.push_back(name);
  }
  if (!passed_over.empty() && request.split == Split::train) {
    dataset.notes.push_back(root.string() + ": " + std::to_string(passed_over.size()) +
                            " files are passed over, such as " + printable(passed_over[0]) +
                            "; what is read: DIGIT_SPEAKER_NUMBER.wav");
  }
  const std::size_t before = request.problems.size();
  read_labelled(kind, root, files, request, broken, dataset);
  if (!dataset.source && request.problems.size() == before) {
    request.problems.emplace_back(root.string(), "expected recordings named DIGIT_SPEAKER_NUMBER.wav for " +
                                                     to_string(request.split) + ", found none");
  }
  return dataset;
}

}  // namespace

DatasetFormat audio_folder_format() {
  DatasetFormat format = class_folders(
      is_recording_file, recordings,
      "recordings train/<class>/*.wav and test/<class>/*.wav or val/<class>/*.wav, or <class>/*.wav to be split "
      "(--val-split); also flac; all of one length or with the option length=16000; the option channels=1 takes the "
      "mean of their channels");
  const auto is_there = format.recognises;
  format.recognises = [is_there](const fs::path& path) {
    Problems ignored;
    for (const fs::path& root : {path, path / "train", path / "test", path / "val"}) {
      for (const std::string& name : list_folder(root, ignored).folders) {
        if (!list_folder(root / name, ignored, is_recording_file).images.empty()) return is_there(path);
      }
    }
    return false;
  };
  return format;
}

DatasetFormat spoken_digits_format() {
  return {.help =
              "recordings DIGIT_SPEAKER_NUMBER.wav of the Free Spoken Digit Dataset, in the folder or in recordings/; "
              "numbers 0 to 4 are the test recordings; the option length=8000 is their length in samples",
          .recognises = holds_spoken_digits,
          .read = read_spoken_digits};
}

}  // namespace striate
