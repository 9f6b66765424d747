#pragma once
// The loss of a classifier, and the count behind its accuracy.

#include <cstdint>

#include "core/tensor.h"

namespace striate {

enum class Reduction : std::uint8_t { mean, sum, none };

/// What label smoothing e makes of a target of K classes.
enum class SmoothingForm : std::uint8_t {
  pytorch,  ///< 1 - e + e/K for the true class, e/K for the others
  paper,    ///< 1 - e and e/(K-1) (He et al., 2018): pytorch's with e K/(K-1) in place of e; for K = 1, pytorch's
};

struct CrossEntropyOptions {
  double label_smoothing = 0;  ///< in [0, 1]: this much of every target is spread evenly over all classes
  SmoothingForm form = SmoothingForm::pytorch;
  Reduction reduction = Reduction::mean;
  std::int64_t ignore_index = -100;  ///< samples with this label count for nothing
  Tensor weight = {};                ///< (K): a factor for each class, floating; may be undefined
};

/// Cross entropy of softmax(logits), logits (N,K), with PyTorch's options (`form` is ours). The target is
/// either i64 class labels (N) or floating probabilities (N,K); no gradient goes to it. Of pixels, logits are
/// (N,H,W,K) and labels (N,H,W): whatever axes stand before the classes, each row of logits is a sample. With e for
/// label_smoothing and p = softmax(logits):
///
///   labels y:         loss_n = -(1-e) weight[y] log p[y] - e/K sum_k weight[k] log p[k]
///   probabilities t:  loss_n = -sum_k weight[k] ((1-e) t[k] + e/K) log p[k]
///
/// The mean divides the sum by N for probabilities, for labels by the sum of weight[y] over the samples that
/// are not ignored, and is NaN where all are. Returns a scalar, or (N), (N,H,W), for Reduction::none: f64 for f64
/// logits, else f32 (bf16 and f16 logits are computed in f32). Throws ShapeError; std::out_of_range for a label outside
/// 0 .. K-1; std::invalid_argument for dtypes and options.
Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options = {});

/// How many rows of logits (N,K) have the value at their label (N) i64 among their `top` largest (the first of them, on
/// ties); of pixels as above. Labels outside 0 .. K-1 are never right. Throws ShapeError.
std::int64_t count_correct(const Tensor& logits, const Tensor& labels, std::int64_t top = 1);

}  // namespace striate
