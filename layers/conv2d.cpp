#include "layers/conv2d.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "core/autograd.h"
#include "core/deferred.h"
#include "core/elementwise.h"
#include "core/profile.h"
#include "core/reduce.h"
#include "layers/conv/kernels.h"
#include "layers/init.h"

namespace striate {
namespace {

constexpr const char* kOp = "conv2d";

void check_options(const Conv2dOptions& options) {
  expect_at_least(kOp, "kernel_size", options.kernel_size, 1);
  expect_at_least(kOp, "stride", options.stride, 1);
  expect_at_least(kOp, "padding", options.padding, 0);
  expect_at_least(kOp, "dilation", options.dilation, 1);
  expect(options.groups >= 1, kOp, "groups of at least 1", options.groups);
}

void check_dtypes(const Tensor& x, const Tensor& w, const Tensor& b) {
  const DType wanted = parameter_dtype(x.dtype());
  expect(is_floating(x.dtype()) && w.dtype() == wanted && (!b.defined() || b.dtype() == wanted), kOp,
         "f32 parameters for an input in f32, bf16 or f16, f64 for f64",
         "input " + to_string(x.dtype()) + ", weight " + to_string(w.dtype()) +
             (b.defined() ? ", bias " + to_string(b.dtype()) : ""));
}

ConvGeometry check_conv2d(const Tensor& x, const Tensor& w, const Tensor& b, const Conv2dOptions& options) {
  check_options(options);
  check_dtypes(x, w, b);
  const std::string shapes = "input " + to_string(x.shape()) + ", weight " + to_string(w.shape());
  if (x.rank() != 4 || w.rank() != 4) {
    shape_error(kOp, "input must be (N,H,W,C) and weight (R,S,C/groups,K): " + shapes);
  }
  const std::int64_t c = x.size(3);
  const std::int64_t k = w.size(3);
  expect_at_least(kOp, "a weight", {w.size(0), w.size(1)}, 1);
  if (k == 0 || k % options.groups != 0) {
    shape_error(kOp, "output channels must be a multiple of groups: " + shapes + " has " + std::to_string(k) +
                         ", groups " + std::to_string(options.groups));
  }
  if (c != w.size(2) * options.groups) {
    shape_error(kOp, "input channels must equal weight channels * groups: input " + to_string(x.shape()) + " has " +
                         std::to_string(c) + ", weight " + to_string(w.shape()) + " * " +
                         std::to_string(options.groups) + " needs " + std::to_string(w.size(2) * options.groups));
  }
  if (b.defined() && b.shape() != Shape{k}) {
    shape_error(kOp, "bias must be (" + std::to_string(k) + "): " + shapes + ", bias " + to_string(b.shape()));
  }
  const auto& [kernel, stride, padding, dilation, groups, bias] = options;
  ConvGeometry g{x.size(0), x.size(1), x.size(2), c, w.size(0), w.size(1), k, 0, 0, stride, padding, dilation, groups};
  g.p = output_size(g.rows());
  g.q = output_size(g.columns());
  if (g.p < 1 || g.q < 1) {
    shape_error(kOp, "the dilated kernel must fit into the padded input: " + shapes + ", padding " +
                         to_string(options.padding) + ", dilation " + to_string(options.dilation));
  }
  return g;
}

// Writes y; with the factors of a norm after that norm, and ReLU where asked for.
void forward(const ConvGeometry& g, const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& factors, bool relu,
             void* y) {
  if (g.n == 0) return;
  dispatch_floating(kOp, x.dtype(), [&]<class T>(T) {
    using W = ConvParameter<T>;
    ConvEpilogue<W> epilogue;
    if (b.defined()) epilogue.bias = b.data<W>();
    if (factors.defined()) {
      epilogue.mean = factors.data<W>();
      epilogue.scale = epilogue.mean + g.k;
      epilogue.shift = epilogue.scale + g.k;
      epilogue.relu = relu;
    }
    Convolution<T>::forward(g, x.data<T>(), w.data<W>(), epilogue, static_cast<T*>(y));
  });
}

// A convolution outside the graph, which does a norm and a ReLU after it as it stores its sums.
class DeferredConv : public Deferred {
 public:
  DeferredConv(const ConvGeometry& g, const Tensor& x, const Tensor& w, const Tensor& b, Tensor factors = {})
      : Deferred({x, w, b}), g_(g), x_(x), w_(w), b_(b), factors_(std::move(factors)) {}
  void compute(void* to) const override { forward(g_, x_, w_, b_, factors_, false, to); }
  Tensor then_norm(const std::function<Tensor()>& factors) override {
    if (factors_.defined()) return {};
    const ProfileSpan span(place(), "forward");
    take();
    return Tensor::deferred(shape(), x_.dtype(), std::make_shared<DeferredConv>(g_, x_, w_, b_, factors()));
  }
  Tensor then_relu() override {
    if (!factors_.defined()) return {};
    const ProfileSpan span(place(), "forward");
    take();
    Tensor y = Tensor::empty(shape(), x_.dtype());
    forward(g_, x_, w_, b_, factors_, true, y.mutable_raw());
    return y;
  }
  [[nodiscard]] Shape shape() const { return {g_.n, g_.p, g_.q, g_.k}; }

 private:
  ConvGeometry g_;
  Tensor x_, w_, b_, factors_;
};

Tensor backward_data(const ConvGeometry& g, const Tensor& dy, const Tensor& w) {
  return dispatch_floating(kOp, dy.dtype(), [&]<class T>(T) {
    Tensor dx = Tensor::empty({g.n, g.h, g.w, g.c}, dy.dtype());
    if (g.n > 0) Convolution<T>::backward_data(g, dy.data<T>(), w.data<ConvParameter<T>>(), dx.mutable_data<T>());
    return dx;
  });
}

Tensor backward_weights(const ConvGeometry& g, const Tensor& x, const Tensor& dy, DType dtype) {
  return dispatch_floating(kOp, dy.dtype(), [&]<class T>(T) {
    if (g.n == 0) return Tensor::zeros({g.r, g.s, g.group_inputs(), g.k}, dtype);
    Tensor dw = Tensor::empty({g.r, g.s, g.group_inputs(), g.k}, dtype);
    Convolution<T>::backward_weights(g, x.data<T>(), dy.data<T>(), dw.mutable_data<ConvParameter<T>>());
    return dw;
  });
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& b, const Conv2dOptions& options) {
  const ConvGeometry g = check_conv2d(x, w, b, options);
  if (DeferScope::defers() && !recording({x, w, b})) {
    const auto step = std::make_shared<DeferredConv>(g, x, w, b);
    return Tensor::deferred(step->shape(), x.dtype(), step);
  }
  Tensor y = Tensor::empty({g.n, g.p, g.q, g.k}, x.dtype());
  forward(g, x, w, b, {}, false, y.mutable_raw());
  record(kOp, y, {x, w, b}, [g, x = Saved(x), w = Saved(w), parameters = w.dtype()](Backward& bw) {
    const Tensor& dy = bw.dy();
    // First, so that a recomputed x is freed before dx is allocated.
    if (bw.wants(1)) bw.add(1, backward_weights(g, x.get(), dy, parameters));
    if (bw.wants(0)) bw.add(0, backward_data(g, dy, w.get()));
    if (bw.wants(2)) {
      const Tensor db =
          sum(dy.dtype() == parameters ? dy : cast(dy, parameters), {Axis::batch, Axis::height, Axis::width});
      bw.add(2, dy.dtype() == DType::f16 ? cast(cast(db, DType::f16), parameters) : db);
    }
  });
  return y;
}

Conv2d::Conv2d(Module& parent, std::string name, std::int64_t in_channels, std::int64_t out_channels,
               const Conv2dOptions& options)
    : Layer(parent, std::move(name)), options_(options) {
  check_options(options);
  for (const std::int64_t channels : {in_channels, out_channels}) {
    expect(channels >= 1 && channels % options.groups == 0, kOp,
           "in_channels and out_channels that are positive multiples of groups " + std::to_string(options.groups),
           std::to_string(in_channels) + " and " + std::to_string(out_channels));
  }
  add_parameter("weight", weight,
                Tensor::empty({options.kernel_size.height, options.kernel_size.width, in_channels / options.groups,
                               out_channels}),
                {3, 2, 0, 1});
  if (options.bias) add_parameter("bias", bias, Tensor::empty({out_channels}));
  default_init_(weight, bias);
}

LayerGeometry Conv2d::geometry(const Shape& input, const Shape& output) const {
  const auto per_output = static_cast<double>(weight.size(0) * weight.size(1) * weight.size(2));
  const auto of_an_image = [](const Shape& shape) { return numel(shape) / std::max<std::int64_t>(1, shape.at(0)); };
  const auto inputs = static_cast<double>(of_an_image(input));
  const auto outputs = static_cast<double>(of_an_image(output));
  LayerGeometry result = window_geometry(options_.kernel_size, options_.stride, options_.dilation);
  result.multiply_adds = outputs * per_output;
  result.dense_parameters = outputs * (inputs + 1);
  return result;
}

}  // namespace striate
