// `striate eval`: loss and accuracy, for segmentation IoU, of a file of weights on a data set. apps/training/evaluate.h
// measures.

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/cli/commands.h"
#include "apps/cli/evaluation_data.h"
#include "apps/cli/label_pictures.h"
#include "apps/cli/screen.h"
#include "apps/cli/shared_flags.h"
#include "apps/training/evaluate.h"
#include "core/file.h"
#include "core/printable.h"
#include "core/text.h"

namespace striate::cli {
namespace {

// Classes up to which the confusion matrix is printed beside the classes.
constexpr std::int64_t kMostColumns = 20;
constexpr std::int64_t kPictures = 5;

struct EvalOptions : EvaluationData {
  std::int64_t batch_size = 0;
  std::string tta;
  std::string confusion;
  std::int64_t mistakes = 0;
  std::string pictures;
};

EvalOptions parse_eval(const Arguments& arguments) {
  EvalOptions options;
  CLI::App app("Measures loss (plain cross entropy) and accuracy (a fraction) of a file of weights.", "eval");
  add_weights_flags(app, options);
  app.add_option("--data", options.data, "Path of the data, as for train");
  app.add_option("--dataset", options.format,
                 "What it holds, with options: cifar100:coarse=true (default: by looking)");
  app.add_option("--split", options.split,
                 "test; val: of val/, or what training held out by --val-split; train: all training images")
      ->capture_default_str();
  app.add_flag("--skip-broken", options.skip_broken, kSkipBrokenHelp);
  app.add_option("--limit", options.limit, "Only so many images, of all classes alike; 0: all")->capture_default_str();
  app.add_option("--batch-size", options.batch_size, "Images at a time; 0: 128, for segmentation 8")
      ->capture_default_str();
  app.add_option("--tta", options.tta, "Also measure with test-time augmentation: flip, shift or flip+shift");
  app.add_option("--confusion", options.confusion, "Write the confusion matrix to this CSV file");
  app.add_option("--mistakes", options.mistakes, "List so many of the most confident mistakes")->capture_default_str();
  app.add_option("--pictures", options.pictures,
                 "Segmentation: draw five images beside their labels and the model's into this PNG file");
  parse(app, arguments);
  at_least("mistakes", options.mistakes, 0);
  one_of("split", options.split, {"test", "val", "train"});
  at_least("limit", options.limit, 0);
  within("batch-size", options.batch_size, 0, kMostCounted);
  if (!options.tta.empty()) one_of("tta", options.tta, {"flip", "shift", "flip+shift"});
  return options;
}

// What a run of eval found.
struct Findings {
  Evaluation plain;
  std::optional<Evaluation> augmented{};  ///< with --tta
  std::vector<Prediction> predictions{};
  ConfusionMatrix matrix{};
  std::vector<std::size_t> mistakes{};
};

// `found` gets predictions, and of pixels the matrix.
Evaluation measure(const EvalOptions& options, const LoadedModel& loaded, const Dataset& dataset, const TtaOptions& tta,
                   Findings* found = nullptr) {
  const auto result = evaluate(*loaded.model, dataset,
                               {.activations = loaded.precision.activations,
                                .batch_size = options.batch_size > 0      ? options.batch_size
                                              : dataset.is_segmentation() ? 8
                                                                          : 128,
                                .tta = tta,
                                .predictions = found == nullptr ? nullptr : &found->predictions,
                                .matrix = found == nullptr ? nullptr : &found->matrix});
  if (!std::isfinite(result->loss)) {
    throw FileError(options.weights, "the model's loss is not finite: training must have diverged");
  }
  return *result;
}

void print_json(const EvalOptions& options, const LoadedModel& loaded, const Dataset& dataset, const Findings& found) {
  const auto& names = dataset.class_names;
  nlohmann::json result = {{"model", loaded.card.model},
                           {"precision", loaded.card.precision},
                           {"split", options.split},
                           {"images", dataset.size()},
                           {"classes", names},
                           {"loss", found.plain.loss},
                           {"accuracy", found.plain.accuracy}};
  const bool of_pixels = dataset.is_segmentation();
  of_pixels ? result["mean_iou"] = found.plain.score() : result["top5"] = found.plain.top5;
  if (found.augmented) {
    result["tta"] = options.tta;
    result["tta_loss"] = found.augmented->loss;
    result["tta_accuracy"] = found.augmented->accuracy;
    if (of_pixels) result["tta_mean_iou"] = found.augmented->score();
  }
  for (std::int64_t label = 0; label < dataset.classes(); ++label) {
    result["precision_by_class"].push_back(found.matrix.precision(label));
    result["recall_by_class"].push_back(found.matrix.recall(label));
    if (!of_pixels) continue;
    const auto iou = found.matrix.iou(label);
    result["iou_by_class"].push_back(iou ? nlohmann::json(*iou) : nlohmann::json());
  }
  if (options.mistakes > 0) result["mistakes"] = nlohmann::json::array();
  for (const std::size_t i : found.mistakes) {
    const Prediction& one = found.predictions[i];
    result["mistakes"].push_back({{"image", image_name(dataset, static_cast<std::int64_t>(i))},
                                  {"class", names[static_cast<std::size_t>(one.label)]},
                                  {"predicted", names[static_cast<std::size_t>(one.predicted)]},
                                  {"probability", one.probability}});
  }
  show("{}\n", result.dump());
}

// IoU, precision and recall of pixels.
std::string pixel_table(const Dataset& dataset, const ConfusionMatrix& matrix) {
  std::vector<std::vector<std::string>> rows = {{"", "class", "pixels", "IoU", "precision", "recall"}};
  for (std::int64_t label = 0; label < matrix.classes; ++label) {
    const auto iou = matrix.iou(label);
    rows.push_back({std::to_string(label), printable(dataset.class_names[static_cast<std::size_t>(label)], 30),
                    std::to_string(matrix.images_of(label)), iou ? fmt::format("{:.4f}", *iou) : "-",
                    fmt::format("{:.4f}", matrix.precision(label)), fmt::format("{:.4f}", matrix.recall(label))});
  }
  return text_table(rows, "rlrrrr");
}

// Precision and recall, and where there are few classes the confusion matrix beside them.
std::string class_table(const Dataset& dataset, const ConfusionMatrix& matrix) {
  const bool whole = matrix.classes <= kMostColumns;
  std::vector<std::vector<std::string>> rows = {{"", "class", "images", "precision", "recall"}};
  for (std::int64_t c = 0; whole && c < matrix.classes; ++c) rows[0].push_back(std::to_string(c));
  for (std::int64_t label = 0; label < matrix.classes; ++label) {
    rows.push_back({std::to_string(label), printable(dataset.class_names[static_cast<std::size_t>(label)], 30),
                    std::to_string(matrix.images_of(label)), fmt::format("{:.4f}", matrix.precision(label)),
                    fmt::format("{:.4f}", matrix.recall(label))});
    for (std::int64_t c = 0; whole && c < matrix.classes; ++c)
      rows.back().push_back(std::to_string(matrix.at(label, c)));
  }
  return text_table(rows, "rlrrr" + std::string(rows[0].size() - 5, 'r'));
}

void print(const EvalOptions& options, const LoadedModel& loaded, const Dataset& dataset, const Findings& found) {
  const auto& [plain, augmented, predictions, matrix, mistakes] = found;
  const bool of_pixels = dataset.is_segmentation();
  const auto figures = [&](const Evaluation& e) {
    return fmt::format("loss {:.4f}, accuracy {:.4f}", e.loss, e.accuracy) +
           (of_pixels ? fmt::format(" of pixels, mean IoU {:.4f}", e.score()) : "");
  };
  show("{} on {} {} images of {} classes: {}", printable(loaded.card.model), dataset.size(), options.split,
       dataset.classes(), figures(plain));
  if (dataset.classes() > 5 && !of_pixels) show(", top-5 {:.4f}", plain.top5);
  if (augmented) show("; tta {}: {}", options.tta, figures(*augmented));
  show("\n{}", of_pixels ? pixel_table(dataset, matrix) : class_table(dataset, matrix));
  for (const std::size_t i : mistakes) {
    const Prediction& one = predictions[i];
    const auto name = [&](std::int64_t label) {
      return printable(dataset.class_names[static_cast<std::size_t>(label)]);
    };
    show("{}: {} taken for {} {:.1f}%\n", printable(image_name(dataset, static_cast<std::int64_t>(i)), 4096),
         name(one.label), name(one.predicted), 100 * one.probability);
  }
}

}  // namespace

int run_eval(const Arguments& arguments) {
  const EvalOptions options = parse_eval(arguments);
  const LoadedModel loaded = load(options);
  const Dataset dataset = load_evaluation_data(options, loaded.card);
  if (loaded.card.sample_rate > 0 && !options.tta.empty())
    throw UsageError("--tta is for pictures, not for recordings");
  const bool of_pixels = dataset.is_segmentation();
  if (of_pixels && options.mistakes > 0)
    throw UsageError("--mistakes are of images with one class each, not of pixels");
  if (of_pixels && options.tta.ends_with("shift")) throw UsageError("--tta shift does not label pixels; flip does");
  if (!of_pixels && !options.pictures.empty())
    throw UsageError("--pictures are of label maps, which these images lack");
  Findings found;
  found.plain = measure(options, loaded, dataset, {}, &found);
  const TtaOptions tta{.flip = options.tta.starts_with("flip"), .shift = options.tta.ends_with("shift")};
  if (tta.flip || tta.shift) found.augmented = measure(options, loaded, dataset, tta);
  if (!of_pixels) found.matrix = confusion_matrix(found.predictions, dataset.classes());
  found.mistakes = most_confident_mistakes(found.predictions, options.mistakes);
  options.json ? print_json(options, loaded, dataset, found) : print(options, loaded, dataset, found);
  if (!options.pictures.empty()) write_atomically(options.pictures, comparison_png(loaded, dataset, kPictures));
  if (!options.confusion.empty()) write_atomically(options.confusion, confusion_csv(found.matrix, dataset.class_names));
  return 0;
}

}  // namespace striate::cli
