#include "apps/training/content_hash.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iomanip>
#include <sstream>

#include "core/state.h"

namespace striate {
namespace {

// The offset and the prime of FNV-1a, over words instead of bytes.
constexpr std::uint64_t kOffset = 0xcbf29ce484222325;
constexpr std::uint64_t kPrime = 0x100000001b3;

std::uint64_t extended(std::uint64_t hash, const void* data, std::size_t count) {
  const auto* bytes = static_cast<const char*>(data);
  for (std::size_t i = 0; i < count; i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + i, std::min(sizeof word, count - i));
    hash = (hash ^ word) * kPrime;
  }
  return hash;
}

std::string in_hex(std::uint64_t hash) {
  std::ostringstream text;
  text << std::hex << std::setfill('0') << std::setw(16) << hash;
  return text.str();
}

}  // namespace

std::string content_hash(const Dataset& dataset) {
  std::uint64_t hash = extended(kOffset, dataset.labels.raw(), dataset.labels.bytes());
  hash = extended(hash, dataset.images.raw(), dataset.images.bytes());
  const Normalization normalization = dataset.normalization.for_channels(dataset.channels());
  for (const auto& values : {normalization.mean, normalization.std}) {
    hash = extended(hash, values.data(), values.size() * sizeof(double));
  }
  return std::to_string(dataset.size()) + " images, " + std::to_string(dataset.classes()) + " classes, " + in_hex(hash);
}

std::string content_hash(const Module& model) {
  std::uint64_t hash = kOffset;
  const std::vector<NamedTensor> state = named_state(model);
  for (const NamedTensor& named : state) hash = extended(hash, named.value.raw(), named.value.bytes());
  return std::to_string(state.size()) + " tensors, " + in_hex(hash);
}

}  // namespace striate
