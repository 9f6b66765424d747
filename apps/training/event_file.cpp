#include "apps/training/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <system_error>
#include <utility>
#include <vector>

#include "core/error.h"
#include "data/image.h"

namespace striate {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "events.out.tfevents.";
constexpr std::size_t kBuckets = 30;

// The numbers of fields in TensorFlow's event.proto and summary.proto.
namespace field {
enum Event : std::uint32_t { wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7 };
enum SessionLog : std::uint32_t { status = 1 };
enum Value : std::uint32_t { tag = 1, simple_value = 2, image = 4, histogram = 5 };
enum Image : std::uint32_t { height = 1, width = 2, colorspace = 3, encoded = 4 };
enum Histogram : std::uint32_t { min = 1, max = 2, num = 3, sum = 4, sum_squares = 5, bucket_limit = 6, bucket = 7 };
}  // namespace field

constexpr std::uint32_t kValue = 1;  // of a Summary
constexpr std::int64_t kStart = 1;   // a SessionLog's status

// CRC-32C (Castagnoli), as TFRecord masks it: https://www.tensorflow.org/tutorials/load_data/tfrecord.
std::uint32_t masked_crc(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffU;
  for (const char c : bytes) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0x82f63b78U : 0U);
  }
  crc = ~crc;
  return (crc >> 15U | crc << 17U) + 0xa282ead8U;
}

std::string record(const std::string& data) {
  const std::string length = little_endian(std::uint64_t{data.size()});
  return length + little_endian(masked_crc(length)) + data + little_endian(masked_crc(data));
}

// The seconds in an event file's name; -1 for other files.
std::int64_t seconds_in(const std::string& name) {
  return name.starts_with(kPrefix) ? std::strtoll(name.c_str() + std::string_view(kPrefix).size(), nullptr, 10) : -1;
}

std::int64_t last_seconds_in(const fs::path& folder) {
  std::int64_t last = -1;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    last = std::max(last, seconds_in(entry.path().filename().string()));
  }
  return last;
}

ProtoMessage histogram_of(const std::vector<double>& values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const double min = values.empty() ? 0 : *least, max = values.empty() ? 0 : *most;
  double sum = 0, squares = 0;
  std::array<double, kBuckets> limits{};
  std::array<double, kBuckets> counts{};
  const double width = (max - min) / double(kBuckets);
  for (std::size_t i = 0; i < kBuckets; ++i) limits[i] = i + 1 == kBuckets ? max : min + width * double(i + 1);
  for (const double value : values) {
    sum += value;
    squares += value * value;
    counts[width > 0 ? std::min(kBuckets - 1, static_cast<std::size_t>((value - min) / width)) : kBuckets - 1] += 1;
  }
  return ProtoMessage()
      .add_double(field::min, min)
      .add_double(field::max, max)
      .add_double(field::num, double(values.size()))
      .add_double(field::sum, sum)
      .add_double(field::sum_squares, squares)
      .add_doubles(field::bucket_limit, limits)
      .add_doubles(field::bucket, counts);
}

}  // namespace

bool holds_event_files(const fs::path& folder) { return last_seconds_in(folder) >= 0; }

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

EventFile::EventFile(fs::path folder, std::int64_t first_step, std::function<double()> clock)
    : clock_(std::move(clock)) {
  const auto now = static_cast<std::int64_t>(clock_());
  path_ = std::move(folder);
  path_ /= kPrefix + std::to_string(std::max(now, last_seconds_in(path_) + 1)) + ".striate";
  append(field::file_version, "brain.Event:2", 0);
  append(field::session_log, ProtoMessage().add_int(field::status, kStart).bytes(), first_step);
}

void EventFile::add_scalar(std::string_view tag, double value) {
  summary_.add(kValue, ProtoMessage().add_bytes(field::tag, tag).add_float(field::simple_value, float(value)));
}

void EventFile::add_image(std::string_view tag, const Tensor& image) {
  const std::vector<std::uint8_t> png = encode_png(image);
  const auto encoded = ProtoMessage()
                           .add_int(field::height, image.size(0))
                           .add_int(field::width, image.size(1))
                           .add_int(field::colorspace, image.size(2))
                           .add_bytes(field::encoded, {reinterpret_cast<const char*>(png.data()), png.size()});
  summary_.add(kValue, ProtoMessage().add_bytes(field::tag, tag).add(field::image, encoded));
}

void EventFile::add_histogram(std::string_view tag, const Tensor& values) {
  std::vector<double> finite = values.to_vector();
  std::erase_if(finite, [](double value) { return !std::isfinite(value); });
  summary_.add(kValue, ProtoMessage().add_bytes(field::tag, tag).add(field::histogram, histogram_of(finite)));
}

void EventFile::write(std::int64_t step) { append(field::summary, std::exchange(summary_, {}).bytes(), step); }

void EventFile::append(std::uint32_t field, std::string_view content, std::int64_t step) const {
  ProtoMessage event;
  event.add_double(field::wall_time, clock_());
  if (step != 0) event.add_int(field::step, step);
  event.add_bytes(field, content);
  const std::string bytes = record(event.bytes());
  const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  const ssize_t written = file < 0 ? -1 : ::write(file, bytes.data(), bytes.size());
  const int why = written < 0 ? errno : ENOSPC;
  if (file >= 0) ::close(file);
  if (written != static_cast<ssize_t>(bytes.size())) {
    throw FileError(path_.string(), "cannot be written: " + std::generic_category().message(why));
  }
}

}  // namespace striate
