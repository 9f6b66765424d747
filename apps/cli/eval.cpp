// `striate eval`: loss and accuracy of a file of weights on a data set. apps/training/evaluate.h measures.

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/cli/commands.h"
#include "apps/cli/screen.h"
#include "apps/cli/shared_flags.h"
#include "apps/training/evaluate.h"
#include "core/printable.h"
#include "data/subset.h"

namespace striate::cli {
namespace {

struct EvalOptions : WeightsFlags {
  std::string data;
  std::string format;
  std::string split = "test";
  std::int64_t limit = 0;
  std::int64_t batch_size = 128;
  std::string tta;
};

EvalOptions parse_eval(const Arguments& arguments) {
  EvalOptions options;
  CLI::App app("Measures loss (plain cross entropy) and accuracy (a fraction) of a file of weights.", "eval");
  add_weights_flags(app, options);
  app.add_option("--data", options.data, "Path of the data, as for train");
  app.add_option("--dataset", options.format,
                 "What it holds, with options: cifar100:coarse=true (default: by looking)");
  app.add_option("--split", options.split, "test or train")->capture_default_str();
  app.add_option("--limit", options.limit, "Only so many images, of all classes alike; 0: all")->capture_default_str();
  app.add_option("--batch-size", options.batch_size, "Images at a time")->capture_default_str();
  app.add_option("--tta", options.tta, "Also measure with test-time augmentation: flip, shift or flip+shift");
  parse(app, arguments);
  one_of("split", options.split, {"test", "train"});
  at_least("limit", options.limit, 0);
  within("batch-size", options.batch_size, 1, kMostCounted);
  if (!options.tta.empty()) one_of("tta", options.tta, {"flip", "shift", "flip+shift"});
  return options;
}

// The images of the classes that the weights know, labelled as they know them, and resized and normalised as predict
// does it.
Dataset load_data(const EvalOptions& options, const ModelCard& card) {
  const auto path = data_path(options.data, options.format);
  const std::int64_t side = card.height == card.width ? card.height : 0;
  Dataset dataset = load_dataset(path, options.split == "test" ? Split::test : Split::train, options.format,
                                 {.image_size = side, .max_pixels = options.max_pixels});
  for (const std::string& note : dataset.notes) complain(note);
  const auto& names = card.class_names;
  const auto& all = dataset.class_names;
  const bool part = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return std::find(all.begin(), all.end(), name) != all.end();
  });
  if (part && names != all) {
    complain(fmt::format("measuring only the {} of {} classes that the weights know", names.size(), all.size()));
    dataset = choose_classes(dataset, names);
  }
  try {
    check_classes(card, dataset.class_names);
  } catch (const std::invalid_argument& error) {
    throw FileError(path.string(), error.what());
  }
  if (dataset.image_shape() != ImageShape{card.height, card.width, card.channels}) {
    throw FileError(path.string(),
                    fmt::format("expected images of {}x{}x{}, as {} was trained on, got {}", card.height, card.width,
                                card.channels, options.weights, to_string(dataset.image_shape())));
  }
  dataset.normalization = card.normalization;
  return options.limit > 0 ? sample_images(dataset, options.limit) : dataset;
}

Evaluation measure(const EvalOptions& options, const LoadedModel& loaded, const Dataset& dataset,
                   const TtaOptions& tta) {
  const auto result =
      evaluate(*loaded.model, dataset,
               {.activations = loaded.precision.activations, .batch_size = options.batch_size, .tta = tta});
  if (!std::isfinite(result->loss)) {
    throw FileError(options.weights, "the model's loss is not finite: training must have diverged");
  }
  return *result;
}

void print(const EvalOptions& options, const LoadedModel& loaded, const Dataset& dataset, const Evaluation& plain,
           const std::optional<Evaluation>& augmented) {
  if (options.json) {
    nlohmann::json result = {{"model", loaded.card.model},     {"precision", loaded.card.precision},
                             {"split", options.split},         {"images", dataset.size()},
                             {"classes", dataset.class_names}, {"loss", plain.loss},
                             {"accuracy", plain.accuracy}};
    if (augmented) {
      result["tta"] = options.tta;
      result["tta_loss"] = augmented->loss;
      result["tta_accuracy"] = augmented->accuracy;
    }
    show("{}\n", result.dump());
    return;
  }
  show("{} on {} {} images of {} classes: loss {:.4f}, accuracy {:.4f}", printable(loaded.card.model), dataset.size(),
       options.split, dataset.classes(), plain.loss, plain.accuracy);
  if (augmented) show("; tta {}: loss {:.4f}, accuracy {:.4f}", options.tta, augmented->loss, augmented->accuracy);
  show("\n");
}

}  // namespace

int run_eval(const Arguments& arguments) {
  const EvalOptions options = parse_eval(arguments);
  const LoadedModel loaded = load(options);
  const Dataset dataset = load_data(options, loaded.card);
  const Evaluation plain = measure(options, loaded, dataset, {});
  const TtaOptions tta{.flip = options.tta.starts_with("flip"), .shift = options.tta.ends_with("shift")};
  std::optional<Evaluation> augmented;
  if (tta.flip || tta.shift) augmented = measure(options, loaded, dataset, tta);
  print(options, loaded, dataset, plain, augmented);
  return 0;
}

}  // namespace striate::cli
