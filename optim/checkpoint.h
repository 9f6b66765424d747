#pragma once
// Checkpoints: everything that a training run needs to resume as if it had never been interrupted, taken between
// two steps.
// Called by training loops; core/safetensors.h has the file format, optim/optimizer.h the optimiser's part.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "core/module.h"
#include "core/random.h"
#include "core/tensor.h"
#include "optim/optimizer.h"

namespace striate {

/// A run between two steps. Learning rates by step and batches by (seed, epoch, position) are pure functions
/// of what is here, and so nothing else needs saving.
struct TrainingState {
  Module& model;
  Optimizer& optimizer;
  Generator& generator = default_generator();  ///< what initialisers and dropout draw from
  std::int64_t step = 0;                       ///< steps taken
  std::int64_t epoch = 0;                      ///< the epoch that the next step belongs to, from 0
  std::int64_t position = 0;                   ///< batches of that epoch already taken
  std::map<std::string, double> metrics{};     ///< running sums and the like; kept bit for bit
  /// Configuration, or whatever the loop wants to find again; UTF-8.
  std::map<std::string, std::string> text{};
  /// Whatever else the run carries (averages of weights, a loss scale).
  std::map<std::string, Tensor> tensors{};
  /// That wrote the loaded checkpoint (core/build_info.h), since another may go on with other bits. Empty where
  /// unknown.
  std::string build{};

  /// Of `metrics`. Throws std::invalid_argument where a loaded checkpoint lacks it.
  [[nodiscard]] double metric(const std::string& name) const;
};

/// Writes one safetensors file atomically (core/file.h): on failure the earlier checkpoint stays. Parameters and
/// buffers are in file layout under "model.", Optimizer::state() under "optimizer.". Throws FileError.
void save_checkpoint(const std::filesystem::path& path, const TrainingState& state);

/// Restores bit for bit what save_checkpoint wrote: the values of model, optimizer (with the settings of its
/// groups) and generator, and all other members. model and optimizer must be made as they were: the same
/// names, shapes, dtypes and groups, the same kind of optimizer with the same hyper-parameters. Everything is
/// checked first; FileError lists all that does not fit, and nothing has changed then.
void load_checkpoint(const std::filesystem::path& path, TrainingState& state);

/// TrainingState::text of a checkpoint, without reading its tensors: to build the model that it needs, or to
/// refuse a resume under another configuration. Throws FileError.
std::map<std::string, std::string> checkpoint_text(const std::filesystem::path& path);

}  // namespace striate
