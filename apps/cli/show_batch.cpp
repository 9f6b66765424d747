// `striate show batch`: the first pictures of a batch as training gets them, with their labels.

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>

#include "apps/cli/label_pictures.h"
#include "apps/cli/screen.h"
#include "apps/cli/shared_flags.h"
#include "apps/cli/show.h"
#include "apps/cli/train_flags.h"
#include "apps/cli/train_setup.h"
#include "apps/report/picture.h"
#include "core/printable.h"
#include "core/reshape.h"
#include "core/text.h"

namespace striate::cli {
namespace {

constexpr std::int64_t kSide = 160;  // of a picture, about

struct BatchFlags {
  TrainFlags train;
  std::int64_t epoch = 0;
  std::int64_t batch = 0;
  std::int64_t limit = 32;
};

BatchFlags parse_batch(const Arguments& arguments) {
  BatchFlags flags;
  CommandOfFlags command{
      .name = "show batch",
      .about =
          "Draws what training gets: the first pictures of a batch, transformed, augmented and mixed, with their "
          "labels and the shares of mixed ones. Segmentation has the label map beside the picture, a recording is "
          "drawn as its waveform.",
      .help = {{"out", "The picture's file, NAME.png"}},
      .add_others = [&](CLI::App& app) {
        app.option_defaults()->group("Batch");
        app.add_option("--epoch", flags.epoch, "From 0")->capture_default_str();
        app.add_option("--batch", flags.batch, "Of the epoch, from 0")->capture_default_str();
        app.add_option("--limit", flags.limit, "At most so many pictures")->capture_default_str();
      }};
  for (const TrainFlag& row : train_flag_table()) {
    const bool kept = row.group == "Data" || row.name == "seed" || row.name == "batch-size" || row.name == "out";
    if (!kept) command.without.insert(row.name);
  }
  flags.train = parse_train_flags(arguments, {}, command);
  within("epoch", flags.epoch, 0, kMostCounted);
  within("limit", flags.limit, 1, 1024);
  require(flags.train.given_here.contains("out"), "out", "given", "nothing");
  check_picture_file(flags.train.out);
  check_together(flags.train);
  return flags;
}

// Of a picture (1,H,W,C) as the network reads it, as u8 (H,W,3 or 1): the normalisation undone.
Tensor shown(const Tensor& image, const Normalization& normalization) {
  const std::int64_t channels = image.size(3), drawn = channels < 3 ? 1 : 3;
  const Normalization by = normalization.for_channels(channels);
  Tensor picture = Tensor::empty({image.size(1), image.size(2), drawn}, DType::u8);
  for (std::int64_t i = 0; i < picture.numel(); ++i) {
    const std::int64_t c = i % drawn;
    const auto at = static_cast<std::size_t>(c);
    const double value = image.data<float>()[i / drawn * channels + c] * by.std[at] + by.mean[at];
    picture.mutable_data<std::uint8_t>()[i] = static_cast<std::uint8_t>(std::lround(255 * std::clamp(value, 0.0, 1.0)));
  }
  return picture;
}

// "cat", or "0.63 cat" and "0.37 dog".
std::vector<std::string> labels_of(const Batch& batch, std::int64_t i, const std::vector<std::string>& names) {
  std::vector<std::string> labels;
  if (!batch.targets.defined()) return {names[static_cast<std::size_t>(batch.labels.data<std::int64_t>()[i])]};
  for (std::size_t k = 0; k < names.size(); ++k) {
    const double share = batch.targets.data<float>()[i * batch.targets.size(1) + static_cast<std::int64_t>(k)];
    if (share > 0) labels.push_back(fmt::format("{:.2f} {}", share, names[k]));
  }
  return labels;
}

// Magnitude of a batch's recordings, which are all drawn to one scale.
double largest(const Tensor& recordings) {
  double most = 1e-9;
  for (const double sample : recordings.to_vector()) most = std::max(most, std::abs(sample));
  return most;
}

// The colours of a label map's classes.
Tensor legend_of(const std::vector<std::string>& names) {
  std::vector<Captioned> legend;
  for (std::size_t k = 0; k < names.size(); ++k) {
    const Tensor label = Tensor::full({1, 1}, static_cast<double>(k), DType::i64);
    legend.push_back({sized(coloured_labels(label), 16), {names[k]}});
  }
  return in_grid(legend, 12);
}

// The label map beside the picture.
Tensor with_label_map(const Tensor& picture, const Batch& batch, std::int64_t i) {
  const Tensor labels = slice(batch.labels, Axis::batch, i, i + 1);
  return in_grid({{picture}, {sized(coloured_labels(labels.viewed_as({labels.size(1), labels.size(2)})), kSide)}}, 2);
}

Tensor batch_picture(const Batch& batch, const Dataset& train, std::int64_t limit) {
  const bool pixels = train.is_segmentation(), recordings = train.stored_shape().is_recording();
  std::vector<Captioned> pictures;
  for (std::int64_t i = 0; i < std::min(batch.size(), limit); ++i) {
    const Tensor image = slice(batch.images, Axis::batch, i, i + 1);
    const Tensor picture = recordings ? waveform_picture(image, largest(batch.images), kSide / 2, kSide)
                                      : sized(shown(image, train.normalization), kSide);
    pictures.push_back(pixels ? Captioned{with_label_map(picture, batch, i)}
                              : Captioned{picture, labels_of(batch, i, train.class_names)});
    if (!pixels) show("{:>4}  {}\n", i, printable(joined(pictures.back().caption, " + "), 1000));
  }
  const Tensor grid = in_grid(pictures, pixels ? 4 : 8);
  return pixels ? in_grid({{grid}, {legend_of(train.class_names)}}, 1, 8) : grid;
}

}  // namespace

int show_batch(const Arguments& arguments) {
  const BatchFlags flags = parse_batch(arguments);
  const Dataset train = load_data(flags.train).train;
  LoaderOptions options = loader_options(flags.train, train);
  options.workers = 0;
  Loader loader(train, options);
  within("batch", flags.batch, 0, std::max<std::int64_t>(1, loader.batches_per_epoch()) - 1);
  loader.start_epoch(flags.epoch, flags.batch);
  Batch batch;
  if (!loader.next(batch)) throw UsageError("--drop-last leaves no batch of these images");
  write_picture(flags.train.out, batch_picture(batch, train, flags.limit));
  return 0;
}

}  // namespace striate::cli
