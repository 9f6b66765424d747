// `striate equivariance`: how far a trained model's layers are from moving with their input (models/equivariance.h).

#include "models/equivariance.h"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/cli/commands.h"
#include "apps/cli/screen.h"
#include "apps/cli/shared_flags.h"
#include "apps/training/evaluate.h"
#include "core/elementwise.h"
#include "data/loader.h"
#include "data/subset.h"

namespace striate::cli {
namespace {

void print_json(const std::vector<EquivarianceRow>& rows) {
  for (const EquivarianceRow& row : rows) {
    nlohmann::json line = {{"name", row.name},      {"path", row.path}, {"height", row.height},
                           {"width", row.width},    {"jump", row.jump}, {"moved_by", row.moved_by},
                           {"unmoved", row.unmoved}};
    if (row.inside) line["inside"] = *row.inside;
    if (row.everywhere) line["everywhere"] = *row.everywhere;
    if (row.reoriented) line["reoriented"] = *row.reoriented;
    show("{}\n", line.dump());
  }
}

}  // namespace

int run_equivariance(const Arguments& arguments) {
  WeightsFlags flags;
  std::string data;
  std::string format;
  std::int64_t images = 16;
  std::int64_t size = 0;
  std::int64_t rotate = 0;
  Motion motion;
  CLI::App app("Tells, layer by layer, how far f(T x) is from T f(x) for shifted or turned test images.",
               "equivariance");
  add_weights_flags(app, flags);
  app.add_option("--data", data, "Path of the data, as for train");
  app.add_option("--dataset", format, "What it holds, as for train (default: by looking)");
  app.add_option("--limit", images, "So many test images, of all classes alike")->capture_default_str();
  app.add_option("--image-size", size,
                 "Bring them to a square of this side, for maps with an inside; 0: as in training")
      ->capture_default_str();
  app.add_option("--shift", motion.shift, "Shift by so many pixels, down and to the right")->capture_default_str();
  app.add_option("--rotate", rotate, "Turn by 90 degrees instead")->capture_default_str();
  parse(app, arguments);
  within("limit", images, 1, 1024);
  within("image-size", size, 0, 4096);
  within("shift", motion.shift, 0, 4096);
  if (rotate != 0 && rotate != 90) throw UsageError("--rotate: 90 degrees or 0");
  motion.quarter_turn = rotate == 90;
  if (motion.quarter_turn == (motion.shift > 0)) throw UsageError("give --shift N or --rotate 90");

  const LoadedModel loaded = load(flags);
  if (loaded.card.sample_rate > 0) throw FileError(flags.weights, "is a model of recordings; this moves pictures");
  Dataset dataset = load_dataset(data_path(data, format), Split::test, format,
                                 {.image_size = std::max(loaded.card.height, loaded.card.width)});
  dataset.transforms = evaluation_transforms(loaded.card);
  if (size > 0) {
    dataset.transforms.push_back(make_transform(fmt::format("resize:height={},width={}", size, size)));
  }
  dataset.normalization = loaded.card.normalization;
  Loader loader(sample_images(dataset, images), {.batch_size = images, .shuffle = false, .workers = 0});
  loader.start_epoch(0);
  Batch batch;
  loader.next(batch);
  const Tensor x = cast(batch.images, loaded.precision.activations);
  const std::vector<EquivarianceRow> rows = equivariance(*loaded.model, x, motion);
  if (flags.json) {
    print_json(rows);
  } else {
    show("{}", format_equivariance(rows, motion));
  }
  return 0;
}

}  // namespace striate::cli
