#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/data_path.h"
#include "apps/evaluate.h"
#include "apps/weights.h"
#include "core/parallel.h"

namespace striate::apps {
namespace {

struct EvalOptions {
  std::string weights;
  std::string data;
  WeightsFlags loading;
  std::string split = "test";
  std::int64_t limit = 0;
  std::int64_t batch_size = 128;
  int threads = 0;
  bool json = false;
};

EvalOptions parse_eval(const Arguments& arguments) {
  EvalOptions options;
  CLI::App app("Measures loss (plain cross entropy) and accuracy (a fraction) of a file of weights.", "eval");
  app.add_option("--weights", options.weights, "A safetensors file")->required();
  app.add_option("--data", options.data, "Folder of data, as for train");
  add_weights_flags(app, options.loading);
  app.add_option("--split", options.split, "test or train")->capture_default_str();
  app.add_option("--limit", options.limit, "Only the first so many images; 0: all")->capture_default_str();
  app.add_option("--batch-size", options.batch_size, "Images at a time")->capture_default_str();
  add_threads_flag(app, options.threads);
  app.add_flag("--json", options.json, "Print one JSON object");
  parse(app, arguments);
  if (options.split != "test" && options.split != "train") {
    throw UsageError("--split must be test or train, got " + options.split);
  }
  if (options.limit < 0) throw UsageError("--limit must be 0 or more, got " + std::to_string(options.limit));
  if (options.batch_size < 1)
    throw UsageError("--batch-size must be 1 or more, got " + std::to_string(options.batch_size));
  return options;
}

}  // namespace

int run_eval(const Arguments& arguments) {
  const EvalOptions options = parse_eval(arguments);
  use_threads(options.threads);
  const LoadedModel loaded = load_weights(options.weights, options.loading);
  const auto data = data_path(options.data);
  Dataset dataset = load_split(data, options.split == "test" ? Split::test : Split::train);
  if (options.limit > 0) dataset = first_images(dataset, options.limit);
  if (static_cast<std::size_t>(dataset.classes()) != loaded.card.class_names.size()) {
    throw FileError(data.string(), fmt::format("the data has {} classes, {} was trained on {}", dataset.classes(),
                                               options.weights, loaded.card.class_names.size()));
  }
  const auto result = evaluate(*loaded.model, dataset, loaded.precision.activations, options.batch_size);
  if (!std::isfinite(result->loss)) {
    throw FileError(options.weights, "the model's loss is not finite; its weights are of no use");
  }
  if (options.json) {
    fmt::print("{}\n", nlohmann::json{{"model", loaded.card.model},
                                      {"precision", loaded.card.precision},
                                      {"split", options.split},
                                      {"images", dataset.size()},
                                      {"loss", result->loss},
                                      {"accuracy", result->accuracy}}
                           .dump());
  } else {
    fmt::print("{} on {} {} images: loss {:.4f}, accuracy {:.4f}\n", loaded.card.model, dataset.size(), options.split,
               result->loss, result->accuracy);
  }
  return 0;
}

}  // namespace striate::apps
