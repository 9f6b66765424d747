#include "layers/batch_norm.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "core/autograd.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "layers/channel_sums.h"

namespace striate {
namespace {

void check_per_channel(const Tensor& x, const Tensor& values, const std::string& name) {
  if (!values.defined()) return;
  const std::int64_t channels = x.shape().back();
  if (values.shape() != Shape{channels}) {
    shape_error("batch_norm", name + " must have one value per channel: input " + to_string(x.shape()) +
                                  " has " + std::to_string(channels) + ", " + name + " is " +
                                  to_string(values.shape()));
  }
  const DType expected = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  if (values.dtype() != expected) {
    throw std::invalid_argument("[batch_norm] expected " + name + " in " + to_string(expected) +
                                " for an input in " + to_string(x.dtype()) + ", got " +
                                to_string(values.dtype()));
  }
}

void check(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
           const Tensor& running_var, bool training) {
  if (x.rank() < 2) {
    shape_error("batch_norm", "input must be (N,H,W,C) or (N,C): got " + to_string(x.shape()));
  }
  check_per_channel(x, weight, "weight");
  check_per_channel(x, bias, "bias");
  check_per_channel(x, running_mean, "running_mean");
  check_per_channel(x, running_var, "running_var");
  if (running_mean.defined() != running_var.defined() || (!training && !running_mean.defined())) {
    throw std::invalid_argument(
        "[batch_norm] expected both running_mean and running_var, or in training neither; one or both are "
        "undefined");
  }
  if (training && plan_rows(x).rows < 2) {
    shape_error("batch_norm", "expected more than 1 value per channel when training: input " +
                                  to_string(x.shape()) + " has " + std::to_string(plan_rows(x).rows));
  }
}

template <class P>
const P* data_or_null(const Tensor& values) {
  return values.defined() ? values.data<P>() : nullptr;
}

// first += dy, second += dy * (x - mean).
template <class T, class P>
void add_products(const T* __restrict dy, const T* __restrict x, const P* __restrict mean,
                  P* __restrict first, P* __restrict second, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto gradient = static_cast<P>(dy[c]);
    first[c] += gradient;
    second[c] += gradient * (static_cast<P>(x[c]) - mean[c]);
  }
}

// y = (x - mean) * scale + shift.
template <class T, class P>
void normalise_row(const T* __restrict x, const P* __restrict mean, const P* __restrict scale,
                   const P* __restrict shift, T* __restrict y, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) {
    y[c] = static_cast<T>((static_cast<P>(x[c]) - mean[c]) * scale[c] + shift[c]);
  }
}

// dx = (dy - level - (x - mean) * slope) * scale.
template <class T, class P>
void gradient_row(const T* __restrict dy, const T* __restrict x, const P* __restrict mean,
                  const P* __restrict scale, const P* __restrict level, const P* __restrict slope,
                  T* __restrict dx, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const P centred = static_cast<P>(dy[c]) - level[c];
    dx[c] = static_cast<T>((centred - (static_cast<P>(x[c]) - mean[c]) * slope[c]) * scale[c]);
  }
}

// dx = dy * scale.
template <class T, class P>
void scale_row(const T* __restrict dy, const P* __restrict scale, T* __restrict dx, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) dx[c] = static_cast<T>(static_cast<P>(dy[c]) * scale[c]);
}

template <class P>
void update_running(const double* mean, const double* squares, const RowPlan& plan, double momentum,
                    Tensor& running_mean, Tensor& running_var) {
  P* to_mean = running_mean.mutable_data<P>();
  P* to_var = running_var.mutable_data<P>();
  const auto degrees = static_cast<double>(plan.rows - 1);
  for (std::int64_t c = 0; c < plan.channels; ++c) {
    to_mean[c] = static_cast<P>((1 - momentum) * static_cast<double>(to_mean[c]) + momentum * mean[c]);
    to_var[c] =
        static_cast<P>((1 - momentum) * static_cast<double>(to_var[c]) + momentum * squares[c] / degrees);
  }
}

// (2,C): what x is normalised by, mean and 1 / sqrt(var + eps).
template <class T>
Tensor statistics(const Tensor& x, const RowPlan& plan, Tensor& running_mean, Tensor& running_var,
                  const BatchNormOptions& options) {
  using P = compute_t<T>;
  Tensor result = Tensor::empty({2, plan.channels}, DTypeOf<P>::value);
  P* mean = result.mutable_data<P>();
  P* inverse = mean + plan.channels;
  if (!options.training) {
    std::copy_n(running_mean.data<P>(), plan.channels, mean);
    const P* var = running_var.data<P>();
    for (std::int64_t c = 0; c < plan.channels; ++c) {
      inverse[c] = static_cast<P>(1 / std::sqrt(static_cast<double>(var[c]) + options.eps));
    }
    return result;
  }
  const Tensor batch = moments<T>(x, plan);
  const auto* batch_mean = batch.data<double>();
  const double* squares = batch_mean + plan.channels;
  for (std::int64_t c = 0; c < plan.channels; ++c) {
    mean[c] = static_cast<P>(batch_mean[c]);
    inverse[c] = static_cast<P>(1 / std::sqrt(squares[c] / static_cast<double>(plan.rows) + options.eps));
  }
  if (running_mean.defined()) {
    update_running<P>(batch_mean, squares, plan, options.momentum, running_mean, running_var);
  }
  return result;
}

template <class T>
void normalise(const Tensor& x, const RowPlan& plan, const Tensor& stats, const Tensor& weight,
               const Tensor& bias, Tensor& y) {
  using P = compute_t<T>;
  const std::int64_t channels = plan.channels;
  const P* mean = stats.data<P>();
  const P* w = data_or_null<P>(weight);
  const P* b = data_or_null<P>(bias);
  Tensor factors = Tensor::empty({2, channels}, DTypeOf<P>::value);
  P* scale = factors.mutable_data<P>();
  P* shift = scale + channels;
  for (std::int64_t c = 0; c < channels; ++c) {
    scale[c] = mean[channels + c] * (w != nullptr ? w[c] : P{1});
    shift[c] = b != nullptr ? b[c] : P{0};
  }
  const T* from = x.data<T>();
  T* to = y.mutable_data<T>();
  parallel_for(plan.rows, plan.chunk, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      normalise_row(from + r * channels, mean, scale, shift, to + r * channels, channels);
    }
  });
}

// (chunks,2,C), of which the first (2,C) are the sums over all rows of dy and of dy * (x - mean).
template <class T>
Tensor gradient_sums(const Tensor& dy, const Tensor& x, const RowPlan& plan, const Tensor& stats) {
  using P = compute_t<T>;
  const std::int64_t channels = plan.channels;
  Tensor result = Tensor::empty({plan.chunks(), 2, channels}, DType::f64);
  auto* partial = result.mutable_data<double>();
  const T* gradients = dy.data<T>();
  const T* values = x.data<T>();
  const P* mean = stats.data<P>();
  parallel_for(plan.rows, plan.chunk, [&](std::int64_t begin, std::int64_t end) {
    Tensor scratch = Tensor::empty({2, channels}, DTypeOf<P>::value);
    sum_rows(begin, end, 2 * channels, partial + begin / plan.chunk * 2 * channels, scratch.mutable_data<P>(),
             [=](std::int64_t r, P* sums) {
               add_products(gradients + r * channels, values + r * channels, mean, sums, sums + channels,
                            channels);
             });
  });
  for (std::int64_t k = 1; k < plan.chunks(); ++k) {
    for (std::int64_t i = 0; i < 2 * channels; ++i) partial[i] += partial[k * 2 * channels + i];
  }
  return result;
}

// The gradient of x. With batch statistics, xhat = (x - mean) * inverse and n rows:
// dx = weight * inverse * (dy - sum(dy) / n - xhat * sum(dy * xhat) / n). With running ones the sums drop
// out.
template <class T>
Tensor input_gradient(const Tensor& dy, const Tensor& x, const RowPlan& plan, const Tensor& stats,
                      const Tensor& weight, const double* sums) {
  using P = compute_t<T>;
  const std::int64_t channels = plan.channels;
  const P* mean = stats.data<P>();
  const P* inverse = mean + channels;
  const P* w = data_or_null<P>(weight);
  Tensor factors = Tensor::empty({3, channels}, DTypeOf<P>::value);
  P* scale = factors.mutable_data<P>();
  P* level = scale + channels;
  P* slope = level + channels;
  const auto rows = static_cast<double>(plan.rows);
  for (std::int64_t c = 0; c < channels; ++c) {
    scale[c] = inverse[c] * (w != nullptr ? w[c] : P{1});
    if (sums == nullptr) continue;
    const auto squared = static_cast<double>(inverse[c]) * static_cast<double>(inverse[c]);
    level[c] = static_cast<P>(sums[c] / rows);
    slope[c] = static_cast<P>(sums[channels + c] / rows * squared);
  }
  Tensor dx = Tensor::empty(dy.shape(), dy.dtype());
  T* to = dx.mutable_data<T>();
  const T* gradients = dy.data<T>();
  const T* values = sums != nullptr ? x.data<T>() : nullptr;
  parallel_for(plan.rows, plan.chunk, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin * channels; i < end * channels; i += channels) {
      if (values != nullptr) {
        gradient_row(gradients + i, values + i, mean, scale, level, slope, to + i, channels);
      } else {
        scale_row(gradients + i, scale, to + i, channels);
      }
    }
  });
  return dx;
}

template <class T>
void backward(Backward& bw, const Tensor& x, const Tensor& weight, const Tensor& stats, const RowPlan& plan,
              bool training) {
  using P = compute_t<T>;
  const std::int64_t channels = plan.channels;
  Tensor sums;
  if (x.defined()) sums = gradient_sums<T>(bw.dy(), x, plan, stats);
  const auto* totals = data_or_null<double>(sums);
  if (bw.wants(0)) bw.add(0, input_gradient<T>(bw.dy(), x, plan, stats, weight, training ? totals : nullptr));
  // dweight = sum(dy * xhat), dbias = sum(dy).
  const P* inverse = stats.data<P>() + channels;
  Tensor dweight = Tensor::empty({channels}, DTypeOf<P>::value);
  Tensor dbias = Tensor::empty({channels}, DTypeOf<P>::value);
  P* to_weight = dweight.mutable_data<P>();
  P* to_bias = dbias.mutable_data<P>();
  for (std::int64_t c = 0; totals != nullptr && c < channels; ++c) {
    to_weight[c] = static_cast<P>(totals[channels + c] * static_cast<double>(inverse[c]));
    to_bias[c] = static_cast<P>(totals[c]);
  }
  bw.add(1, dweight);
  bw.add(2, dbias);
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor running_mean,
                  Tensor running_var, const BatchNormOptions& options) {
  check(x, weight, bias, running_mean, running_var, options.training);
  const RowPlan plan = plan_rows(x);
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  Tensor stats;
  dispatch_floating("batch_norm", x.dtype(), [&]<class T>(T) {
    stats = statistics<T>(x, plan, running_mean, running_var, options);
    normalise<T>(x, plan, stats, weight, bias, y);
  });
  // In evaluation the gradient of x needs no x.
  const bool needs_x = options.training || recording({weight, bias});
  record("batch_norm", y, {x, weight, bias},
         [x = Saved(needs_x ? x : Tensor()), weight = Saved(weight), stats, plan,
          training = options.training](Backward& bw) {
           dispatch_floating("batch_norm", bw.dy().dtype(), [&]<class T>(T) {
             backward<T>(bw, x.get(), weight.get(), stats, plan, training);
           });
         });
  return y;
}

BatchNorm2d::BatchNorm2d(Module& parent, std::string name, std::int64_t features, BatchNorm2dOptions options)
    : Layer(parent, std::move(name)), options_(options) {
  if (features < 1) {
    throw std::invalid_argument("[batch_norm] expected at least 1 feature, got " + std::to_string(features));
  }
  if (options_.affine) {
    add_parameter("weight", weight, Tensor::full({features}, 1));
    add_parameter("bias", bias, Tensor::zeros({features}));
  }
  if (options_.track_running_stats) {
    add_buffer("running_mean", running_mean, Tensor::zeros({features}));
    add_buffer("running_var", running_var, Tensor::full({features}, 1));
    add_buffer("num_batches_tracked", num_batches_tracked, Tensor::zeros({}, DType::i64));
  }
}

Tensor BatchNorm2d::forward(const Tensor& x) {
  const bool tracks = running_mean.defined();
  const bool updates = training() && tracks;
  const std::int64_t batches = updates ? *num_batches_tracked.data<std::int64_t>() + 1 : 1;
  Tensor y = batch_norm(x, weight, bias, running_mean, running_var,
                        {.training = training() || !tracks,
                         .momentum = options_.momentum.value_or(1 / static_cast<double>(batches)),
                         .eps = options_.eps});
  if (updates) *num_batches_tracked.mutable_data<std::int64_t>() = batches;
  return y;
}

LayerGeometry BatchNorm2d::geometry(const Shape& /*input*/, const Shape& /*output*/) const {
  return {.merges_into_previous = true};
}

}  // namespace striate
