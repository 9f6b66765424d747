// `striate predict`: class probabilities of image files or recordings, read, resized and normalised as the model card
// says; of models for segmentation label maps.

#include "apps/cli/predict.h"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/cli/commands.h"
#include "apps/cli/label_pictures.h"
#include "apps/cli/screen.h"
#include "apps/cli/shared_flags.h"
#include "apps/training/evaluate.h"
#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/file.h"
#include "core/printable.h"
#include "data/normalize.h"
#include "layers/softmax.h"

namespace striate::cli {
namespace {

struct PredictOptions : WeightsFlags {
  std::vector<std::string> images;
  std::int64_t top = 3;
  std::string out;
};

PredictOptions parse_predict(const Arguments& arguments) {
  PredictOptions options;
  CLI::App app(
      "Classifies image files or recordings, and labels pixels; an image of another size is resized to the model's, a "
      "recording trimmed or padded.",
      "predict");
  app.add_option("IMAGE", options.images, "Image files (jpg, png, bmp, ...), or recordings (wav, flac)")->required();
  add_weights_flags(app, options);
  app.add_option("--top", options.top, "Classes to show for each image")->capture_default_str();
  app.add_option("--out", options.out,
                 "Folder for the label maps of a model that labels pixels: NAME.png, of the model's size");
  parse(app, arguments);
  at_least("top", options.top, 1);
  return options;
}

// The share of pixels of each class.
std::vector<double> shares_of(const Tensor& classes, std::size_t count) {
  std::vector<double> shares(count);
  for (const std::int64_t label : classes.span<std::int64_t>())
    shares[static_cast<std::size_t>(label)] += 1.0 / static_cast<double>(classes.numel());
  return shares;
}

std::string map_name(const std::string& file) { return std::filesystem::path(file).stem().string() + ".png"; }

void expect_own_maps(const std::vector<std::string>& files) {
  std::map<std::string, std::string> from;
  for (const std::string& file : files) {
    const auto [other, is_new] = from.emplace(map_name(file), file);
    if (!is_new) {
      throw UsageError(
          fmt::format("--out: the label maps of {} and {} would both be {}; give them in two calls, with "
                      "two folders",
                      other->second, file, other->first));
    }
  }
}

// Writes the label map of a file, classes i64 (1,H,W), and returns its path.
std::string write_map(const std::string& file, const Tensor& classes, const PredictOptions& options) {
  if (options.out.empty()) throw UsageError("the model of --weights labels pixels: give --out DIR for its label maps");
  make_folder(options.out);
  const auto path = std::filesystem::path(options.out) / map_name(file);
  std::error_code ignored;
  if (std::filesystem::equivalent(path, file, ignored)) throw FileError(file, "would be replaced by its label map");
  write_atomically(path, label_map_png(classes.viewed_as({classes.size(1), classes.size(2)})));
  return path.string();
}

// `map` is the path of a label map; empty: none.
void print(const std::string& file, const std::vector<double>& probabilities, const std::vector<std::string>& names,
           const PredictOptions& options, const std::string& map) {
  std::vector<std::size_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return probabilities[a] > probabilities[b]; });
  order.resize(std::min(order.size(), static_cast<std::size_t>(options.top)));
  nlohmann::json classes = nlohmann::json::array();
  std::string text = printable(file, 4096) + ":";
  for (const std::size_t label : order) {
    classes.push_back({{"class", names[label]}, {map.empty() ? "probability" : "share", probabilities[label]}});
    text += fmt::format("  {} {:.1f}%", printable(names[label]), 100 * probabilities[label]);
  }
  nlohmann::json result = {{"image", file}, {"top", classes}};
  if (!map.empty()) {
    result["map"] = map;
    text += "  -> " + printable(map, 4096);
  }
  show("{}\n", options.json ? result.dump() : text);
}

void predict(LoadedModel& loaded, const std::string& file, const PredictOptions& options) {
  const Tensor input = normalized(read_input(loaded.card, file, options.max_pixels), loaded.card.normalization,
                                  loaded.precision.parameters);
  const Tensor probabilities = probabilities_of(loaded, input, file);
  const std::vector<std::string>& names = loaded.card.class_names;
  if (probabilities.rank() == 4) {
    const Tensor classes = predicted_classes(probabilities);
    print(file, shares_of(classes, names.size()), names, options, write_map(file, classes, options));
    return;
  }
  if (!options.out.empty()) throw UsageError("--out is for label maps, and the model of --weights labels whole images");
  print(file, probabilities.to_vector(), names, options, "");
}

}  // namespace

Tensor probabilities_of(const LoadedModel& loaded, const Tensor& input, const std::string& file) {
  const NoGradGuard no_grad;
  const Tensor logits = (*loaded.model)(as_input(input, loaded.precision.activations));
  Tensor probabilities = softmax(cast(logits, loaded.precision.parameters));
  const std::size_t classes = loaded.card.class_names.size();
  if (probabilities.size(-1) != static_cast<std::int64_t>(classes)) {
    throw std::runtime_error(fmt::format("{}: expected an output for each of {} classes, the model gives {}", file,
                                         classes, probabilities.size(-1)));
  }
  const auto values = probabilities.to_vector();
  if (!std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); })) {
    throw std::runtime_error(file + ": the model's outputs are not finite: training must have diverged");
  }
  return probabilities;
}

int run_predict(const Arguments& arguments) {
  const PredictOptions options = parse_predict(arguments);
  if (!options.out.empty()) expect_own_maps(options.images);
  LoadedModel loaded = load(options);
  std::size_t unreadable = 0;
  for (const std::string& file : options.images) {
    try {
      predict(loaded, file, options);
    } catch (const FileError& error) {
      complain(error.what());
      ++unreadable;
    }
    if (!flush_screen().empty()) break;  // nobody reads on
  }
  if (unreadable > 0) complain(fmt::format("{} of {} files could not be read", unreadable, options.images.size()));
  return unreadable > 0 ? 1 : 0;
}

}  // namespace striate::cli
