#include "layers/batch_norm.h"

#include <cmath>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/autograd.h"
#include "core/check.h"
#include "core/deferred.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "core/profile.h"
#include "core/trace.h"
#include "layers/channel_sums.h"
#include "layers/conv/apply_epilogue.h"

namespace striate {
namespace {

void check_per_channel(const Tensor& x, const Tensor& values, const std::string& name) {
  if (!values.defined()) return;
  const std::int64_t channels = x.shape().back();
  if (values.shape() != Shape{channels}) {
    shape_error("batch_norm", name + " must have one value per channel: input " + to_string(x.shape()) + " has " +
                                  std::to_string(channels) + ", " + name + " is " + to_string(values.shape()));
  }
  const DType expected = parameter_dtype(x.dtype());
  expect(values.dtype() == expected, "batch_norm",
         name + " in " + to_string(expected) + " for an input in " + to_string(x.dtype()), values.dtype());
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
  expect(running_mean.defined() == running_var.defined() && (training || running_mean.defined()), "batch_norm",
         "both running_mean and running_var, or in training neither",
         running_mean.defined() || running_var.defined() ? "one of them" : "none");
  if (training && plan_rows(x).rows < 2) {
    shape_error("batch_norm", "expected more than 1 value per channel when training: input " + to_string(x.shape()) +
                                  " has " + std::to_string(plan_rows(x).rows));
  }
}

template <class P>
const P* data_or_null(const Tensor& values) {
  return values.defined() ? values.data<P>() : nullptr;
}

template <class P>
void update_running(const double* mean, const double* squares, const RowPlan& plan, double momentum,
                    Tensor& running_mean, Tensor& running_var) {
  P* to_mean = running_mean.mutable_data<P>();
  P* to_var = running_var.mutable_data<P>();
  const auto degrees = static_cast<double>(plan.rows - 1);
  for (std::int64_t c = 0; c < plan.channels; ++c) {
    to_mean[c] = static_cast<P>((1 - momentum) * static_cast<double>(to_mean[c]) + momentum * mean[c]);
    to_var[c] = static_cast<P>((1 - momentum) * static_cast<double>(to_var[c]) + momentum * squares[c] / degrees);
  }
}

// What y = (x - mean) * scale + shift needs, a line each (see RowPlan), with scale = weight * inverse and
// inverse = 1 / sqrt(var + eps). Backward uses those of the forward pass.
template <class P>
struct Factors {
  const P* mean;
  const P* scale;
  const P* shift;
  const P* inverse;

  Factors(const RowPlan& plan, const Tensor& memory)
      : mean(memory.data<P>()), scale(mean + plan.line()), shift(scale + plan.line()), inverse(shift + plan.line()) {}
};

// The memory of Factors, (4,line).
template <class P>
Tensor make_factors(const RowPlan& plan, const double* mean, const double* var, const Tensor& weight,
                    const Tensor& bias, double eps) {
  Tensor memory = Tensor::empty({4, plan.line()}, DTypeOf<P>::value);
  P* to = memory.mutable_data<P>();
  const std::int64_t line = plan.line();
  const P* w = data_or_null<P>(weight);
  const P* b = data_or_null<P>(bias);
  for (std::int64_t c = 0; c < plan.channels; ++c) {
    const P inverse = static_cast<P>(1 / std::sqrt(var[c] + eps));
    to[c] = static_cast<P>(mean[c]);
    to[line + c] = inverse * (w != nullptr ? w[c] : P{1});
    to[2 * line + c] = b != nullptr ? b[c] : P{0};
    to[3 * line + c] = inverse;
  }
  for (std::int64_t k = 0; k < 4; ++k) fill_line(plan, to + k * line);
  return memory;
}

// Lines of one row, as convolutions take them.
RowPlan one_row(const Tensor& x) { return {.rows = 0, .channels = x.size(-1), .line_rows = 1, .chunk = 1}; }

// The factors that normalise x by its own statistics in training, which then update the running ones, or by the
// running ones in evaluation.
template <class T>
Tensor factors_for(const Tensor& x, const RowPlan& plan, const Tensor& weight, const Tensor& bias, Tensor& running_mean,
                   Tensor& running_var, const BatchNormOptions& options) {
  using P = compute_t<T>;
  if (!options.training) {
    const std::vector<double> mean = running_mean.to_vector();
    const std::vector<double> var = running_var.to_vector();
    return make_factors<P>(plan, mean.data(), var.data(), weight, bias, options.eps);
  }
  const Tensor batch = moments<T>(x, plan);
  const auto* mean = batch.data<double>();
  const double* squares = mean + plan.channels;
  std::vector<double> var(squares, squares + plan.channels);
  for (double& value : var) value /= static_cast<double>(plan.rows);
  if (running_mean.defined()) {
    update_running<P>(mean, squares, plan, options.momentum, running_mean, running_var);
  }
  return make_factors<P>(plan, mean, var.data(), weight, bias, options.eps);
}

template <class V, class T, class P>
V normalised(const T* x, const Factors<P>& f, std::int64_t c) {
  return striate::normalised(read<V>(x), read<V>(f.mean + c), read<V>(f.scale + c), read<V>(f.shift + c));
}

// f(std::bool_constant<relu>).
template <class F>
void with_constant(bool relu, F f) {
  relu ? f(std::true_type{}) : f(std::false_type{});
}

// The gradient of the normalised value: with ReLU zero where ReLU cut it off.
template <bool relu, class V, class T, class P>
V gradient_through(const T* dy, const T* x, const Factors<P>& f, std::int64_t c) {
  if constexpr (!relu) return read<V>(dy);
  return select(!(normalised<V>(x, f, c) <= V{}), read<V>(dy));
}

// (chunks,2,C), of which the first (2,C) are the sums over all rows of the gradient and of it times
// (x - mean).
template <bool relu, class T>
Tensor gradient_sums(const T* dy, const T* x, const RowPlan& plan, const Factors<compute_t<T>>& f) {
  const std::int64_t width = 2 * plan.channels;
  Tensor result = Tensor::empty({plan.chunks(), 2, plan.channels}, DType::f64);
  auto* partial = result.mutable_data<double>();
  parallel_for(plan.rows, plan.chunk, [=](std::int64_t begin, std::int64_t end) {
    sum_rows<compute_t<T>, 2>(plan, begin, end, partial + begin / plan.chunk * width,
                              [=](auto zero, std::int64_t i, std::int64_t c, auto* sums) {
                                using V = decltype(zero);
                                const V gradient = gradient_through<relu, V>(dy + i, x + i, f, c);
                                sums[0] += gradient;
                                sums[1] += gradient * (read<V>(x + i) - read<V>(f.mean + c));
                              });
  });
  for (std::int64_t k = 1; k < plan.chunks(); ++k) {
    for (std::int64_t i = 0; i < width; ++i) partial[i] += partial[k * width + i];
  }
  return result;
}

// The gradient of x, to dx, which may be dy. With batch statistics, xhat = (x - mean) * inverse and n rows:
// dx = weight * inverse * (dy - sum(dy) / n - xhat * sum(dy * xhat) / n). With running ones, where `sums` is
// null, the sums drop out.
template <bool relu, class T>
void input_gradient(const T* dy, const T* x, const RowPlan& plan, const Factors<compute_t<T>>& f, const double* sums,
                    T* dx) {
  using P = compute_t<T>;
  if (sums == nullptr) {
    return for_values<P>(plan, [=](auto zero, std::int64_t i, std::int64_t c) {
      using V = decltype(zero);
      const T* value = relu ? x + i : nullptr;  // not saved where it is not needed
      write(dx + i, gradient_through<relu, V>(dy + i, value, f, c) * read<V>(f.scale + c));
    });
  }
  Scratch<P> lines(2 * plan.line());
  P* level = lines.data();
  P* slope = level + plan.line();
  for (std::int64_t c = 0; c < plan.channels; ++c) {
    const auto inverse = static_cast<double>(f.inverse[c]);
    level[c] = static_cast<P>(sums[c] / static_cast<double>(plan.rows));
    slope[c] = static_cast<P>(sums[plan.channels + c] / static_cast<double>(plan.rows) * inverse * inverse);
  }
  fill_line(plan, level);
  fill_line(plan, slope);
  for_values<P>(plan, [=](auto zero, std::int64_t i, std::int64_t c) {
    using V = decltype(zero);
    const V centred = gradient_through<relu, V>(dy + i, x + i, f, c) - read<V>(level + c);
    const V deviation = read<V>(x + i) - read<V>(f.mean + c);
    write(dx + i, (centred - deviation * read<V>(slope + c)) * read<V>(f.scale + c));
  });
}

// x is null where only an evaluation's dx is wanted.
template <bool relu, class T>
void backward(Backward& bw, const T* x, const RowPlan& plan, const Tensor& factors, bool training) {
  using P = compute_t<T>;
  const Factors<P> f(plan, factors);
  const T* dy = bw.dy().data<T>();
  Tensor sums;
  if (training || bw.wants(1) || bw.wants(2)) sums = gradient_sums<relu>(dy, x, plan, f);
  const auto* totals = data_or_null<double>(sums);
  if (bw.wants(0)) {
    Tensor dx = bw.reusable_dy();
    input_gradient<relu>(dy, x, plan, f, training ? totals : nullptr, dx.mutable_data<T>());
    bw.add(0, dx);
  }
  // dweight = sum(dy * xhat), dbias = sum(dy).
  const auto add_sum = [&](std::size_t input, const double* total, bool scaled) {
    if (!bw.wants(input)) return;
    Tensor gradient = Tensor::empty({plan.channels}, DTypeOf<P>::value);
    P* to = gradient.mutable_data<P>();
    for (std::int64_t c = 0; c < plan.channels; ++c) {
      to[c] = static_cast<P>(total[c] * (scaled ? static_cast<double>(f.inverse[c]) : 1.0));
    }
    bw.add(input, gradient);
  };
  if (totals == nullptr) return;
  add_sum(1, totals + plan.channels, true);
  add_sum(2, totals, false);
}

// All that a batch norm's output is made of.
struct Normalisation {
  Tensor x, weight, bias;
  RowPlan plan;
  Tensor factors;
  bool training;
};

// y = (x - mean) * scale + shift, with relu 0 where that is below.
void normalise(const Tensor& x, const RowPlan& plan, const Tensor& factors, bool relu, void* y) {
  dispatch_floating("batch_norm", x.dtype(), [&]<class T>(T) {
    using P = compute_t<T>;
    with_constant(relu, [&, f = Factors<P>(plan, factors), from = x.data<T>(),
                         to = static_cast<T*>(y)]<bool cut>(std::bool_constant<cut>) {
      for_values<P>(plan, [=](auto zero, std::int64_t i, std::int64_t c) {
        auto value = normalised<decltype(zero)>(from + i, f, c);
        if constexpr (cut) value = value < zero ? zero : value;
        write(to + i, value);
      });
    });
  });
}

Tensor normalised(const Tensor& x, const RowPlan& plan, const Tensor& factors, bool relu) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  normalise(x, plan, factors, relu, y.mutable_raw());
  return y;
}

// y with its entry in the graph.
Tensor recorded(const Normalisation& n, Tensor y, bool relu) {
  // In evaluation without ReLU the gradient of x needs no x.
  const bool needs_x = n.training || relu || recording({n.weight, n.bias});
  const Saved kept(needs_x ? n.x : Tensor());
  record(relu ? "batch_norm_relu" : "batch_norm", y, {n.x, n.weight, n.bias},
         [kept, factors = n.factors, plan = n.plan, training = n.training, relu](Backward& bw) {
           const Tensor x = kept.get();
           dispatch_floating("batch_norm", bw.dy().dtype(), [&]<class T>(T) {
             with_constant(relu, [&]<bool cut>(std::bool_constant<cut>) {
               backward<cut>(bw, data_or_null<T>(x), plan, factors, training);
             });
           });
         });
  // A convolution after this needs y for its weights: one more pass over x, which is kept anyway.
  record_recomputation(y, kept, [factors = n.factors, plan = n.plan, relu](const Tensor& from) {
    return normalised(from, plan, factors, relu);
  });
  return y;
}

// The pass from x to y, which relu does with its own.
class DeferredNorm : public Deferred {
 public:
  explicit DeferredNorm(const Normalisation& n) : Deferred({n.x}), n_(n) {}
  void compute(void* to) const override { normalise(n_.x, n_.plan, n_.factors, false, to); }
  Tensor then_relu(double most) override {
    if (std::isfinite(most)) return {};
    const ProfileSpan span(place(), "forward");
    take();
    return recorded(n_, normalised(n_.x, n_.plan, n_.factors, true), true);
  }

 private:
  Normalisation n_;
};

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor running_mean, Tensor running_var,
                  const BatchNormOptions& options) {
  check(x, weight, bias, running_mean, running_var, options.training);
  expect(options.eps >= 0, "batch_norm", "eps of at least 0", options.eps);
  const auto factors = [&](const RowPlan& plan) {
    return dispatch_floating("batch_norm", x.dtype(), [&]<class T>(T) {
      return factors_for<T>(x, plan, weight, bias, running_mean, running_var, options);
    });
  };
  if (const auto step = x.deferred_step(); step && !options.training && !recording({x, weight, bias})) {
    Tensor y = step->then_norm([&] { return factors(one_row(x)); });
    if (y.defined()) return y;
  }
  const RowPlan plan = plan_rows(x);
  Normalisation step{x, weight, bias, plan, factors(plan), options.training};
  if (!recording({x, weight, bias})) {
    for (Tensor* tensor : {&step.x, &step.weight, &step.bias}) *tensor = tensor->detach();
  }
  if (!DeferScope::defers()) {
    Tensor y = recorded(step, normalised(x, plan, step.factors, false), false);
    traced(y, [&](Trace& t) {
      if (options.training) return Trace::kNone;
      const auto or_full = [&](const Tensor& values, double value) {
        return t.value(values.defined() ? values : Tensor::full({x.size(-1)}, value));
      };
      return t.add("BatchNormalization",
                   {t.value(x), or_full(weight, 1), or_full(bias, 0), t.value(running_mean), t.value(running_var)},
                   {{"epsilon", options.eps}});
    });
    return y;
  }
  return recorded(step, Tensor::deferred(x.shape(), x.dtype(), std::make_shared<DeferredNorm>(step)), false);
}

BatchNorm2d::BatchNorm2d(Module& parent, std::string name, std::int64_t features, BatchNorm2dOptions options)
    : Layer(parent, std::move(name)), options_(options) {
  expect(features >= 1, "batch_norm", "at least 1 feature", features);
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
