// `striate predict`: class probabilities of image files, read, resized and normalised as the model card says.

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/cli/commands.h"
#include "apps/cli/screen.h"
#include "apps/cli/shared_flags.h"
#include "apps/training/evaluate.h"
#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/printable.h"
#include "data/dataset.h"
#include "data/image.h"
#include "data/normalize.h"
#include "layers/softmax.h"

namespace striate::cli {
namespace {

struct PredictOptions : WeightsFlags {
  std::vector<std::string> images;
  std::int64_t top = 3;
};

PredictOptions parse_predict(const Arguments& arguments) {
  PredictOptions options;
  CLI::App app("Classifies image files; an image of another size is resized to the model's.", "predict");
  app.add_option("IMAGE", options.images, "Image files (jpg, png, bmp, ...)")->required();
  add_weights_flags(app, options);
  app.add_option("--top", options.top, "Classes to show for each image")->capture_default_str();
  parse(app, arguments);
  at_least("top", options.top, 1);
  return options;
}

Tensor transformed(const Dataset& one, const std::string& file) {
  try {
    return transformed_images(one, {0});
  } catch (const std::invalid_argument& error) {  // too narrow a picture, say
    throw FileError(file, error.what());
  }
}

// The probability of each class.
std::vector<double> classify(LoadedModel& loaded, const std::string& file, std::int64_t max_pixels) {
  const NoGradGuard no_grad;
  const ModelCard& card = loaded.card;
  const Tensor stored = read_image(file, card.channels, max_pixels);
  Shape batch = stored.shape();
  batch.insert(batch.begin(), 1);
  const Dataset one{.images = stored.viewed_as(batch),
                    .labels = Tensor::zeros({1}, DType::i64),
                    .transforms = evaluation_transforms(card)};
  const DType dtype = loaded.precision.parameters;
  const Tensor input =
      as_input(normalized(transformed(one, file), card.normalization, dtype), loaded.precision.activations);
  auto probabilities = softmax(cast((*loaded.model)(input), dtype)).to_vector();
  if (probabilities.size() != loaded.card.class_names.size()) {
    throw std::runtime_error(fmt::format("{}: expected an output for each of {} classes, the model gives {}", file,
                                         loaded.card.class_names.size(), probabilities.size()));
  }
  if (!std::all_of(probabilities.begin(), probabilities.end(), [](double value) { return std::isfinite(value); })) {
    throw std::runtime_error(file + ": the model's outputs are not finite: training must have diverged");
  }
  return probabilities;
}

void print(const std::string& file, const std::vector<double>& probabilities, const std::vector<std::string>& names,
           const PredictOptions& options) {
  std::vector<std::size_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return probabilities[a] > probabilities[b]; });
  order.resize(std::min(order.size(), static_cast<std::size_t>(options.top)));
  nlohmann::json classes = nlohmann::json::array();
  std::string text = printable(file, 4096) + ":";
  for (const std::size_t label : order) {
    classes.push_back({{"class", names[label]}, {"probability", probabilities[label]}});
    text += fmt::format("  {} {:.1f}%", printable(names[label]), 100 * probabilities[label]);
  }
  show("{}\n", options.json ? nlohmann::json{{"image", file}, {"top", classes}}.dump() : text);
}

}  // namespace

int run_predict(const Arguments& arguments) {
  const PredictOptions options = parse_predict(arguments);
  LoadedModel loaded = load(options);
  std::size_t unreadable = 0;
  for (const std::string& file : options.images) {
    try {
      print(file, classify(loaded, file, options.max_pixels), loaded.card.class_names, options);
    } catch (const FileError& error) {
      complain(error.what());
      ++unreadable;
    }
    if (!flush_screen().empty()) break;  // nobody reads on
  }
  if (unreadable > 0) complain(fmt::format("{} of {} images could not be read", unreadable, options.images.size()));
  return unreadable > 0 ? 1 : 0;
}

}  // namespace striate::cli
