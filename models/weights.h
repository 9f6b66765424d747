#pragma once
// Files of weights (safetensors): a model's state under PyTorch's names, with its model card as metadata. Training
// writes them; eval, predict, summary and distillation read them; --init begins with one.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/module.h"
#include "core/precision.h"
#include "models/model_card.h"

namespace striate {

/// A function of the model's values and the card alone. Throws FileError.
void save_weights(const std::filesystem::path& path, const Module& model, const ModelCard& card);

/// What wins over a file's model card.
struct LoadOptions {
  std::string model = {};  ///< "vgg16", "mynet:depth=20"; empty: the card's. For another model its options are ignored
  NamedOptions options = {};
  std::string precision = {};                 ///< empty: the card's, and fp64 where the file holds F64
  std::optional<Shape> input = std::nullopt;  ///< an image's height, width and channels
};

struct LoadedModel {
  std::unique_ptr<Layer> model;  ///< in eval mode, f64 for fp64, else f32
  ModelCard card;
  Precision precision;
  std::string note = {};  ///< what the user should know: a prefix that was taken off all names; mostly empty
};

/// Builds the model that a file of weights is for and loads them. Where the file has no card of ours, classes, channels
/// and, for models that have one, the width multiplier are read off the shapes. Names may begin with a prefix that all
/// of them share, as "module." of PyTorch's DataParallel. Throws FileError with what is wrong and
/// what to do; building a model takes no more memory than the file's weights account for.
LoadedModel load_weights(const std::filesystem::path& path, const LoadOptions& options = {});

struct InitResult {
  std::string skipped_head = {};     ///< its prefix
  std::string note = {};             ///< as LoadedModel's
  Normalization normalization = {};  ///< of the images that it was trained on; empty where the file does not say
};

/// Copies the values of a file of weights into a model for these classes. A head for others (another number of them,
/// or other names in the file's card) stays as it is. Throws FileError with all names that do not match.
InitResult init_from(const std::filesystem::path& path, Module& model, const std::vector<std::string>& class_names);

}  // namespace striate
