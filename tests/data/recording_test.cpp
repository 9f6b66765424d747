// Recordings: what is read of every kind of file, and what is said of broken ones.

#include "data/recording.h"

#include <gtest/gtest.h>
#include <sndfile.h>

#include <limits>

#include "core/error.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"
#include "tests/support/wav.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::TempFolder;
using testing_support::wav;
using testing_support::WavOptions;

Recording decoded(const std::string& bytes, std::int64_t channels = 0, std::int64_t max_samples = kMaxPixels) {
  return decode_recording({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, channels, max_samples);
}

std::vector<double> samples_of(const std::string& bytes, std::int64_t channels = 0) {
  return decoded(bytes, channels).samples.to_vector();
}

using Values = std::vector<double>;

TEST(Recording, IntegersBecomeMinusOneToOne) {
  EXPECT_EQ(samples_of(wav({0, 128, 255}, {.bits = 8})), (Values{-1, 0, 127.0 / 128}));
  EXPECT_EQ(samples_of(wav({-32768, 1, 16384}, {.bits = 16})), (Values{-1, 1.0 / 32768, 0.5}));
  EXPECT_EQ(samples_of(wav({-8388608, 1, 4194304}, {.bits = 24})), (Values{-1, 1.0 / 8388608, 0.5}));
  EXPECT_EQ(samples_of(wav({-2147483648.0, 1024, 1 << 30}, {.bits = 32})), (Values{-1, 1024.0 / 2147483648, 0.5}));
}

TEST(Recording, FloatsStayAsTheyAre) {
  EXPECT_EQ(samples_of(wav({-0.25, 3, 0}, {.bits = 32, .floats = true})), (Values{-0.25, 3, 0}));
}

TEST(Recording, ChannelsAndRate) {
  const std::string stereo = wav({100, 300, -100, 500, 0, 2}, {.sample_rate = 44100, .channels = 2});
  const Recording both = decoded(stereo);
  EXPECT_EQ(both.sample_rate, 44100);
  EXPECT_EQ(both.samples.shape(), (Shape{1, 3, 2}));
  EXPECT_EQ(both.samples.dtype(), DType::f32);
  EXPECT_EQ(both.samples.to_vector()[3], 500.0 / 32768);
  const Recording mean = decoded(stereo, 1);
  EXPECT_EQ(mean.samples.shape(), (Shape{1, 3, 1}));
  EXPECT_EQ(mean.samples.to_vector(), (Values{200.0 / 32768, 200.0 / 32768, 1.0 / 32768}));
  EXPECT_THROW(decoded(stereo, 2), std::invalid_argument);
}

std::string flac(const std::vector<short>& samples) {
  TempFolder folder;
  const std::string path = (folder.path() / "a.flac").string();
  SF_INFO info{};
  info.samplerate = 16000;
  info.channels = 1;
  info.format = SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  sf_write_short(file, samples.data(), static_cast<sf_count_t>(samples.size()));
  sf_close(file);
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Recording, Flac) {
  std::vector<short> samples(10001);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<short>(i * 7919);
  const std::string bytes = flac(samples);
  const Recording recording = decoded(bytes);
  EXPECT_EQ(recording.sample_rate, 16000);
  ASSERT_EQ(recording.samples.numel(), 10001);
  EXPECT_EQ(recording.samples.to_vector()[10000], samples[10000] / 32768.0);
  EXPECT_THROW(decoded(bytes.substr(0, bytes.size() / 2)), std::runtime_error);
}

TEST(Recording, SaysWhatIsWrong) {
  const std::string good = wav(std::vector<double>(1000, 1));
  expect_error<std::runtime_error>([&] { decoded(""); }, {"the file is empty"});
  expect_error<std::runtime_error>([&] { decoded("hello"); }, {"expected a WAV or FLAC file"});
  expect_error<std::runtime_error>([&] { decoded(wav({})); }, {"holds no samples"});
  for (const std::size_t cut : {std::size_t{1}, std::size_t{1000}, std::size_t{2000}}) {
    expect_error<std::runtime_error>([&] { decoded(good.substr(0, good.size() - cut)); }, {"is truncated"});
  }
  for (std::size_t size = 0; size < 44; ++size) EXPECT_THROW(decoded(good.substr(0, size)), std::runtime_error);
  for (const double value : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    expect_error<std::runtime_error>(
        [&] {
          decoded(wav({0, 0, value}, {.bits = 32, .floats = true}));
        },
        {"sample 2 is not finite"});
  }
  EXPECT_NO_THROW(decoded(good, 0, 1000));
  expect_error<std::runtime_error>([&] { decoded(good, 0, 999); }, {"more than 999 samples", "--max-pixels"});
}

// What follows the samples, and a size that nobody knew, as ffmpeg and sox write it to a pipe.
TEST(Recording, TakesTheWavFilesThatThereAre) {
  std::string streamed = wav({1, 2, 3});
  for (const std::size_t at : {std::size_t{4}, std::size_t{40}}) streamed.replace(at, 4, "\xff\xff\xff\xff");
  EXPECT_EQ(decoded(streamed).samples.numel(), 3);
  EXPECT_EQ(decoded(wav({1, 2, 3}) + std::string("LIST\4\0\0\0INFO", 12)).samples.numel(), 3);
}

TEST(Recording, OfAFile) {
  TempFolder folder;
  EXPECT_EQ(read_recording(folder.write("a.wav", wav({1, 2, 3}))).samples.numel(), 3);
  expect_error<FileError>([&] { read_recording(folder.write("b.wav", "RIFF")); },
                          {"b.wav: cannot be read as a recording: "});
  expect_error<FileError>([&] { read_recording(folder.path() / "none.wav"); }, {"none.wav"});
  EXPECT_TRUE(is_recording_file("a.WAV") && is_recording_file("a/b.flac"));
  EXPECT_FALSE(is_recording_file("a.mp3") || is_recording_file("wav"));
}

}  // namespace
}  // namespace striate
