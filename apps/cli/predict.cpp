// `striate predict`: class probabilities of image files, read, resized and normalised as the model card says.

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/cli/commands.h"
#include "apps/cli/model_flags.h"
#include "apps/training/evaluate.h"
#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/parallel.h"
#include "data/image.h"
#include "data/normalize.h"
#include "layers/softmax.h"

namespace striate::cli {
namespace {

struct PredictOptions {
  std::string weights;
  std::vector<std::string> images;
  ModelFlags model;
  std::int64_t top = 3;
  std::int64_t threads = 0;
  bool json = false;
};

struct Guess {
  std::string name;
  double probability;
};

PredictOptions parse_predict(const Arguments& arguments) {
  PredictOptions options;
  CLI::App app("Classifies image files; an image of another size is resized to the model's.", "predict");
  app.add_option("IMAGE", options.images, "Image files (jpg, png, bmp, ...)")->required();
  app.add_option("--weights", options.weights, "A safetensors file")->required();
  add_model_flags(app, options.model, " (default: the file's)");
  app.add_option("--top", options.top, "Classes to show for each image")->capture_default_str();
  add_threads_flag(app, options.threads);
  app.add_flag("--json", options.json, "Print one JSON object for each image");
  parse(app, arguments);
  at_least("top", options.top, 1);
  return options;
}

std::vector<Guess> classify(LoadedModel& loaded, const std::string& file, std::int64_t top) {
  const NoGradGuard no_grad;
  const Tensor image = resized(read_image(file, loaded.card.channels), loaded.card.height, loaded.card.width);
  Shape batch = image.shape();
  batch.insert(batch.begin(), 1);
  const DType dtype = loaded.precision.parameters;
  const Tensor input =
      as_input(normalized(image, loaded.card.normalization, dtype).viewed_as(batch), loaded.precision.activations);
  const auto probabilities = softmax(cast((*loaded.model)(input), dtype)).to_vector();
  if (probabilities.size() != loaded.card.class_names.size()) {
    throw std::runtime_error(fmt::format("{}: expected an output for each of {} classes, the model gives {}", file,
                                         loaded.card.class_names.size(), probabilities.size()));
  }
  if (!std::all_of(probabilities.begin(), probabilities.end(), [](double value) { return std::isfinite(value); })) {
    throw std::runtime_error(file + ": the model's outputs are not finite: training must have diverged");
  }
  std::vector<std::size_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return probabilities[a] > probabilities[b]; });
  order.resize(std::min(order.size(), static_cast<std::size_t>(top)));
  std::vector<Guess> guesses;
  for (const std::size_t label : order) guesses.push_back({loaded.card.class_names[label], probabilities[label]});
  return guesses;
}

void print_json(const std::string& file, const std::vector<Guess>& guesses) {
  nlohmann::json classes = nlohmann::json::array();
  for (const Guess& guess : guesses) classes.push_back({{"class", guess.name}, {"probability", guess.probability}});
  fmt::print("{}\n", nlohmann::json{{"image", file}, {"top", classes}}.dump());
}

void print_text(const std::string& file, const std::vector<Guess>& guesses) {
  fmt::print("{}:", file);
  for (const Guess& guess : guesses) fmt::print("  {} {:.1f}%", guess.name, 100 * guess.probability);
  fmt::print("\n");
}

}  // namespace

int run_predict(const Arguments& arguments) {
  const PredictOptions options = parse_predict(arguments);
  use_threads(options.threads);
  LoadedModel loaded = load_weights(options.weights, load_options(options.model));
  for (const std::string& file : options.images) {
    const auto guesses = classify(loaded, file, options.top);
    options.json ? print_json(file, guesses) : print_text(file, guesses);
  }
  return 0;
}

}  // namespace striate::cli
