#include "apps/training/fingerprint.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/file.h"

namespace striate::cli {
namespace {

// FNV's start and factor, over words.
constexpr std::uint64_t kStart = 0xcbf29ce484222325;
constexpr std::uint64_t kFactor = 0x100000001b3;

std::uint64_t mix(std::uint64_t hash, const void* bytes, std::size_t count) {
  for (std::size_t i = 0; i < count; i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, static_cast<const char*>(bytes) + i, std::min(sizeof word, count - i));
    hash = (hash ^ word) * kFactor;
  }
  return hash;
}

}  // namespace

std::string fingerprint(const Dataset& dataset) {
  std::uint64_t hash = mix(kStart, dataset.labels.raw(), dataset.labels.bytes());
  hash = mix(hash, dataset.images.raw(), dataset.images.bytes());
  const Normalization normalization = dataset.normalization.for_channels(dataset.channels());
  for (const auto& values : {normalization.mean, normalization.std}) {
    hash = mix(hash, values.data(), values.size() * sizeof(double));
  }
  return fmt::format("{} images, {} classes, {:016x}", dataset.size(), dataset.classes(), hash);
}

std::string fingerprint(const std::filesystem::path& file) {
  const auto bytes = read_bytes(file);
  return fmt::format("{} bytes, {:016x}", bytes.size(), mix(kStart, bytes.data(), bytes.size()));
}

}  // namespace striate::cli
