#pragma once
// Recordings of sound in files, by libsndfile: what data/image.h is for pictures. Audio folders
// (data/audio_folder.cpp) and `predict` read them.

#include <cstdint>
#include <filesystem>
#include <span>

#include "core/tensor.h"
#include "data/image.h"

namespace striate {

struct Recording {
  /// f32 (1,L,channels): integers of any width as -1 .. 1, floats as they are stored.
  Tensor samples;
  std::int64_t sample_rate = 0;  ///< in Hz; nothing is resampled
};

/// True for the endings wav and flac (in any case).
bool is_recording_file(const std::filesystem::path& file);

/// WAV, FLAC and what else libsndfile knows, told by the bytes. channels = 1 takes the mean of all channels, 0 leaves
/// them as they are. Throws std::runtime_error with the reason for what is damaged, empty, truncated or of another
/// kind, for samples that are not finite, and for more than max_samples of them, all channels counted.
Recording decode_recording(std::span<const std::uint8_t> bytes, std::int64_t channels = 0,
                           std::int64_t max_samples = kMaxPixels);

/// The same of a file. Throws FileError.
Recording read_recording(const std::filesystem::path& file, std::int64_t channels = 0,
                         std::int64_t max_samples = kMaxPixels);

}  // namespace striate
