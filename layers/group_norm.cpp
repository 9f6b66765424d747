#include "layers/group_norm.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "core/autograd.h"
#include "core/check.h"
#include "core/reshape.h"
#include "core/trace.h"
#include "layers/channel_sums.h"

namespace striate {
namespace {

// Images of so many rows of channels, whose groups have moments of their own.
struct Plan {
  RowPlan rows;
  std::int64_t images;
  std::int64_t positions;
  std::int64_t groups;

  [[nodiscard]] std::int64_t grain() const {
    return std::max<std::int64_t>(1, rows.chunk / std::max<std::int64_t>(1, positions));
  }
  [[nodiscard]] std::int64_t parts() const { return std::max<std::int64_t>(1, ceil_div(positions, rows.chunk)); }
  /// f(begin, end) for the images, by several threads unless they are few and large.
  template <class F>
  void for_images(F f) const {
    const bool one_by_one = images < std::min<std::int64_t>(num_threads(), parts());
    parallel_for(images, one_by_one ? images : grain(), f);
  }
  /// f(part, begin, end) for the rows of an image in parts that do not depend on the threads: all, where it is called
  /// for images one by one.
  template <class F>
  void for_parts(std::int64_t image, F f) const {
    const std::int64_t first = image * positions;
    if (parts() == 1) return f(0, first, first + positions);
    parallel_for(positions, rows.chunk,
                 [&](std::int64_t begin, std::int64_t end) { f(begin / rows.chunk, first + begin, first + end); });
  }
  [[nodiscard]] std::int64_t width() const { return rows.channels / groups; }
  /// sums (channels) added up by groups, over the number of values in each. Eight at a time, for registers.
  [[nodiscard]] double mean_of(const double* sums, std::int64_t group) const {
    const double* from = sums + group * width();
    double parts[8] = {};
    std::int64_t i = 0;
    for (; i + 8 <= width(); i += 8) {
      for (std::int64_t k = 0; k < 8; ++k) parts[k] += from[i + k];
    }
    return std::accumulate(from + i, from + width(), std::accumulate(parts, parts + 8, 0.0)) /
           static_cast<double>(positions * width());
  }
};

// sum_rows() of an image; without its detours where that is one row.
template <class P, int n, class Terms>
void sum_image(const Plan& plan, std::int64_t image, double* sums, Terms terms) {
  const std::int64_t first = image * plan.positions;
  const std::int64_t channels = plan.rows.channels;
  if (plan.positions > 1) {
    const std::int64_t size = n * channels;
    Scratch<double> others((plan.parts() - 1) * size);
    plan.for_parts(image, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
      sum_rows<P, n>(plan.rows, begin, end, part == 0 ? sums : others.data() + (part - 1) * size, terms);
    });
    for (std::int64_t i = 0; i < (plan.parts() - 1) * size; ++i) sums[i % size] += others.data()[i];
    return;
  }
  std::fill_n(sums, n * channels, 0.0);
  by_register<P>(channels, [=]<class V>(V zero, std::int64_t c) {
    V values[n] = {};
    terms(zero, first * channels + c, c, values);
    for (int k = 0; k < n; ++k) add_to(sums + k * channels + c, values[k]);
  });
}

// A line (see RowPlan) of f(channel, group).
template <class P, class F>
void make_line(const Plan& plan, P* line, F f) {
  for (std::int64_t g = 0; g < plan.groups; ++g) {
    for (std::int64_t c = g * plan.width(); c < (g + 1) * plan.width(); ++c) line[c] = f(c, g);
  }
  fill_line(plan.rows, line);
}

template <class P>
const P* data_or_null(const Tensor& values) {
  return values.defined() ? values.data<P>() : nullptr;
}

// moments: mean and 1 / sqrt(var + eps) of every group, (images,2,groups).
template <class T, class P = compute_t<T>>
void forward(const Plan& plan, const T* x, const P* weight, const P* bias, double eps, P* moments, T* y) {
  plan.for_images([=](std::int64_t begin, std::int64_t end) {
    const RowPlan& rows = plan.rows;
    Scratch<double> totals(rows.channels);
    Scratch<P> lines(3 * rows.line());
    double* sums = totals.data();
    P* mean = lines.data();
    P* scale = mean + rows.line();
    P* shift = scale + rows.line();
    make_line(plan, shift, [=](std::int64_t c, std::int64_t /*g*/) { return bias == nullptr ? P{} : bias[c]; });
    for (std::int64_t n = begin; n < end; ++n) {
      P* means = moments + n * 2 * plan.groups;
      P* inverses = means + plan.groups;
      sum_image<P, 1>(plan, n, sums,
                      [=]<class V>(V, std::int64_t i, std::int64_t /*c*/, V* sum) { sum[0] += read<V>(x + i); });
      for (std::int64_t g = 0; g < plan.groups; ++g) means[g] = static_cast<P>(plan.mean_of(sums, g));
      make_line(plan, mean, [=](std::int64_t /*c*/, std::int64_t g) { return means[g]; });
      sum_image<P, 1>(plan, n, sums, [=]<class V>(V, std::int64_t i, std::int64_t c, V* sum) {
        const V deviation = read<V>(x + i) - read<V>(mean + c);
        sum[0] += deviation * deviation;
      });
      for (std::int64_t g = 0; g < plan.groups; ++g) {
        inverses[g] = static_cast<P>(1 / std::sqrt(plan.mean_of(sums, g) + eps));
      }
      make_line(plan, scale,
                [=](std::int64_t c, std::int64_t g) { return inverses[g] * (weight == nullptr ? P{1} : weight[c]); });
      plan.for_parts(n, [=](std::int64_t /*part*/, std::int64_t first, std::int64_t last) {
        for_rows<P>(rows, first, last, [=]<class V>(V, std::int64_t i, std::int64_t c) {
          write(y + i, (read<V>(x + i) - read<V>(mean + c)) * read<V>(scale + c) + read<V>(shift + c));
        });
      });
    }
  });
}

// With xhat = (x - mean) * inverse and g = dy * weight: dx = inverse * (g - mean(g) - xhat * mean(g * xhat)), the means
// over a group. dx may be dy, or null. `partial` is zeros, (chunks,2,C): each chunk's sums of dy * xhat and dy, which
// are the gradients of weight and bias.
template <class T, class P = compute_t<T>>
void backward(const Plan& plan, const T* dy, const T* x, const P* weight, const P* moments, double* partial, T* dx) {
  plan.for_images([=](std::int64_t begin, std::int64_t end) {
    const RowPlan& rows = plan.rows;
    Scratch<double> totals(2 * rows.channels);
    Scratch<P> lines(4 * rows.line());
    double* slopes = totals.data();
    double* levels = slopes + rows.channels;
    P* mean = lines.data();
    P* scale = mean + rows.line();
    P* slope = scale + rows.line();
    P* level = slope + rows.line();
    for (std::int64_t n = begin; n < end; ++n) {
      double* dweight = partial + n / plan.grain() * 2 * rows.channels;
      const P* means = moments + n * 2 * plan.groups;
      const P* inverses = means + plan.groups;
      make_line(plan, mean, [=](std::int64_t /*c*/, std::int64_t g) { return means[g]; });
      make_line(plan, scale,
                [=](std::int64_t c, std::int64_t g) { return inverses[g] * (weight == nullptr ? P{1} : weight[c]); });
      sum_image<P, 2>(plan, n, slopes, [=]<class V>(V, std::int64_t i, std::int64_t c, V* sum) {
        sum[0] += read<V>(dy + i) * (read<V>(x + i) - read<V>(mean + c));
        sum[1] += read<V>(dy + i);
      });
      for (std::int64_t g = 0; g < plan.groups; ++g) {
        const auto inverse = static_cast<double>(inverses[g]);
        for (std::int64_t c = g * plan.width(); c < (g + 1) * plan.width(); ++c) dweight[c] += slopes[c] * inverse;
      }
      for (std::int64_t c = 0; c < rows.channels; ++c) {
        dweight[rows.channels + c] += levels[c];
        slopes[c] *= static_cast<double>(scale[c]);
        levels[c] *= static_cast<double>(scale[c]);
      }
      if (dx == nullptr) continue;
      for (std::int64_t g = 0; g < plan.groups; ++g) {
        const auto inverse = static_cast<double>(inverses[g]);
        std::fill_n(slope + g * plan.width(), plan.width(),
                    static_cast<P>(plan.mean_of(slopes, g) * inverse * inverse));
        std::fill_n(level + g * plan.width(), plan.width(), static_cast<P>(plan.mean_of(levels, g)));
      }
      fill_line(rows, slope);
      fill_line(rows, level);
      plan.for_parts(n, [=](std::int64_t /*part*/, std::int64_t first, std::int64_t last) {
        for_rows<P>(rows, first, last, [=]<class V>(V, std::int64_t i, std::int64_t c) {
          const V deviation = read<V>(x + i) - read<V>(mean + c);
          write(dx + i, read<V>(dy + i) * read<V>(scale + c) - read<V>(level + c) - deviation * read<V>(slope + c));
        });
      });
    }
  });
}

template <class T>
void add_gradients(Backward& bw, const Plan& plan, const Tensor& x, const Tensor& weight, const Tensor& moments) {
  using P = compute_t<T>;
  const std::int64_t channels = plan.rows.channels;
  const std::int64_t chunks = std::max<std::int64_t>(1, ceil_div(plan.images, plan.grain()));
  Tensor sums = Tensor::zeros({chunks, 2, channels}, DType::f64);
  auto* partial = sums.mutable_data<double>();
  const T* dy = bw.dy().data<T>();
  Tensor dx = bw.wants(0) ? bw.reusable_dy() : Tensor();
  T* to = dx.defined() ? dx.mutable_data<T>() : nullptr;
  backward<T>(plan, dy, x.data<T>(), data_or_null<P>(weight), moments.data<P>(), partial, to);
  if (dx.defined()) bw.add(0, dx);
  for (std::int64_t k = 1; k < chunks; ++k) {
    for (std::int64_t i = 0; i < 2 * channels; ++i) partial[i] += partial[k * 2 * channels + i];
  }
  const auto add_sum = [&](std::size_t input, const double* total) {
    if (!bw.wants(input)) return;
    Tensor gradient = Tensor::empty({channels}, DTypeOf<P>::value);
    std::transform(total, total + channels, gradient.mutable_data<P>(), [](double sum) { return static_cast<P>(sum); });
    bw.add(input, gradient);
  };
  add_sum(1, partial);
  add_sum(2, partial + channels);
}

void check_affine(const char* op, const Tensor& x, const Tensor& values, const std::string& name, const Shape& shape) {
  if (!values.defined()) return;
  if (values.shape() != shape) {
    shape_error(op, name + " must be " + to_string(shape) + " for input " + to_string(x.shape()) + ": got " +
                        to_string(values.shape()));
  }
  const DType expected = parameter_dtype(x.dtype());
  expect(values.dtype() == expected, op,
         name + " in " + to_string(expected) + " for an input in " + to_string(x.dtype()), values.dtype());
}

// In ONNX, whose opset 17 has no norm of groups: each is a channel of an InstanceNormalization.
Trace::Value normalise_in(Trace& t, const Tensor& x, std::int64_t groups, const Tensor& weight, const Tensor& bias,
                          double eps) {
  if (groups == 1 && x.rank() == 2) {
    const Tensor scale = weight.defined() ? weight : Tensor::full({x.size(-1)}, 1);
    return t.add("LayerNormalization", {t.value(x), t.value(scale), t.value(bias)}, {{"axis", -1}, {"epsilon", eps}});
  }
  const auto grouped = t.add("Reshape", {t.value(x), t.integers({0, groups, -1})});
  const auto norm =
      t.add("InstanceNormalization", {grouped, t.value(Tensor::full({groups}, 1)), t.value(Tensor::zeros({groups}))},
            {{"epsilon", eps}});
  std::vector<std::int64_t> shape = {0};
  for (const int axis : channels_first_axes(x.rank())) {
    if (axis > 0) shape.push_back(x.size(axis));
  }
  const auto result = t.add("Reshape", {norm, t.integers(shape)});
  if (!weight.defined() && !bias.defined()) return result;
  // Scale and shift of channels, as a norm whose statistics do nothing.
  const auto full = [&](double value) { return t.value(Tensor::full({x.size(-1)}, value)); };
  return t.add("BatchNormalization",
               {result, weight.defined() ? t.value(weight) : full(1), bias.defined() ? t.value(bias) : full(0), full(0),
                full(1)},
               {{"epsilon", 0.0}});
}

// Of x (images, ..., C).
Tensor normalise(const char* op, const Tensor& x, std::int64_t groups, const Tensor& weight, const Tensor& bias,
                 double eps) {
  expect(eps >= 0, op, "eps of at least 0", eps);
  Plan plan{.rows = plan_rows(x), .images = x.numel() == 0 ? 0 : x.size(0), .positions = 0, .groups = groups};
  if (plan.images > 0) plan.positions = plan.rows.rows / plan.images;
  if (plan.positions < plan.rows.line_rows) plan.rows.line_rows = 1;
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  Tensor moments = Tensor::empty({plan.images, 2, groups}, parameter_dtype(x.dtype()));
  dispatch_floating(op, x.dtype(), [&]<class T>(T) {
    using P = compute_t<T>;
    forward<T>(plan, x.data<T>(), data_or_null<P>(weight), data_or_null<P>(bias), eps, moments.mutable_data<P>(),
               y.mutable_data<T>());
  });
  record(op, y, {x, weight, bias}, [op, plan, moments, x = Saved(x), weight = Saved(weight)](Backward& bw) {
    dispatch_floating(op, bw.dy().dtype(),
                      [&]<class T>(T) { add_gradients<T>(bw, plan, x.get(), weight.get(), moments); });
  });
  traced(y, [&](Trace& t) { return normalise_in(t, x, groups, weight, bias, eps); });
  return y;
}

}  // namespace

Tensor group_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps) {
  constexpr const char* op = "group_norm";
  expect(num_groups >= 1, op, "at least 1 group", num_groups);
  if (x.rank() < 2 || x.size(-1) < 1 || x.size(-1) % num_groups != 0) {
    shape_error(op, "input must be (N,...,C) with a C that the " + std::to_string(num_groups) + " groups divide: got " +
                        to_string(x.shape()));
  }
  check_affine(op, x, weight, "weight", {x.size(-1)});
  check_affine(op, x, bias, "bias", {x.size(-1)});
  return normalise(op, x, num_groups, weight, bias, eps);
}

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias,
                  double eps) {
  constexpr const char* op = "layer_norm";
  const auto axes = std::ssize(normalized_shape);
  const Shape& shape = x.shape();
  if (axes < 1 || axes > x.rank() ||
      !std::equal(normalized_shape.begin(), normalized_shape.end(), shape.end() - axes) ||
      numel(normalized_shape) < 1) {
    shape_error(op, "the input's last axes must be normalized_shape " + to_string(normalized_shape) + ": got " +
                        to_string(shape));
  }
  check_affine(op, x, weight, "weight", normalized_shape);
  check_affine(op, x, bias, "bias", normalized_shape);
  const std::int64_t values = numel(normalized_shape);
  const auto flat = [&](const Tensor& affine) { return affine.defined() ? reshape(affine, {values}) : affine; };
  return reshape(normalise(op, reshape(x, {x.numel() / values, values}), 1, flat(weight), flat(bias), eps), shape);
}

GroupNorm::GroupNorm(Module& parent, std::string name, std::int64_t num_groups, std::int64_t num_channels,
                     GroupNormOptions options)
    : Layer(parent, std::move(name)), num_groups_(num_groups), num_channels_(num_channels), eps_(options.eps) {
  expect(num_groups >= 1 && num_channels >= 1 && num_channels % num_groups == 0, "group_norm",
         "channels that the groups divide",
         std::to_string(num_groups) + " groups of " + std::to_string(num_channels) + " channels");
  if (!options.affine) return;
  add_parameter("weight", weight, Tensor::full({num_channels}, 1));
  add_parameter("bias", bias, Tensor::zeros({num_channels}));
}

Tensor GroupNorm::forward(const Tensor& x) {
  if (x.rank() < 2 || x.size(-1) != num_channels_) {
    shape_error("group_norm",
                "input must be (N,...," + std::to_string(num_channels_) + "): got " + to_string(x.shape()));
  }
  return group_norm(x, num_groups_, weight, bias, eps_);
}

LayerNorm::LayerNorm(Module& parent, std::string name, const Shape& normalized_shape, LayerNormOptions options)
    : Layer(parent, std::move(name)), normalized_shape_(normalized_shape), eps_(options.eps) {
  expect(!normalized_shape.empty() && *std::min_element(normalized_shape.begin(), normalized_shape.end()) >= 1,
         "layer_norm", "a normalized_shape of sizes from 1 on", normalized_shape);
  if (!options.elementwise_affine) return;
  std::vector<int> channels_first(normalized_shape.size());
  std::iota(channels_first.begin(), channels_first.end(), 0);
  std::rotate(channels_first.begin(), channels_first.end() - 1, channels_first.end());
  add_parameter("weight", weight, Tensor::full(normalized_shape, 1), channels_first);
  if (options.bias) add_parameter("bias", bias, Tensor::zeros(normalized_shape), channels_first);
}

}  // namespace striate
