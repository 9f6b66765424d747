#include "layers/linear.h"

#include <string>
#include <utility>

#include "core/autograd.h"
#include "core/check.h"
#include "core/elementwise.h"
#include "core/matmul.h"
#include "core/trace.h"
#include "layers/conv2d.h"
#include "layers/init.h"

namespace striate {
namespace {

void check_linear(const Tensor& x, const Tensor& w, const Tensor& b) {
  const auto shapes = [&] {
    return "input " + to_string(x.shape()) + ", weight " + to_string(w.shape()) +
           (b.defined() ? ", bias " + to_string(b.shape()) : "");
  };
  if (x.rank() != 2 || w.rank() != 2) shape_error("linear", "input must be (N,C) and weight (C,K): " + shapes());
  if (x.size(1) != w.size(0)) shape_error("linear", "input channels must equal the weight's rows: " + shapes());
  if (b.defined() && b.shape() != Shape{w.size(1)}) {
    shape_error("linear", "bias must hold one value per column of the weight: " + shapes());
  }
  const DType parameters = parameter_dtype(x.dtype());
  expect(w.dtype() == parameters && (!b.defined() || b.dtype() == parameters), "linear",
         to_string(parameters) + " parameters for an input in " + to_string(x.dtype()),
         "weight " + to_string(w.dtype()) + (b.defined() ? ", bias " + to_string(b.dtype()) : ""));
}

/// Values as an activation of this dtype holds them.
Tensor stored(const Tensor& tensor, DType dtype) {
  if (tensor.dtype() == dtype) return tensor;
  Tensor result = Tensor::empty(tensor.shape(), dtype);
  result.copy_from(tensor);
  return result;
}

/// Values as the products take them: rounded to the activations' dtype, in that of the parameters.
Tensor operand(const Tensor& tensor, DType activations) {
  return stored(stored(tensor, activations), parameter_dtype(activations));
}

/// The gradient of a parameter: beside f16 activations rounded to f16.
Tensor parameter_gradient(const Tensor& gradient, DType activations) {
  return activations == DType::f16 ? operand(gradient, activations) : gradient;
}

template <class T>
Tensor sum_rows(const Tensor& dy) {
  const std::int64_t k = dy.size(1);
  Tensor total = Tensor::zeros({k}, DTypeOf<T>::value);
  T* out = total.mutable_data<T>();
  const T* in = dy.data<T>();
  for (std::int64_t i = 0; i < dy.size(0); ++i) {
    for (std::int64_t j = 0; j < k; ++j) out[j] += in[i * k + j];
  }
  return total;
}

/// Whether y is rather had from the convolution of images of one pixel. Its kernels multiply bf16 itself, and round a
/// weight as they read it, once, which is most of the time where no cache holds the weight.
bool as_convolution(const Tensor& x, const Tensor& w, const Tensor& b) {
  return x.dtype() == DType::bf16 && w.numel() >= 1 << 20 && !recording({x, w, b});
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& b) {
  check_linear(x, w, b);
  if (as_convolution(x, w, b)) {
    const Tensor pixels = x.viewed_as({x.size(0), 1, 1, x.size(1)});
    return conv2d(pixels, w.viewed_as({1, 1, w.size(0), w.size(1)}), b, {}).viewed_as({x.size(0), w.size(1)});
  }
  return dispatch_floating("linear", x.dtype(), [&]<class X>(X) {
    using T = compute_t<X>;
    const DType dtype = x.dtype();
    Tensor y = matrix_product(Transpose::no, operand(x, dtype), Transpose::no, operand(w, dtype));
    y = stored(b.defined() ? y + b.detach() : y, dtype);
    record("linear", y, {x, w, b}, [x = Saved(x), w = Saved(w), dtype](Backward& bw) {
      const Tensor dy = operand(bw.dy(), dtype);
      if (bw.wants(0)) {
        bw.add(0, stored(matrix_product(Transpose::no, dy, Transpose::yes, operand(w.get(), dtype)), dtype));
      }
      if (bw.wants(1)) {
        const Tensor dw = matrix_product(Transpose::yes, operand(x.get(), dtype), Transpose::no, dy);
        bw.add(1, parameter_gradient(dw, dtype));
      }
      if (bw.wants(2)) bw.add(2, parameter_gradient(sum_rows<T>(dy), dtype));
    });
    traced(y, [&](Trace& t) {
      return t.add("Gemm", {t.value(x), t.permuted(w, {1, 0}), t.value(b)}, {{"transB", 1}});
    });
    return y;
  });
}

Linear::Linear(Module& parent, std::string name, std::int64_t in, std::int64_t out, LinearOptions options)
    : Layer(parent, std::move(name)) {
  expect(in >= 1 && out >= 1, "linear", "at least 1 feature in and out",
         std::to_string(in) + " in and " + std::to_string(out) + " out");
  const Tensor first_weight = Tensor::empty({in, out});
  const Tensor first_bias = options.bias ? Tensor::empty({out}) : Tensor();
  default_init_(first_weight, first_bias);
  add_parameter("weight", weight, first_weight, {1, 0});
  if (options.bias) add_parameter("bias", bias, first_bias);
}

LayerGeometry Linear::geometry(const Shape& /*input*/, const Shape& /*output*/) const {
  const auto in = static_cast<double>(weight.size(0));
  const auto out = static_cast<double>(weight.size(1));
  return {.multiply_adds = in * out, .dense_parameters = in * out + out};
}

}  // namespace striate
