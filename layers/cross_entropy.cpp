#include "layers/cross_entropy.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/autograd.h"
#include "core/check.h"
#include "core/elementwise.h"
#include "core/parallel.h"
#include "core/reshape.h"
#include "layers/softmax.h"

namespace striate {
namespace {

constexpr std::int64_t kRows = 4096;  // of a chunk: a batch of images is one, of pixels many

/// (N,H,W) of logits (N,H,W,K).
Shape shape_of_rows(const Tensor& logits) { return {logits.shape().begin(), logits.shape().end() - 1}; }

void check_cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options) {
  const auto shapes = [&] { return "logits " + to_string(logits.shape()) + ", target " + to_string(target.shape()); };
  if (logits.rank() < 2 || logits.size(-1) < 1) {
    shape_error("cross_entropy", "logits must be (N,K), or (N,H,W,K) of pixels: " + shapes());
  }
  if (target.dtype() == DType::i64) {
    if (target.shape() != shape_of_rows(logits)) {
      shape_error("cross_entropy", "i64 target must hold one label per row of logits: " + shapes());
    }
  } else {
    expect(is_floating(target.dtype()), "cross_entropy", "a target of i64 labels or floating probabilities",
           target.dtype());
    if (target.shape() != logits.shape()) {
      shape_error("cross_entropy", "target of probabilities must have the shape of logits: " + shapes());
    }
  }
  expect(options.label_smoothing >= 0 && options.label_smoothing <= 1, "cross_entropy",
         "label_smoothing between 0 and 1", options.label_smoothing);
  if (!options.weight.defined()) return;
  if (options.weight.shape() != Shape{logits.size(-1)}) {
    shape_error("cross_entropy",
                "weight must hold one value per class: " + shapes() + ", weight " + to_string(options.weight.shape()));
  }
  expect(is_floating(options.weight.dtype()), "cross_entropy", "a floating weight", options.weight.dtype());
}

/// The loss as loss_n = -sum_k factor[n,k] log p[n,k], divided by `divisor` where it is averaged.
struct Factors {
  Tensor factor;  // (N,K)
  double divisor = 1;
};

/// What is spread evenly over all classes, the true one included.
double spread_share(std::int64_t classes, const CrossEntropyOptions& options) {
  if (options.form == SmoothingForm::pytorch || classes == 1) return options.label_smoothing;
  return options.label_smoothing * static_cast<double>(classes) / static_cast<double>(classes - 1);
}

template <class T>
Factors factors_of(const Tensor& target, std::int64_t classes, const CrossEntropyOptions& options) {
  const std::int64_t n = target.size(0);
  const auto* labels = target.dtype() == DType::i64 ? target.data<std::int64_t>() : nullptr;
  Factors result{Tensor::zeros({n, classes}, DTypeOf<T>::value), labels != nullptr ? 0 : static_cast<double>(n)};
  if (labels == nullptr) result.factor.copy_from(target);
  Tensor weights = Tensor::full({classes}, 1, DTypeOf<T>::value);
  if (options.weight.defined()) weights.copy_from(options.weight);
  const T* weight = weights.data<T>();
  const double share = spread_share(classes, options);
  const T spread = static_cast<T>(share / static_cast<double>(classes));
  const T kept = static_cast<T>(1 - share);
  T* row = result.factor.mutable_data<T>();
  for (std::int64_t i = 0; i < n; ++i, row += classes) {
    if (labels == nullptr) {
      for (std::int64_t k = 0; k < classes; ++k) row[k] = weight[k] * (kept * row[k] + spread);
      continue;
    }
    const std::int64_t label = labels[i];
    if (label == options.ignore_index) continue;
    if (label < 0 || label >= classes) {
      throw std::out_of_range("[cross_entropy] labels must be in 0 .. " + std::to_string(classes - 1) + " for " +
                              std::to_string(classes) + " classes: label " + std::to_string(i) + " is " +
                              std::to_string(label));
    }
    for (std::int64_t k = 0; k < classes; ++k) row[k] = spread * weight[k];
    row[label] += kept * weight[label];
    result.divisor += static_cast<double>(weight[label]);
  }
  if (options.reduction != Reduction::mean) result.divisor = 1;
  return result;
}

/// -sum_k factor[n,k] logp[n,k], reduced. logp (N,K).
template <class T>
Tensor weighted_loss(const Tensor& logp, const Factors& factors, Reduction reduction) {
  const std::int64_t n = logp.size(0);
  const std::int64_t classes = logp.size(1);
  const T* f = factors.factor.data<T>();
  const T* lp = logp.data<T>();
  Tensor rows = Tensor::zeros({n}, logp.dtype());
  T* row = rows.mutable_data<T>();
  parallel_for(n, kRows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t k = i * classes; k < (i + 1) * classes; ++k) {
        if (f[k] != 0) row[i] -= f[k] * lp[k];  // 0 * log 0 is 0
      }
    }
  });
  if (reduction == Reduction::none) return rows;
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i) total += static_cast<double>(row[i]);
  return Tensor::full({}, total / factors.divisor, logp.dtype());
}

/// logits (N,K).
Tensor loss_of_rows(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options) {
  const DType dtype = parameter_dtype(logits.dtype());
  const Tensor logp = log_softmax(logits.dtype() == dtype ? logits : cast(logits, dtype));
  return dispatch_floating("cross_entropy", logp.dtype(), [&]<class X>(X) {
    using T = compute_t<X>;
    const Factors factors = factors_of<T>(target, logp.size(1), options);
    Tensor loss = weighted_loss<T>(logp, factors, options.reduction);
    record("cross_entropy", loss, {logp}, [saved = Saved(factors.factor), divisor = factors.divisor](Backward& bw) {
      const Tensor& dloss = bw.dy();
      const Tensor factor = saved.get();
      Tensor dlogp = Tensor::empty(factor.shape(), factor.dtype());
      const std::int64_t classes = dlogp.size(1);
      const T* f = factor.template data<T>();
      const T* up = dloss.data<T>();
      T* d = dlogp.mutable_data<T>();
      parallel_for(dlogp.size(0), kRows, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const T scale = -up[dloss.rank() == 0 ? 0 : i] / static_cast<T>(divisor);
          for (std::int64_t k = i * classes; k < (i + 1) * classes; ++k) d[k] = scale * f[k];
        }
      });
      bw.add(0, dlogp);
    });
    return loss;
  });
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options) {
  check_cross_entropy(logits, target, options);
  if (logits.rank() == 2) return loss_of_rows(logits, target, options);
  const std::int64_t classes = logits.size(-1), rows = logits.numel() / classes;
  const Shape flat = target.dtype() == DType::i64 ? Shape{rows} : Shape{rows, classes};
  const Tensor loss = loss_of_rows(reshape(logits, {rows, classes}), target.viewed_as(flat), options);
  return options.reduction == Reduction::none ? reshape(loss, shape_of_rows(logits)) : loss;
}

std::int64_t count_correct(const Tensor& logits, const Tensor& labels, std::int64_t top) {
  if (logits.rank() < 2 || logits.size(-1) < 1 || labels.shape() != shape_of_rows(logits)) {
    shape_error("count_correct", "logits must be (N,K) or (N,H,W,K) and labels (N) or (N,H,W): logits " +
                                     to_string(logits.shape()) + ", labels " + to_string(labels.shape()));
  }
  const auto* label = labels.data<std::int64_t>();
  return dispatch_floating("count_correct", logits.dtype(), [&]<class T>(T) {
    const std::int64_t classes = logits.size(-1);
    const T* row = logits.data<T>();
    std::int64_t correct = 0;
    for (std::int64_t i = 0; i < labels.numel(); ++i, row += classes) {
      if (label[i] < 0 || label[i] >= classes) continue;
      const auto own = static_cast<compute_t<T>>(row[label[i]]);
      std::int64_t before = 0;  // NaN comes first, as in PyTorch's topk, and so is never right
      for (std::int64_t c = 0; c < classes; ++c) {
        const auto other = static_cast<compute_t<T>>(row[c]);
        if (c < label[i] ? !(other < own) : c > label[i] && !(other <= own)) ++before;
      }
      if (before < top) ++correct;
    }
    return correct;
  });
}

}  // namespace striate
