#pragma once
// Files of weights: a model's state under PyTorch's names, and what is needed to build the model again.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/precision.h"
#include "core/module.h"
#include "core/safetensors.h"

namespace striate::cli {

/// Goes into the file's metadata.
struct ModelCard {
  std::string model;
  double width_multiplier = 1;
  std::vector<std::string> class_names;
  std::string precision = "fp32";
  std::int64_t height = 32;
  std::int64_t width = 32;
};

/// Writes weights.safetensors: a function of the model's values and the card alone. Throws FileError.
void save_weights(const std::filesystem::path& path, const Module& model, const ModelCard& card);

/// What a command line may say about a file of weights.
struct WeightsFlags {
  std::optional<std::string> model = {};
  std::optional<std::string> precision = {};
  std::optional<double> width_multiplier = {};
};

/// Declares --model, --precision and --width-multiplier.
void add_weights_flags(CLI::App& app, WeightsFlags& flags);

struct LoadedModel {
  std::unique_ptr<Layer> model;  ///< in eval mode, f64 where the file holds F64, else f32
  ModelCard card;
  Precision precision;
};

/// Builds the model that a file of weights is for. What the flags give wins over the metadata; what neither
/// tells (the files of others) is read off the shapes: the classes, the width. Throws FileError or
/// UsageError, with `remedy` where neither tells the model.
LoadedModel load_weights(const std::filesystem::path& path, const WeightsFlags& flags,
                         const std::string& remedy = "give --model");

/// Copies the values of a file of weights into a model for these classes. A head for others (another number of them,
/// or other names in the file's metadata) stays as it is, and its prefix is returned, else nothing. Throws FileError
/// with all names that do not match.
std::string init_from(const std::filesystem::path& path, Module& model, const std::vector<std::string>& class_names);

}  // namespace striate::cli
