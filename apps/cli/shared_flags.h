#pragma once
// Flags that several subcommands have: --threads, --conv, --data, and those that name a model.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/normalization.h"
#include "data/image.h"
#include "layers/conv/kernels.h"
#include "models/registry.h"
#include "models/weights.h"

namespace CLI {
class App;
}

namespace striate::cli {

inline constexpr std::int64_t kMostThreads = 1024;
inline constexpr const char* kThreadsHelp = "Threads of the arithmetic; 0: all processors";

/// Of images a batch, and of epochs: more is a typing error.
inline constexpr std::int64_t kMostCounted = 1000000;

/// Declares --threads on `app`; call use_threads with its value after parsing (0: all processors).
void add_threads_flag(CLI::App& app, std::int64_t& threads);
void use_threads(std::int64_t threads);

/// What --conv does, with the names of the algorithms.
std::string conv_flag_help();
/// The algorithm of this name, null for automatic. Throws UsageError with the nearest name.
const ConvAlgorithm* conv_algorithm_of(const std::string& name);

/// Whether the data set `format` (as in load_dataset) lies somewhere: those that are found by their names only need
/// not.
bool needs_path(const std::string& format);
/// The given path, else $STRIATE_DATA, else, for CIFAR-10, ~/.cache/striate/cifar-10-batches-bin. Where none of them is
/// there, an empty path for a `format` that needs none; throws UsageError for others.
std::filesystem::path data_path(const std::string& given, const std::string& format);

/// What ends a message about images that should have so many channels: "; --dataset image-folder:channels=1 reads them
/// so". Empty where the data set can be read in one way only. `data` and `format` are as given.
std::string channels_advice(const std::string& data, const std::string& format, std::int64_t channels);

inline constexpr const char* kMaxPixelsHelp = "Pictures that say they have more pixels are refused";

inline constexpr const char* kSkipBrokenHelp = "Leave out pictures that cannot be read, and say which";

/// The path of a file that a command writes at its end, after work that must not be lost. Throws UsageError for one
/// whose folder is not there, and for a folder.
std::filesystem::path writable_file(const std::string& flag, const std::string& given);

/// The numbers of --mean or --std, none of "". Throws UsageError.
std::vector<double> channel_values(const std::string& flag, const std::string& text);
/// `base` with --mean and --std where they are given; one number stands for all channels. Throws UsageError.
Normalization normalization_of(const std::string& mean, const std::string& deviation, Normalization base,
                               std::int64_t channels);
/// "mean 0.1307, std 0.3081", with a number a channel.
std::string text_of(const Normalization& normalization);

/// Empty where a flag was not given.
struct ModelFlags {
  std::string model = {};
  std::optional<double> width_multiplier = {};
  std::string precision = {};
  std::string input = {};  ///< an image's size, HxWxC
};

/// Declares --width-multiplier and --input; `otherwise` tells in the help what holds where they are not given.
void add_shape_flags(CLI::App& app, ModelFlags& flags, const std::string& otherwise = "");
/// Declares --model and --precision too.
void add_model_flags(CLI::App& app, ModelFlags& flags, const std::string& otherwise = "");

/// --input as (height,width,channels), 32x32x3 where it was not given. Throws UsageError.
Shape input_of(const ModelFlags& flags);
/// What make_model takes besides the name. Throws UsageError.
ModelOptions model_options(const ModelFlags& flags);
/// The model of a file of weights, with what wins over its card. What the user should know of the file goes to standard
/// error. Throws UsageError, FileError.
LoadedModel load_model(const std::string& weights, const ModelFlags& flags);

/// What commands with a file of weights share.
struct WeightsFlags : ModelFlags {
  std::string weights;
  std::string mean;
  std::string deviation;  ///< --std
  std::int64_t max_pixels = kMaxPixels;
  std::int64_t threads = 0;
  bool json = false;
};

void add_weights_flags(CLI::App& app, WeightsFlags& flags);
/// Of them, --mean and --std alone.
void add_normalization_flags(CLI::App& app, WeightsFlags& flags);
/// Sets the number of threads and loads the model; its card has --mean and --std. Throws UsageError and FileError.
LoadedModel load(const WeightsFlags& flags);

/// A picture or a recording out of the card's transforms: u8 or f32 (1,H,W,C). Throws FileError.
Tensor read_input(const ModelCard& card, const std::string& file, std::int64_t max_pixels);

}  // namespace striate::cli
