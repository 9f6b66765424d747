#include "apps/training/evaluate.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/integer.h"
#include "core/module.h"
#include "core/random.h"
#include "data/augment.h"
#include "data/loader.h"
#include "layers/cross_entropy.h"

namespace striate {
namespace {

/// Pixel (y, x) of the result is pixel (y + shift, x + shift), of the mirror image where `flip`.
Tensor view_of(const Tensor& images, std::int64_t shift, bool flip) {
  Tensor result = Tensor::empty(images.shape(), images.dtype());
  const std::int64_t height = images.size(1);
  const std::int64_t width = images.size(2);
  const std::size_t pixel = size_of(images.dtype()) * static_cast<std::size_t>(images.size(3));
  const auto* in = static_cast<const char*>(images.raw());
  auto* out = static_cast<char*>(result.mutable_raw());
  for (std::int64_t row = 0; row < images.size(0) * height; ++row) {
    const std::int64_t from = row - row % height + reflected(row % height + shift, height);
    for (std::int64_t x = 0; x < width; ++x, out += pixel) {
      const std::int64_t column = reflected((flip ? width - 1 - x : x) + shift, width);
      std::memcpy(out, in + static_cast<std::size_t>(from * width + column) * pixel, pixel);
    }
  }
  return result;
}

// Norms that average plainly for a while, and the draws of the generator meanwhile undone.
struct PlainAverages {
  std::vector<std::pair<BatchNorm2d*, std::optional<double>>> momenta;
  Generator before = default_generator();

  explicit PlainAverages(Module& model) {
    for (BatchNorm2d* norm : batch_norms_in_training(model)) {
      if (!norm->running_mean.defined()) continue;
      momenta.emplace_back(norm, norm->momentum());
      norm->set_momentum(std::nullopt);
      norm->num_batches_tracked.mutable_data<std::int64_t>()[0] = 0;
    }
  }
  ~PlainAverages() {
    for (const auto& [norm, momentum] : momenta) norm->set_momentum(momentum);
    default_generator() = before;
  }
  PlainAverages(const PlainAverages&) = delete;
  PlainAverages& operator=(const PlainAverages&) = delete;
};

}  // namespace

Tensor as_input(const Tensor& images, DType activations) {
  return images.dtype() == activations ? images : cast(images, activations);
}

ImageShape input_shape(const ModelCard& card) { return {card.height, card.width, card.channels, card.sample_rate}; }

Transforms evaluation_transforms(const ModelCard& card) {
  if (!card.transforms.empty()) return make_transforms(card.transforms);
  const std::string height = std::to_string(card.height);
  const std::string width = std::to_string(card.width);
  if (card.sample_rate > 0) return make_transforms({"pad_or_trim:length=" + width});
  if (height == width) return make_transforms({"resize:size=" + height, "center_crop:size=" + height});
  return make_transforms({"resize:height=" + height + ",width=" + width});
}

Tensor tta_logits(Layer& model, const Tensor& images, const TtaOptions& options) {
  if (images.rank() != 4 || (options.shift && (images.size(1) < 2 || images.size(2) < 2))) {
    shape_error("tta_logits",
                "images must be (N,H,W,C), to shift with H and W of at least 2: " + to_string(images.shape()));
  }
  const auto widened = [](const Tensor& logits) { return cast(logits, parameter_dtype(logits.dtype())); };
  const auto of_view = [&](std::int64_t shift) {
    const Tensor own = widened(model(shift == 0 ? images : view_of(images, shift, false)));
    const bool of_pixels = own.rank() == 4;
    if (of_pixels && options.shift)
      shape_error("tta_logits", "pixels cannot be shifted: logits " + to_string(own.shape()));
    if (!options.flip) return own;
    const Tensor mirrored = widened(model(view_of(images, shift, true)));
    return affine(own + (of_pixels ? view_of(mirrored, 0, true) : mirrored), 0.5);
  };
  const Tensor logits = of_view(0);
  return options.shift ? affine(logits, 0.5) + affine(of_view(1) + of_view(-1), 0.25) : logits;
}

std::optional<Evaluation> evaluate(Layer& model, const Dataset& dataset, const EvaluateOptions& options) {
  const EvalGuard eval(model);
  const NoGradGuard no_grad;
  const DType dtype = options.activations == DType::f64 ? DType::f64 : DType::f32;
  Loader loader(dataset,
                {.batch_size = options.batch_size, .shuffle = false, .dtype = dtype, .workers = options.workers});
  loader.start_epoch(0);
  ConfusionMatrix matrix = confusion_matrix(dataset.is_segmentation() ? dataset.classes() : 0);
  double loss = 0;
  std::int64_t correct = 0;
  std::int64_t among5 = 0;
  for (Batch batch; loader.next(batch);) {
    if (options.stop()) return std::nullopt;
    const Tensor images = as_input(batch.images, options.activations);
    const bool plain = !options.tta.flip && !options.tta.shift;
    const Tensor logits = plain ? model(images) : tta_logits(model, images, options.tta);
    loss += cross_entropy(logits, batch.labels, {.reduction = Reduction::sum}).item();
    if (dataset.is_segmentation()) {
      matrix.add(logits, batch.labels);
      continue;
    }
    correct += count_correct(logits, batch.labels);
    among5 += count_correct(logits, batch.labels, 5);
    if (options.predictions != nullptr) add_predictions(logits, batch.labels, *options.predictions);
  }
  if (dataset.is_segmentation()) {
    if (options.matrix != nullptr) *options.matrix = matrix;
    const auto pixels = static_cast<double>(std::max<std::int64_t>(1, matrix.total()));
    return Evaluation{.loss = loss / pixels, .accuracy = matrix.accuracy(), .mean_iou = matrix.mean_iou()};
  }
  const auto images = static_cast<double>(dataset.size());
  return Evaluation{loss / images, static_cast<double>(correct) / images, static_cast<double>(among5) / images};
}

std::vector<BatchNorm2d*> batch_norms_in_training(Module& model) {
  std::vector<BatchNorm2d*> norms;
  for (Module* child : model.children()) {
    const auto below = batch_norms_in_training(*child);
    norms.insert(norms.end(), below.begin(), below.end());
  }
  auto* norm = dynamic_cast<BatchNorm2d*>(&model);
  if (norm != nullptr && norm->training()) norms.push_back(norm);
  return norms;
}

void update_batch_norm(Layer& model, const std::function<Tensor()>& next) {
  const NoGradGuard no_grad;
  const PlainAverages averages(model);
  for (Tensor images = next(); images.defined(); images = next()) model(images);
}

}  // namespace striate
