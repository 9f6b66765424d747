#include "layers/activations.h"

#include <limits>
#include <numbers>

#include "core/check.h"
#include "core/deferred.h"
#include "layers/unary.h"

namespace striate {
namespace {

template <class V>
V sigmoid_of(V x) {
  return constant<V>(1) / (constant<V>(1) + exp_of(-x));
}

// 0 up to -3, 1 from 3 on, a line between.
template <class V>
V hardsigmoid_of(V x) {
  const V line = (x + constant<V>(3)) * constant<V>(1.0 / 6);
  return x <= constant<V>(-3) ? V{} : x >= constant<V>(3) ? constant<V>(1) : line;
}

// tanh of this is 2 * P(X <= x) - 1, nearly.
template <class V>
V gelu_argument(V x) {
  return constant<V>(std::numbers::sqrt2 * std::numbers::inv_sqrtpi) * (x + constant<V>(0.044715) * x * x * x);
}

// With the step that computes x, where the two can be one.
Tensor fused_relu(const Tensor& x, double most) {
  const auto step = x.deferred_step();
  return step ? step->then_relu(most) : Tensor();
}

// Of the probability's 2 * P - 1.
Trace::Value gelu_in(Trace& t, Trace::Value x, Trace::Value twice_less_1) {
  return t.add("Mul", {t.add("Mul", {x, t.scalar(0.5)}), t.add("Add", {twice_less_1, t.scalar(1)})});
}

Trace::Value hardsigmoid_in(Trace& t, Trace::Value x) {
  return t.add("HardSigmoid", {x}, {{"alpha", 1.0 / 6}, {"beta", 0.5}});
}

}  // namespace

Tensor relu(const Tensor& x) {
  if (const Tensor y = fused_relu(x, std::numeric_limits<double>::infinity()); y.defined()) return y;
  // A NaN compares false, so it stays, and lets its gradient pass.
  return unary(
      "relu", x, Keeps::output, []<class V>(V v) { return v < V{} ? V{} : v; },
      []<class V>(V dy, V y) { return select(!(y <= V{}), dy); }, one_operator("Relu"));
}

Tensor relu6(const Tensor& x) {
  if (const Tensor y = fused_relu(x, 6); y.defined()) return y;
  return unary(
      "relu6", x, Keeps::output, []<class V>(V v) { return v < V{}              ? V{}
                                                           : v > constant<V>(6) ? constant<V>(6)
                                                                                : v; },
      []<class V>(V dy, V y) { return y <= V{}              ? V{}
                                      : y >= constant<V>(6) ? V{}
                                                            : dy; },
      // OpenCV 4.6 reads no Clip of opset 11 and later.
      [](Trace& t, Trace::Value v) {
        return t.add("Mul", {t.add("HardSigmoid", {v}, {{"alpha", 1.0 / 6}, {"beta", 0.0}}), t.scalar(6)});
      });
}

Tensor sigmoid(const Tensor& x) {
  return unary(
      "sigmoid", x, Keeps::output, [](auto v) { return sigmoid_of(v); },
      []<class V>(V dy, V y) { return dy * y * (constant<V>(1) - y); }, one_operator("Sigmoid"));
}

Tensor tanh(const Tensor& x) {
  return unary(
      "tanh", x, Keeps::output, [](auto v) { return tanh_of(v); },
      []<class V>(V dy, V y) { return dy * (constant<V>(1) - y * y); }, one_operator("Tanh"));
}

Tensor leaky_relu(const Tensor& x, double negative_slope) {
  return unary(
      "leaky_relu", x, Keeps::input,
      [negative_slope]<class V>(V v) { return v > V{} ? v : constant<V>(negative_slope) * v; },
      [negative_slope]<class V>(V dy, V v) { return v > V{} ? dy : constant<V>(negative_slope) * dy; },
      [negative_slope](Trace& t, Trace::Value v) {
        return t.add("LeakyRelu", {v}, {{"alpha", negative_slope}});
      });
}

Tensor silu(const Tensor& x) {
  return unary(
      "silu", x, Keeps::input, [](auto v) { return v * sigmoid_of(v); },
      []<class V>(V dy, V v) {
        const V s = sigmoid_of(v);
        return dy * s * (constant<V>(1) + v * (constant<V>(1) - s));
      },
      [](Trace& t, Trace::Value v) {
        return t.add("Mul", {v, t.add("Sigmoid", {v})});
      });
}

Tensor gelu(const Tensor& x, GeluApproximation approximate) {
  if (approximate == GeluApproximation::tanh) {
    return unary(
        "gelu", x, Keeps::input,
        []<class V>(V v) { return constant<V>(0.5) * v * (constant<V>(1) + tanh_of(gelu_argument(v))); },
        []<class V>(V dy, V v) {
          const V t = tanh_of(gelu_argument(v));
          const V slope = constant<V>(std::numbers::sqrt2 * std::numbers::inv_sqrtpi) *
                          (constant<V>(1) + constant<V>(3 * 0.044715) * v * v);
          return constant<V>(0.5) * dy * (constant<V>(1) + t + v * (constant<V>(1) - t * t) * slope);
        },
        [](Trace& t, Trace::Value v) {
          const auto cube = t.add("Mul", {t.add("Mul", {v, v}), v});
          const auto sum = t.add("Add", {v, t.add("Mul", {cube, t.scalar(0.044715)})});
          const auto argument = t.add("Mul", {sum, t.scalar(std::numbers::sqrt2 * std::numbers::inv_sqrtpi)});
          return gelu_in(t, v, t.add("Tanh", {argument}));
        });
  }
  const auto probability = []<class V>(V v) {
    return constant<V>(0.5) * (constant<V>(1) + erf_of(v * constant<V>(1 / std::numbers::sqrt2)));
  };
  return unary(
      "gelu", x, Keeps::input, [probability](auto v) { return v * probability(v); },
      [probability]<class V>(V dy, V v) {
        const V density =
            constant<V>(std::numbers::inv_sqrtpi / std::numbers::sqrt2) * exp_of(constant<V>(-0.5) * v * v);
        return dy * (probability(v) + v * density);
      },
      [](Trace& t, Trace::Value v) {
        return gelu_in(t, v, t.add("Erf", {t.add("Mul", {v, t.scalar(1 / std::numbers::sqrt2)})}));
      });
}

Tensor elu(const Tensor& x, double alpha) {
  return unary(
      "elu", x, Keeps::input, [alpha]<class V>(V v) { return v > V{} ? v : constant<V>(alpha) * expm1_of(v); },
      [alpha]<class V>(V dy, V v) { return v > V{} ? dy : dy * constant<V>(alpha) * exp_of(v); },
      [alpha](Trace& t, Trace::Value v) {
        return t.add("Elu", {v}, {{"alpha", alpha}});
      });
}

Tensor softplus(const Tensor& x, double beta, double threshold) {
  expect(beta != 0, "softplus", "a beta other than 0", beta);
  return unary(
      "softplus", x, Keeps::input,
      [=]<class V>(V v) {
        const V scaled = constant<V>(beta) * v;
        return scaled > constant<V>(threshold) ? v : log1p_of(exp_of(scaled)) * constant<V>(1 / beta);
      },
      [=]<class V>(V dy, V v) {
        const V scaled = constant<V>(beta) * v;
        return scaled > constant<V>(threshold) ? dy : dy * sigmoid_of(scaled);
      },
      // ONNX has no threshold: from 15 on the two differ by less than f32 tells apart.
      [=](Trace& t, Trace::Value v) {
        if (threshold < 15) return Trace::kNone;
        const auto soft = t.add("Softplus", {beta == 1 ? v : t.add("Mul", {v, t.scalar(beta)})});
        return beta == 1 ? soft : t.add("Mul", {soft, t.scalar(1 / beta)});
      });
}

Tensor hardsigmoid(const Tensor& x) {
  return unary(
      "hardsigmoid", x, Keeps::input, [](auto v) { return hardsigmoid_of(v); },
      []<class V>(V dy, V v) {
        const V line = dy * constant<V>(1.0 / 6);
        return v <= constant<V>(-3) ? V{} : v >= constant<V>(3) ? V{} : line;
      },
      hardsigmoid_in);
}

Tensor hardswish(const Tensor& x) {
  return unary(
      "hardswish", x, Keeps::input, [](auto v) { return v * hardsigmoid_of(v); },
      []<class V>(V dy, V v) {
        const V line = dy * (v * constant<V>(1.0 / 3) + constant<V>(0.5));
        return v <= constant<V>(-3) ? V{} : v >= constant<V>(3) ? dy : line;
      },
      [](Trace& t, Trace::Value v) {
        return t.add("Mul", {v, hardsigmoid_in(t, v)});
      });
}

}  // namespace striate
