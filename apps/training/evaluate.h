#pragma once
// Loss and accuracy of a model on a data set. Called by Trainer after every epoch, by `striate eval`, and by programs
// of one's own.

#include <functional>
#include <optional>
#include <vector>

#include "apps/training/classification.h"
#include "core/module.h"
#include "data/dataset.h"
#include "data/transform.h"
#include "layers/batch_norm.h"
#include "models/model_card.h"

namespace striate {

/// Plain cross entropy, and the fractions of images whose label had the largest output, and one of the five largest.
/// For segmentation, loss and accuracy are means over all pixels that have a class, and there is the mean IoU
/// (ConfusionMatrix::mean_iou) in the place of top5.
struct Evaluation {
  double loss = 0;
  double accuracy = 0;
  double top5 = 0;
  std::optional<double> mean_iou = std::nullopt;

  /// By which the best epoch is chosen.
  [[nodiscard]] double score() const { return mean_iou.value_or(accuracy); }
};

/// Test-time augmentation: the mean of the logits of an image and of views of it.
struct TtaOptions {
  bool flip = false;   ///< every view counts half as itself, half as its mirror image
  bool shift = false;  ///< the image counts 1/2; moved by a pixel up and left, and down and right, 1/4 each
};

struct EvaluateOptions {
  DType activations = DType::f32;
  std::int64_t batch_size = 128;
  TtaOptions tta = {};
  int workers = 1;                                 ///< as LoaderOptions::workers
  std::vector<Prediction>* predictions = nullptr;  ///< gets one for each image, in the data set's order; not of pixels
  ConfusionMatrix* matrix = nullptr;               ///< for segmentation, gets the counts of pixels
  /// Asked between batches; nothing is returned where it said yes.
  std::function<bool()> stop = [] { return false; };
};

/// Evaluates in eval mode, without augmentation but by --tta; the model's mode is restored.
std::optional<Evaluation> evaluate(Layer& model, const Dataset& dataset, const EvaluateOptions& options);

/// Of the images, or the recordings, that the card's model takes.
ImageShape input_shape(const ModelCard& card);

/// What a picture goes through before the model of this card sees it: the card's transforms, or else resize and
/// center_crop to its size. Throws std::invalid_argument for names that are not known.
Transforms evaluation_transforms(const ModelCard& card);

/// Logits of images (N,H,W,C), weighted as the options say (airbench's multicrop); moved images take their new
/// border by reflection. Of pixels, logits (N,H,W,K) of the mirror image are mirrored back, and there is no shift. f64
/// where the model's logits are, else f32. Throws ShapeError for other ranks and, to shift, for sides below 2 and
/// pixels.
Tensor tta_logits(Layer& model, const Tensor& images, const TtaOptions& options);

/// Those that take their statistics from the batch.
std::vector<BatchNorm2d*> batch_norms_in_training(Module& model);

/// Before an average of weights is evaluated, whose activations no training step has seen: the running statistics of
/// all batch norms in training mode become the plain averages over these batches, as PyTorch's update_bn does it.
/// `next` gives a batch of images, undefined after the last. Draws of the generator are undone.
void update_batch_norm(Layer& model, const std::function<Tensor()>& next);

/// A batch's images as the model takes them: in this dtype.
Tensor as_input(const Tensor& images, DType activations);

}  // namespace striate
