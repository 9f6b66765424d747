#include "apps/training/content_hash.h"

#include <cstdint>
#include <sstream>

#include "core/own_xxhash.h"
#include "core/state.h"

namespace striate {
namespace {

// XXH3, seeded with the hash of what came before.
std::uint64_t extended(std::uint64_t hash, const Tensor& tensor) {
  return XXH3_64bits_withSeed(tensor.raw(), tensor.bytes(), hash);
}

std::string in_hex(std::uint64_t hash) {
  std::ostringstream text;
  text << "xxh3 " << std::hex << hash;
  return text.str();
}

}  // namespace

std::string content_hash(const Dataset& dataset) {
  std::uint64_t hash = extended(0, dataset.labels);
  if (!dataset.source) hash = extended(hash, dataset.images);
  for (std::int64_t i = 0; dataset.source && i < dataset.size(); ++i) {
    const std::uint64_t of_image = dataset.source->hash(i);
    hash = XXH3_64bits_withSeed(&of_image, sizeof of_image, hash);
  }
  for (const std::string& text : descriptions(dataset.transforms)) {
    hash = XXH3_64bits_withSeed(text.data(), text.size(), hash);
  }
  const Normalization normalization = dataset.normalization.for_channels(dataset.channels());
  for (const auto& values : {normalization.mean, normalization.std}) {
    hash = XXH3_64bits_withSeed(values.data(), values.size() * sizeof(double), hash);
  }
  return std::to_string(dataset.size()) + " images, " + std::to_string(dataset.classes()) + " classes, " + in_hex(hash);
}

std::string stored_images_hash(Dataset dataset) {
  dataset.transforms.clear();
  dataset.normalization = {};
  return content_hash(dataset);
}

std::string content_hash(const Module& model) {
  std::uint64_t hash = 0;
  const std::vector<NamedTensor> state = named_state(model);
  for (const NamedTensor& named : state) hash = extended(hash, named.value);
  return std::to_string(state.size()) + " tensors, " + in_hex(hash);
}

}  // namespace striate
