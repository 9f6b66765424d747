#include "layers/conv/convolution.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/autograd.h"
#include "core/deferred.h"
#include "core/elementwise.h"
#include "core/profile.h"
#include "core/reduce.h"
#include "core/trace.h"
#include "layers/conv/kernels.h"

namespace striate {
namespace {

void check_dtypes(const char* op, const Tensor& x, const Tensor& w, const Tensor& b) {
  const DType wanted = parameter_dtype(x.dtype());
  expect(is_floating(x.dtype()) && w.dtype() == wanted && (!b.defined() || b.dtype() == wanted), op,
         "f32 parameters for an input in f32, bf16 or f16, f64 for f64",
         "input " + to_string(x.dtype()) + ", weight " + to_string(w.dtype()) +
             (b.defined() ? ", bias " + to_string(b.dtype()) : ""));
}

// The axes of x and w are there, and their channels fit together.
void check_channels(const ConvKind& kind, const Tensor& x, const Tensor& w, const Tensor& b, std::int64_t groups) {
  const auto& [op, layer, transposed, one_d] = kind;
  const std::string shapes = "input " + to_string(x.shape()) + ", weight " + to_string(w.shape());
  const int rank = one_d ? 3 : 4;
  if (x.rank() != rank || w.rank() != rank) {
    shape_error(op, std::string("input must be ") + (one_d ? "(N,L,C)" : "(N,H,W,C)") + " and weight " +
                        (one_d ? "(S," : "(R,S,") + (transposed ? "K/groups,C): " : "C/groups,K): ") + shapes);
  }
  const std::int64_t whole = w.size(-1);
  if (whole == 0 || whole % groups != 0) {
    shape_error(op, std::string(transposed ? "input" : "output") + " channels must be a multiple of groups: " + shapes +
                        " has " + std::to_string(whole) + ", groups " + std::to_string(groups));
  }
  const std::int64_t c = x.size(-1);
  const std::int64_t of_groups = w.size(-2) * groups;
  const std::int64_t wanted = transposed ? whole : of_groups;
  if (c != wanted) {
    shape_error(op, std::string("input channels must equal weight channels") + (transposed ? "" : " * groups") +
                        ": input " + to_string(x.shape()) + " has " + std::to_string(c) + ", weight " +
                        to_string(w.shape()) + (transposed ? "" : " * " + std::to_string(groups)) + " needs " +
                        std::to_string(wanted));
  }
  const std::int64_t k = transposed ? of_groups : whole;
  if (k == 0) shape_error(op, "at least one output channel is needed: " + shapes);
  if (b.defined() && b.shape() != Shape{k}) {
    shape_error(op, "bias must be (" + std::to_string(k) + "): " + shapes + ", bias " + to_string(b.shape()));
  }
}

// The sizes of the convolution, or of the one whose transpose this is.
ConvGeometry check(const ConvKind& kind, const Tensor& x, const Tensor& w, const Tensor& b, const Conv2dOptions& o,
                   const Extent2d& output_padding) {
  const auto& [op, layer, transposed, one_d] = kind;
  check_conv_options(op, o, output_padding);
  check_dtypes(op, x, w, b);
  check_channels(kind, x, w, b, o.groups);
  const Shape image = with_height(x.shape());
  Shape filter = w.shape();
  if (one_d) filter.insert(filter.begin(), 1);
  const Extent2d kernel(filter[0], filter[1]);
  expect_at_least(op, "a weight", kernel, 1);
  const Extent2d padding = o.padding.before(kernel, o.dilation);
  ConvGeometry g{image[0], 0,        0,       filter[2] * o.groups, filter[0], filter[1], filter[3], 0,
                 0,        o.stride, padding, o.dilation,           o.groups};
  const std::string shapes = "input " + to_string(x.shape()) + ", weight " + to_string(w.shape()) + ", padding " +
                             to_string(padding) + ", dilation " + to_string(o.dilation);
  if (transposed) {
    g.p = image[1];
    g.q = image[2];
    g.h = transposed_output_size(g.rows(), g.p, output_padding.height);
    g.w = transposed_output_size(g.columns(), g.q, output_padding.width);
    if (g.h < 1 || g.w < 1) {
      shape_error(op,
                  "(input - 1)*stride - 2*padding + dilation*(kernel - 1) + output_padding + 1 must be at least 1, "
                  "and input too: " +
                      shapes + ", stride " + to_string(o.stride) + ", output_padding " + to_string(output_padding));
    }
    return g;
  }
  g.h = image[1];
  g.w = image[2];
  g.p = o.padding.is_same ? g.h : output_size(g.rows());
  g.q = o.padding.is_same ? g.w : output_size(g.columns());
  if (g.p < 1 || g.q < 1) shape_error(op, "the dilated kernel must fit into the padded input: " + shapes);
  return g;
}

// x with its borders, and the geometry that needs none any more.
Tensor padded(const Tensor& x, const Conv2dOptions& options, ConvGeometry& g) {
  const auto behind = [&](const WindowAxis& axis) {
    return options.padding.is_same ? axis.dilation * (axis.kernel - 1) - axis.padding : axis.padding;
  };
  const Borders borders{g.padding.height, behind(g.rows()), g.padding.width, behind(g.columns())};
  g.h += borders.top + borders.bottom;
  g.w += borders.left + borders.right;
  g.padding = 0;
  return pad(x, borders, options.padding_mode);
}

// What an op reads: kernels give the geometry a meaning by the kind.
struct Call {
  ConvKind kind;
  ConvGeometry g;
  Tensor x, w, b;
};

// Writes y; with the factors of a norm after that norm, and a ReLU up to `most` where asked for. `part` is for the
// profile.
void run(const Call& call, const Tensor& factors, std::optional<double> most, void* y, const char* part = "forward") {
  const ConvGeometry& g = call.g;
  if (g.n == 0) return;
  dispatch_floating(call.kind.op, call.x.dtype(), [&]<class T>(T) {
    using W = ConvParameter<T>;
    ConvEpilogue<W> epilogue;
    if (call.b.defined()) epilogue.bias = call.b.data<W>();
    if (factors.defined()) {
      const std::int64_t channels = call.kind.transposed ? g.c : g.k;
      epilogue.mean = factors.data<W>();
      epilogue.scale = epilogue.mean + channels;
      epilogue.shift = epilogue.scale + channels;
      if (most) {
        epilogue.least = 0;
        epilogue.most = static_cast<W>(*most);
      }
    }
    const auto compute = call.kind.transposed ? Convolution<T>::backward_data : Convolution<T>::forward;
    compute(g, call.x.data<T>(), call.w.data<W>(), epilogue, static_cast<T*>(y), part);
  });
}

Tensor weight_gradient(const ConvKind& kind, const ConvGeometry& g, const Tensor& x, const Tensor& dy, Tensor dw) {
  return dispatch_floating(kind.op, dy.dtype(), [&]<class T>(T) {
    auto* to = dw.mutable_data<ConvParameter<T>>();
    const Tensor& input = kind.transposed ? dy : x;
    const Tensor& output = kind.transposed ? x : dy;
    if (g.n == 0) std::fill_n(to, dw.numel(), 0);
    if (g.n > 0) Convolution<T>::backward_weights(g, input.data<T>(), output.data<T>(), to);
    return dw;
  });
}

// In ONNX, whose weights lie as in files.
Trace::Value convolution_in(Trace& t, const Call& call, const Conv2dOptions& options, const Extent2d& output_padding) {
  const auto& [kind, g, x, w, b] = call;
  const bool one_d = kind.one_d;
  const auto sides = [&](const Extent2d& e) { return one_d ? std::vector{e.width} : std::vector{e.height, e.width}; };
  const auto behind = [&](const WindowAxis& axis) {
    return options.padding.is_same ? axis.dilation * (axis.kernel - 1) - axis.padding : axis.padding;
  };
  auto pads = sides(g.padding);
  const bool padded = options.padding_mode != PaddingMode::zeros;  // by an op of its own
  const auto after = sides(padded ? Extent2d(0) : Extent2d(behind(g.rows()), behind(g.columns())));
  pads.insert(pads.end(), after.begin(), after.end());
  std::vector<std::pair<std::string, TracedAttribute>> attributes = {{"kernel_shape", sides({g.r, g.s})},
                                                                     {"strides", sides(g.stride)},
                                                                     {"dilations", sides(g.dilation)},
                                                                     {"pads", pads},
                                                                     {"group", g.groups}};
  if (kind.transposed) attributes.emplace_back("output_padding", sides(output_padding));
  const std::vector<int> file_axes = one_d ? std::vector{2, 1, 0} : std::vector{3, 2, 0, 1};
  return t.add(kind.transposed ? "ConvTranspose" : "Conv", {t.value(x), t.permuted(w, file_axes), t.value(b)},
               attributes);
}

// A convolution outside the graph, which does a norm and a ReLU after it as it stores its sums.
class DeferredConv : public Deferred {
 public:
  DeferredConv(const Call& call, Shape shape, Tensor factors = {})
      : Deferred({call.x, call.w, call.b}), call_(call), shape_(std::move(shape)), factors_(std::move(factors)) {}
  void compute(void* to) const override { run(call_, factors_, {}, to); }
  Tensor then_norm(const std::function<Tensor()>& factors) override {
    if (factors_.defined()) return {};
    const ProfileSpan span(place(), "forward");
    take();
    return Tensor::deferred(shape_, call_.x.dtype(), std::make_shared<DeferredConv>(call_, shape_, factors()));
  }
  Tensor then_relu(double most) override {
    if (!factors_.defined()) return {};
    const ProfileSpan span(place(), "forward");
    take();
    Tensor y = Tensor::empty(shape_, call_.x.dtype());
    run(call_, factors_, most, y.mutable_raw());
    return y;
  }

 private:
  Call call_;
  Shape shape_;
  Tensor factors_;
};

}  // namespace

Tensor convolution(const ConvKind& kind, const Tensor& x, const Tensor& w, const Tensor& b,
                   const Conv2dOptions& options, const Extent2d& output_padding) {
  ConvGeometry g = check(kind, x, w, b, options, output_padding);
  const Tensor in = options.padding_mode == PaddingMode::zeros ? x : padded(x, options, g);
  Shape shape = kind.transposed ? Shape{g.n, g.h, g.w, g.c} : Shape{g.n, g.p, g.q, g.k};
  if (kind.one_d) shape.erase(shape.begin() + 1);
  const Call call{kind, g, in, w, b};
  if (DeferScope::defers() && !recording({in, w, b})) {
    return Tensor::deferred(shape, in.dtype(), std::make_shared<DeferredConv>(call, shape));
  }
  Tensor y = Tensor::empty(shape, in.dtype());
  run(call, {}, {}, y.mutable_raw());
  record(
      kind.op, y, {in, w, b},
      [kind, g, x = Saved(in), w = Saved(w), x_shape = in.shape(), w_shape = w.shape(),
       parameters = w.dtype()](Backward& bw) {
        const Tensor& dy = bw.dy();
        // First, so that a recomputed x is freed before dx is allocated.
        if (bw.wants(1)) bw.add(1, weight_gradient(kind, g, x.get(), dy, Tensor::empty(w_shape, parameters)));
        if (bw.wants(0)) {
          // What the transposed kind makes of dy.
          Tensor dx = Tensor::empty(x_shape, dy.dtype());
          run({{kind.op, kind.layer, !kind.transposed}, g, dy, w.get(), {}}, {}, {}, dx.mutable_raw(), "backward-data");
          bw.add(0, dx);
        }
        if (bw.wants(2)) {
          const Tensor db = sum_to(dy.dtype() == parameters ? dy : cast(dy, parameters), {dy.size(-1)});
          bw.add(2, dy.dtype() == DType::f16 ? cast(cast(db, DType::f16), parameters) : db);
        }
      });
  traced(y, [&](Trace& t) { return convolution_in(t, call, options, output_padding); });
  return y;
}

}  // namespace striate
