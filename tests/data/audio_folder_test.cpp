// Recordings as data sets: audio folders and spoken digits, their transforms, and batches of them.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "data/normalize.h"
#include "data/splits.h"
#include "data/subset.h"
#include "data/verify.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"
#include "tests/support/wav.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::TempFolder;
using testing_support::tone;
using testing_support::wav;
using testing_support::WavOptions;
using Values = std::vector<double>;

/// Two classes; recordings of 3, 5, 4 samples to train, 6 to test.
void write_folder(const TempFolder& folder, const WavOptions& options = {}) {
  folder.write("train/a/1.wav", wav({8192, -8192, 0}, options));
  folder.write("train/a/2.wav", wav({1, 2, 3, 4, 5}, options));
  folder.write("train/b/1.wav", wav({16384, 16384, 0, -16384}, options));
  folder.write("test/b/1.wav", wav({1, 2, 3, 4, 5, 6}, options));
}

Values samples_of(const Dataset& dataset, std::int64_t i) { return transformed_images(dataset, {i}).to_vector(); }

Values scaled(Values integers) {
  for (double& value : integers) value /= 32768;
  return integers;
}

TEST(AudioFolder, IsFoundAndBroughtToOneLength) {
  TempFolder folder;
  write_folder(folder);
  EXPECT_EQ(find_dataset(folder.path()), "audio-folder");
  const Dataset train = load_dataset(folder.path(), Split::train, "audio-folder:length=4");
  EXPECT_EQ(train.class_names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(train.labels.to_vector(), (Values{0, 0, 1}));
  EXPECT_EQ(train.stored_shape(), (ImageShape{0, 0, 1, 8000}));
  EXPECT_EQ(train.image_shape(), (ImageShape{1, 4, 1, 8000}));
  EXPECT_EQ(to_string(train.image_shape()), "4 samples x1 at 8000 Hz");
  EXPECT_EQ(samples_of(train, 0), (Values{0.25, -0.25, 0, 0}));
  EXPECT_EQ(samples_of(train, 1), scaled({1, 2, 3, 4}));
  EXPECT_EQ(load_dataset(folder.path(), Split::train, "", {.length = 7}).image_shape().width, 7);
  EXPECT_EQ(images_at(train, {2}).image_shape(), train.image_shape());
}

TEST(AudioFolder, NamesWhatDiffers) {
  TempFolder folder;
  write_folder(folder);
  expect_error<FileError>(
      [&] { load_dataset(folder.path(), Split::train); },
      {"2.wav", "expected a recording of 3 samples x1 at 8000 Hz", "got 5 samples", "length=16000"});
  folder.write("train/b/2.wav", wav({1, 2}, {.sample_rate = 16000}));
  for (const bool skip_broken : {false, true}) {
    expect_error<FileError>(
        [&] { load_dataset(folder.path(), Split::train, "audio-folder:length=4", {.skip_broken = skip_broken}); },
        {"b/2.wav", "8000 Hz", "16000 Hz", "1 of 4 differ", "sample rate"});
  }
  folder.write("train/b/2.wav", wav({1, 2}, {.channels = 2}));
  expect_error<FileError>([&] { load_dataset(folder.path(), Split::train, "audio-folder:length=4"); },
                          {"b/2.wav", "x2", "channels=1"});
  const Dataset mean = load_dataset(folder.path(), Split::train, "audio-folder:length=3,channels=1");
  EXPECT_EQ(samples_of(mean, 3), scaled({0, 1.5, 0}));
  EXPECT_THROW(load_dataset(folder.path(), Split::train, "audio-folder:channels=2"), std::invalid_argument);
  EXPECT_THROW(load_dataset(folder.path(), Split::train, "audio-folder:length=-1"), std::invalid_argument);
}

TEST(AudioFolder, BrokenFilesAreNamedOrLeftOut) {
  TempFolder folder;
  write_folder(folder);
  folder.write("train/a/empty.wav", "");
  folder.write("train/a/short.wav", wav({1, 2, 3}).substr(0, 48));
  folder.write("train/b/nan.wav", wav({std::nan("")}, {.bits = 32, .floats = true}));
  folder.write("train/b/notes.txt", "no sound");
  const std::string format = "audio-folder:length=4";
  expect_error<FileError>([&] { load_dataset(folder.path(), Split::train, format); },
                          {"3 problems", "empty.wav", "short.wav", "truncated", "nan.wav", "not finite"});
  const Dataset rest = load_dataset(folder.path(), Split::train, format, {.skip_broken = true});
  EXPECT_EQ(rest.size(), 3);
  ASSERT_EQ(rest.notes.size(), 2U);
  EXPECT_NE(rest.notes[0].find("notes.txt; what is read: wav and flac files"), std::string::npos);
  EXPECT_NE(rest.notes[1].find("3 broken files are left out"), std::string::npos);
  const DatasetReport report = verify_dataset(folder.path(), format);
  EXPECT_EQ(report.train.images, 3);
  EXPECT_EQ(report.problems.size(), 4U);  // and there is no test recording of class a
}

TEST(AudioFolder, ASmallCacheChangesNothing) {
  TempFolder folder;
  write_folder(folder);
  const Dataset all = load_dataset(folder.path(), Split::train, "", {.length = 4});
  const Dataset none = load_dataset(folder.path(), Split::train, "", {.length = 4, .cache_bytes = 0});
  EXPECT_EQ(none.source->cached_bytes(), 0);
  for (std::int64_t i = 0; i < 3; ++i) EXPECT_EQ(samples_of(all, i), samples_of(none, i));
  folder.write("train/a/1.wav", wav({8192, -8192, 1}));
  expect_error<FileError>([&] { samples_of(none, 0); }, {"1.wav", "is another recording than at the start"});
}

TEST(SpokenDigits, LabelAndSplitAreInTheName) {
  TempFolder folder;
  for (const char* name : {"3_ann_0", "3_ann_4", "3_ann_5", "9_bob_17", "0_bob_00", "0_a_b_40"}) {
    folder.write("recordings/" + std::string(name) + ".wav", tone(100, 3));
  }
  for (const char* name : {"10_ann_0.wav", "3_ann.wav", "3__1.wav", "x_ann_1.wav", "3_ann_1x.wav", "readme.txt"}) {
    folder.write("recordings/" + std::string(name), "?");
  }
  EXPECT_EQ(find_dataset(folder.path()), "spoken-digits");
  EXPECT_EQ(find_dataset(folder.path() / "recordings"), "spoken-digits");
  const Dataset train = load_dataset(folder.path(), Split::train);
  EXPECT_EQ(train.labels.to_vector(), (Values{0, 0, 3, 9}));
  EXPECT_EQ(train.image_shape(), (ImageShape{1, 8000, 1, 8000}));
  EXPECT_EQ(train.classes(), 10);
  ASSERT_EQ(train.notes.size(), 1U);
  EXPECT_NE(train.notes[0].find("6 files are passed over"), std::string::npos);
  const Dataset test = load_dataset(folder.path(), Split::test, "spoken-digits:length=40");
  EXPECT_EQ(test.labels.to_vector(), (Values{3, 3}));
  EXPECT_EQ(test.image_shape().width, 40);
}

Values transformed(const std::string& transform, const std::vector<float>& samples, std::int64_t channels = 1,
                   const DrawPlace& place = {}) {
  const auto length = static_cast<std::int64_t>(samples.size()) / channels;
  Tensor tensor = Tensor::empty({1, length, channels}, DType::f32);
  std::copy(samples.begin(), samples.end(), tensor.mutable_data<float>());
  return transformed_picture(Picture(tensor, 10), make_transforms({transform}), place).to_vector();
}

TEST(SampleTransforms, PadOrTrimKeepsTheMiddle) {
  EXPECT_EQ(transformed("pad_or_trim:length=3", {1, 2, 3}), (Values{1, 2, 3}));
  EXPECT_EQ(transformed("pad_or_trim:length=2", {1, 2, 3, 4, 5}), (Values{2, 3}));
  EXPECT_EQ(transformed("pad_or_trim:length=1", {1, 2, 3, 4, 5}), (Values{3}));
  EXPECT_EQ(transformed("pad_or_trim:length=6", {1, 2, 3}), (Values{0, 1, 2, 3, 0, 0}));
  EXPECT_EQ(transformed("pad_or_trim:length=4", {1, 2, 3, 4}, 2), (Values{0, 0, 1, 2, 3, 4, 0, 0}));
  EXPECT_EQ(transformed("pad_or_trim:length=1", {1, 2, 3, 4, 5, 6}, 2), (Values{3, 4}));
}

TEST(SampleTransforms, RandomShiftMovesAndFillsWithSilence) {
  std::map<std::int64_t, int> shifts;
  for (std::uint64_t image = 0; image < 500; ++image) {
    const Values moved = transformed("random_shift:max=0.2", {1, 2, 3, 4, 5}, 1, {.image = image});  // at 10 Hz
    const auto third = std::find(moved.begin(), moved.end(), 3.0);
    ASSERT_NE(third, moved.end());
    const std::int64_t shift = third - moved.begin() - 2;
    ++shifts[shift];
    for (std::int64_t i = 0; i < 5; ++i) {
      const std::int64_t from = i - shift;
      EXPECT_EQ(moved[static_cast<std::size_t>(i)], from >= 0 && from < 5 ? static_cast<double>(from + 1) : 0.0);
    }
  }
  EXPECT_EQ(shifts.size(), 5U);  // -2 .. 2
  for (const auto& [shift, count] : shifts) EXPECT_GT(count, 60) << shift;
  EXPECT_EQ(transformed("random_shift:max=0", {1, 2}), (Values{1, 2}));
  EXPECT_NO_THROW(transformed("random_shift:max=100", {1, 2}));  // by more than there is
}

TEST(SampleTransforms, RandomGainIsInDecibelsAndClipsNothing) {
  EXPECT_EQ(transformed("random_gain:min_db=20,max_db=20", {1, -0.5}), (Values{10, -5}));
  double least = 2, most = 0;
  for (std::uint64_t image = 0; image < 500; ++image) {
    const double gain = transformed("random_gain", {1}, 1, {.image = image})[0];
    least = std::min(least, gain);
    most = std::max(most, gain);
  }
  EXPECT_NEAR(least, std::pow(10, -0.3), 0.03);
  EXPECT_NEAR(most, std::pow(10, 0.3), 0.03);
  for (const char* bad :
       {"random_gain:min_db=3,max_db=2", "random_shift:max=-1", "pad_or_trim", "pad_or_trim:length=0"})
    EXPECT_THROW(make_transform(bad), std::invalid_argument) << bad;
}

TEST(SampleTransforms, AreNotForPicturesNorPicturesTransformsForThem) {
  const ImageShape picture{32, 32, 3}, recording{1, 8000, 1, 8000};
  expect_error<std::invalid_argument>([&] { output_shape(make_transforms({"random_gain"}), picture); },
                                      {"random_gain is for recordings", "these are pictures: 32x32x3"});
  expect_error<std::invalid_argument>(
      [&] {
        output_shape(make_transforms({"random_shift", "random_invert"}), recording);
      },
      {"random_invert is for pictures", "these are recordings: 8000 samples"});
}

TEST(AudioLoader, BatchesAreNormalisedSamples) {
  TempFolder folder;
  write_folder(folder);
  const Splits splits = load_splits(folder.path(), "audio-folder:length=4");
  const double sum = 0.25 - 0.25 + 15.0 / 32768 + 0.5, squares = 2 * 0.0625 + 55.0 / 32768 / 32768 + 3 * 0.25;
  const double mean = sum / 12, deviation = std::sqrt(squares / 12 - mean * mean);
  EXPECT_NEAR(splits.train.normalization.mean.at(0), mean, 1e-12);
  EXPECT_NEAR(splits.train.normalization.std.at(0), deviation, 1e-12);
  EXPECT_EQ(splits.test.normalization, splits.train.normalization);
  for (const DType dtype : {DType::f32, DType::f64}) {
    Loader loader(splits.train, {.batch_size = 3, .shuffle = false, .dtype = dtype});
    loader.start_epoch(0);
    Batch batch;
    ASSERT_TRUE(loader.next(batch));
    EXPECT_EQ(batch.images.shape(), (Shape{3, 1, 4, 1}));
    EXPECT_NEAR(batch.images.to_vector()[0], (0.25 - mean) / deviation, 1e-6);
    // What predict does.
    const Tensor alone = normalized(transformed_images(splits.train, {0, 1, 2}), splits.train.normalization, dtype);
    EXPECT_EQ(batch.images.to_vector(), alone.to_vector());
  }
}

TEST(AudioLoader, WorkersChangeNothingAndEpochsDiffer) {
  TempFolder folder;
  for (int i = 0; i < 12; ++i) folder.write("train/a/" + std::to_string(i) + ".wav", tone(50 + 7 * i, 5));
  const Dataset dataset = load_dataset(folder.path(), Split::train, "audio-folder:length=64");
  const auto epoch_of = [&](int workers, std::int64_t epoch) {
    Loader loader(dataset, {.batch_size = 5,
                            .seed = 3,
                            .transforms = make_transforms({"random_shift:max=0.001", "random_gain"}),
                            .mixup = 0.2,
                            .workers = workers});
    loader.start_epoch(epoch);
    Values values;
    for (Batch batch; loader.next(batch);) {
      for (const double value : batch.images.to_vector()) values.push_back(value);
    }
    return values;
  };
  EXPECT_EQ(epoch_of(0, 1), epoch_of(3, 1));
  EXPECT_NE(epoch_of(0, 1), epoch_of(0, 2));
}

TEST(AudioLoader, RefusesWhatIsForPictures) {
  TempFolder folder;
  write_folder(folder);
  const Dataset dataset = load_dataset(folder.path(), Split::train, "audio-folder:length=4");
  for (const AugmentOptions& augment : {AugmentOptions::standard(), AugmentOptions{.flip = FlipMode::random},
                                        AugmentOptions{.cutout = 1}, AugmentOptions{.erasing = 0.5}}) {
    expect_error<std::invalid_argument>([&] { Loader(dataset, {.augment = augment}); }, {"random_shift", "crop, flip"});
  }
  EXPECT_THROW(Loader(dataset, {.cutmix = 1}), std::invalid_argument);
  EXPECT_THROW(Loader(load_dataset(folder.path(), Split::test, "audio-folder"),
                      {.transforms = make_transforms({"random_invert"})}),
               std::invalid_argument);
}

}  // namespace
}  // namespace striate
