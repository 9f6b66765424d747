#include "apps/cli/evaluation_data.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "apps/cli/command_line.h"
#include "apps/cli/progress.h"
#include "apps/cli/screen.h"
#include "apps/training/content_hash.h"
#include "apps/training/evaluate.h"
#include "core/printable.h"
#include "data/splits.h"
#include "data/subset.h"

namespace striate::cli {
namespace {

Split split_of(const EvaluationData& options) {
  return options.split == "test" ? Split::test : options.split == "val" ? Split::validation : Split::train;
}

// Whether the images to measure are those that training held out of its own.
bool wants_held_out(const EvaluationData& options, const std::filesystem::path& path) {
  return split_of(options) == Split::validation && !has_split(path, Split::validation, options.format);
}

// Holds out what training did.
Dataset held_out(const Dataset& all, const EvaluationData& options, const ModelCard& card) {
  const HeldOut& held = card.held_out;
  if (held.part == 0) {
    throw UsageError(fmt::format(
        "--split val: there is no val/ beside test/, and by its file {} training held no images out (--val-split)",
        options.weights));
  }
  Splits splits{.train = all};
  hold_out(splits, {.validation = held.part, .seed = held.seed, .classes = card.class_names});
  return splits.validation;
}

// A split of other images would have some in it that the model was trained on.
void expect_held_out(const Dataset& images, const EvaluationData& options, const ModelCard& card,
                     const std::filesystem::path& path) {
  const std::string now = stored_images_hash(images);
  if (now == card.held_out.images) return;
  throw FileError(path.string(),
                  fmt::format("--split val cannot tell which images {} was not trained on: held out were {}, and the "
                              "same split gives {} here; give the images of the training, and --dataset and "
                              "--skip-broken as then",
                              options.weights, printable(card.held_out.images), now));
}

Dataset load_images(const EvaluationData& options, const ModelCard& card, const std::filesystem::path& path) {
  Progress progress;
  const bool recordings = card.sample_rate > 0;
  DataOptions reading{.image_size = recordings ? 0 : std::max(card.height, card.width),
                      .length = recordings ? card.width : 0,
                      .max_pixels = options.max_pixels,
                      .skip_broken = options.skip_broken};
  if (!options.json) reading.progress = [&](const std::string& line) { progress.show(line); };
  if (wants_held_out(options, path)) {
    return held_out(load_dataset(path, Split::train, options.format, reading), options, card);
  }
  if (card.held_out.part > 0 && !has_split(path, split_of(options), options.format)) {
    throw FileError(path.string(), "has no test images; --split val measures those that training held out");
  }
  return load_dataset(path, split_of(options), options.format, reading);
}

}  // namespace

Dataset load_evaluation_data(const EvaluationData& options, const ModelCard& card) {
  const auto path = data_path(options.data, options.format);
  Dataset dataset = load_images(options, card, path);
  for (const std::string& note : dataset.notes) complain(note);
  const ImageShape expected = input_shape(card);
  if (dataset.stored_shape().is_recording() != expected.is_recording()) {
    throw FileError(path.string(), fmt::format("expected {}, as {} was trained on, got {}", to_string(expected),
                                               options.weights, to_string(dataset.stored_shape())));
  }
  const bool as_stored = card.transforms.empty() && dataset.stored_shape() == expected;
  dataset.transforms = as_stored ? Transforms{} : evaluation_transforms(card);
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
  if (dataset.image_shape() != expected) {
    throw FileError(path.string(), fmt::format("expected images of {}, as {} was trained on, got {}{}",
                                               to_string(expected), options.weights, to_string(dataset.image_shape()),
                                               card.channels == dataset.channels()
                                                   ? ""
                                                   : channels_advice(options.data, options.format, card.channels)));
  }
  if (wants_held_out(options, path)) expect_held_out(dataset, options, card, path);
  dataset.normalization = card.normalization;
  return options.limit > 0 ? sample_images(dataset, options.limit) : dataset;
}

}  // namespace striate::cli
