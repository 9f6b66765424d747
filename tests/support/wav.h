#pragma once
// WAV files, written by hand: what libsndfile reads is checked against what is said here.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace striate::testing_support {

struct WavOptions {
  int sample_rate = 8000;
  int channels = 1;
  int bits = 16;  ///< 8 (unsigned), 16, 24 or 32
  bool floats = false;
};

/// Integers as they are, frame by frame; floats as they are with options.floats.
inline std::string wav(const std::vector<double>& samples, const WavOptions& o = {}) {
  const auto number = [](std::uint64_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xffU);
    return text;
  };
  const int bytes = o.bits / 8;
  const std::uint64_t frame = static_cast<std::uint64_t>(bytes) * static_cast<std::uint64_t>(o.channels);
  const auto rate = static_cast<std::uint64_t>(o.sample_rate);
  std::string data;
  for (const double sample : samples) {
    auto value = static_cast<std::uint64_t>(std::llround(o.floats ? 0 : sample));
    if (o.floats) {
      const auto single = static_cast<float>(sample);
      std::uint32_t word = 0;
      std::memcpy(&word, &single, 4);
      value = word;
    }
    data += number(value, bytes);
  }
  const std::string format = number(o.floats ? 3 : 1, 2) + number(static_cast<std::uint64_t>(o.channels), 2) +
                             number(rate, 4) + number(rate * frame, 4) + number(frame, 2) +
                             number(static_cast<std::uint64_t>(o.bits), 2);
  const std::string body = "WAVEfmt " + number(format.size(), 4) + format + "data" + number(data.size(), 4) + data;
  return "RIFF" + number(body.size(), 4) + body;
}

/// `length` samples of a tone with so many periods, of half the full scale.
inline std::string tone(int length, double periods, const WavOptions& o = {}) {
  std::vector<double> samples;
  for (int i = 0; i < length; ++i) {
    samples.insert(samples.end(), static_cast<std::size_t>(o.channels),
                   16384 * std::sin(2 * 3.14159265358979 * periods * i / length));
  }
  return wav(samples, o);
}

}  // namespace striate::testing_support
