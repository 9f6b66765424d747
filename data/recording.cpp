#include "data/recording.h"

#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "core/error.h"
#include "core/file.h"
#include "data/format.h"

namespace striate {

namespace {

/// What libsndfile reads from.
struct Memory {
  std::span<const std::uint8_t> bytes;
  sf_count_t at = 0;
};

SF_VIRTUAL_IO memory_reader() {
  const auto size = [](void* from) { return static_cast<sf_count_t>(static_cast<Memory*>(from)->bytes.size()); };
  const auto seek = [](sf_count_t offset, int whence, void* from) {
    auto& memory = *static_cast<Memory*>(from);
    const auto end = static_cast<sf_count_t>(memory.bytes.size());
    const sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? memory.at : end;
    return memory.at = std::clamp<sf_count_t>(offset, -base, end - base) + base;
  };
  const auto read = [](void* to, sf_count_t count, void* from) {
    auto& memory = *static_cast<Memory*>(from);
    count = std::clamp<sf_count_t>(count, 0, static_cast<sf_count_t>(memory.bytes.size()) - memory.at);
    if (count > 0) std::memcpy(to, memory.bytes.data() + memory.at, static_cast<std::size_t>(count));
    memory.at += count;
    return count;
  };
  const auto tell = [](void* from) { return static_cast<Memory*>(from)->at; };
  return {.get_filelen = size, .seek = seek, .read = read, .write = nullptr, .tell = tell};
}

/// libsndfile takes a WAV that ends early for a shorter one. Programs that write to a pipe leave sizes of 0 or of 2 GiB
/// and more, which say nothing.
bool ends_early(std::span<const std::uint8_t> bytes) {
  const auto word = [&](std::size_t at) {
    return std::string_view(reinterpret_cast<const char*>(bytes.data()) + at, 4);
  };
  if (bytes.size() < 12 || word(0) != "RIFF" || word(8) != "WAVE") return false;
  for (std::uint64_t at = 12; at + 8 <= bytes.size();) {
    std::uint64_t size = 0;
    for (unsigned i = 0; i < 4; ++i) size |= std::uint64_t{bytes[at + 4 + i]} << (8 * i);
    if (word(at) == "data") return size < 0x7fff0000 && at + 8 + size > bytes.size();
    at += 8 + size + size % 2;
  }
  return false;
}

/// All that a file holds, a few frames at a time: its header may promise anything.
std::vector<float> read_all(SNDFILE* file, const SF_INFO& info, std::int64_t max_samples) {
  constexpr std::int64_t kFrames = 4096;
  std::vector<float> block(static_cast<std::size_t>(kFrames * info.channels)), samples;
  for (;;) {
    const sf_count_t frames = sf_readf_float(file, block.data(), kFrames);
    if (frames <= 0) break;
    samples.insert(samples.end(), block.begin(), block.begin() + frames * info.channels);
    if (static_cast<std::int64_t>(samples.size()) > max_samples) {
      throw std::runtime_error("has more than " + std::to_string(max_samples) +
                               " samples; if it is good, raise the limit (--max-pixels)");
    }
  }
  return samples;
}

}  // namespace

bool is_recording_file(const std::filesystem::path& file) {
  const std::string ending = lower_case(file.extension().string());
  return ending == ".wav" || ending == ".flac";
}

Recording decode_recording(std::span<const std::uint8_t> bytes, std::int64_t channels, std::int64_t max_samples) {
  expect(channels == 0 || channels == 1, "decode_recording", "1 channel, or 0 for those of the file", channels);
  if (bytes.empty()) throw std::runtime_error("the file is empty");
  if (ends_early(bytes)) throw std::runtime_error("is truncated: its header promises more samples than follow");
  Memory memory{bytes};
  SF_VIRTUAL_IO reader = memory_reader();
  SF_INFO info{};
  const std::unique_ptr<SNDFILE, int (*)(SNDFILE*)> file(sf_open_virtual(&reader, SFM_READ, &info, &memory), sf_close);
  if (!file || info.channels < 1 || info.samplerate < 1) {
    throw std::runtime_error("expected a WAV or FLAC file, got something else, or a damaged one");
  }
  const std::vector<float> samples = read_all(file.get(), info, max_samples);
  const auto wide = static_cast<std::size_t>(info.channels);
  const std::size_t length = samples.size() / wide;
  if (samples.empty()) throw std::runtime_error("holds no samples");
  if (info.frames != SF_COUNT_MAX && static_cast<sf_count_t>(length) < info.frames) {
    throw std::runtime_error("is damaged or truncated: " + std::to_string(length) + " of " +
                             std::to_string(info.frames) + " samples can be read");
  }
  const auto wrong = std::find_if(samples.begin(), samples.end(), [](float value) { return !std::isfinite(value); });
  if (wrong != samples.end()) {
    throw std::runtime_error("sample " + std::to_string(static_cast<std::size_t>(wrong - samples.begin()) / wide) +
                             " is not finite");
  }
  const std::int64_t kept = channels == 1 ? 1 : info.channels;
  Recording recording{Tensor::empty({1, static_cast<std::int64_t>(length), kept}, DType::f32), info.samplerate};
  auto* out = recording.samples.mutable_data<float>();
  if (kept == info.channels) {
    std::copy(samples.begin(), samples.end(), out);
    return recording;
  }
  for (auto frame = samples.begin(); frame != samples.end(); frame += info.channels) {
    double sum = 0;
    for (int c = 0; c < info.channels; ++c) sum += static_cast<double>(frame[c]);
    *out++ = static_cast<float>(sum / info.channels);
  }
  return recording;
}

Recording read_recording(const std::filesystem::path& file, std::int64_t channels, std::int64_t max_samples) {
  // A sample has 8 bytes at most, and what is not sound beside it some thousands.
  const auto most = std::clamp<std::int64_t>(max_samples, 0, std::int64_t{1} << 48U) * 8 + (std::int64_t{1} << 20U);
  const std::vector<std::uint8_t> bytes = read_bytes(file, static_cast<std::uint64_t>(most));
  try {
    return decode_recording(bytes, channels, max_samples);
  } catch (const std::bad_alloc&) {
    throw FileError(file.string(), "has more samples than there is memory for");
  } catch (const std::runtime_error& error) {
    throw FileError(file.string(), std::string("cannot be read as a recording: ") + error.what());
  }
}

}  // namespace striate
