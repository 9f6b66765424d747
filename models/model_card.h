#pragma once
// What a file of weights says about its model: enough to build it again and to feed it images as it was trained on.
// Weights files keep it as text (models/weights.h).

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/module.h"
#include "core/named_options.h"
#include "core/normalization.h"

namespace striate {

/// What training held out of its images to choose by, enough to hold the same out again (hold_out, data/splits.h).
struct HeldOut {
  double part = 0;  ///< of every class; 0: none
  std::uint64_t seed = 0;
  std::string images = {};  ///< tells them from others: apps/training/content_hash.h
};

struct ModelCard {
  std::string model;          ///< by name, as make_model knows it
  NamedOptions options = {};  ///< its own: "width_multiplier=0.25,depth=20"
  std::vector<std::string> class_names = {};
  std::string precision = "fp32";
  std::int64_t channels = 3;  ///< of the images
  std::int64_t height = 32;
  std::int64_t width = 32;
  std::int64_t sample_rate = 0;      ///< of recordings, which have height 1 and their length as the width; 0: pictures
  Normalization normalization = {};  ///< empty: default_normalization()
  /// What evaluation does to a picture first, as make_transform (data/transform.h) knows them: "center_crop:size=128".
  std::vector<std::string> transforms = {};
  HeldOut held_out = {};
};

/// The model that a card describes, freshly initialised. Throws as make_model(name, options).
std::unique_ptr<Layer> make_model(const ModelCard& card);

/// Throws std::invalid_argument with both lists where data of these classes, in this order, is none for the card's
/// model: labels go by place. Of numbered_classes() the count alone is compared.
void check_classes(const ModelCard& card, const std::vector<std::string>& class_names);
/// "class 0", "class 1", ...: of a file that does not name its classes.
std::vector<std::string> numbered_classes(std::size_t count);

using Metadata = std::map<std::string, std::string>;

Metadata to_metadata(const ModelCard& card);

/// The inverse. What is missing has the defaults above; a width_multiplier of its own (in files of earlier versions) is
/// one of the options. Throws std::invalid_argument for text that cannot be understood and for absurd sizes.
ModelCard from_metadata(const Metadata& metadata);

}  // namespace striate
