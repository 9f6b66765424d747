#pragma once
// One convolution or transposed convolution of a test, and what the tests of both ask alike.

#include <gtest/gtest.h>

#include <string>
#include <type_traits>
#include <vector>

#include "core/gradcheck.h"
#include "layers/conv_transpose2d.h"
#include "tests/support/op_checks.h"

namespace striate::testing_support {

template <class Options>
struct ConvCase {
  std::int64_t n, h, w, in_per_group, out_per_group;
  Options options;

  static constexpr bool transposed = std::is_same_v<Options, ConvTranspose2dOptions>;

  [[nodiscard]] Shape x() const { return {n, h, w, in_per_group * options.groups}; }
  [[nodiscard]] Shape bias() const { return {out_per_group * options.groups}; }
  [[nodiscard]] Shape weight() const {
    const auto [height, width] = options.kernel_size;
    return transposed ? Shape{height, width, out_per_group, x()[3]} : Shape{height, width, in_per_group, bias()[0]};
  }
  [[nodiscard]] std::vector<Tensor> inputs(DType dtype) const {
    const DType parameters = parameter_dtype(dtype);
    std::vector<Tensor> inputs;  // filled one by one: of an initializer list, gcc 12 warns of its own lines
    inputs.push_back(random_tensor(x(), 1, dtype));
    inputs.push_back(random_tensor(weight(), 2, parameters));
    if (options.bias) inputs.push_back(random_tensor(bias(), 3, parameters));
    return inputs;
  }
  /// The op on such inputs.
  Tensor operator()(const std::vector<Tensor>& in) const {
    const Tensor b = options.bias ? in[2] : Tensor();
    if constexpr (transposed) {
      return conv_transpose2d(in[0], in[1], b, options);
    } else {
      return conv2d(in[0], in[1], b, options);
    }
  }
  [[nodiscard]] std::string describe() const {
    std::string padding;
    if constexpr (transposed) {
      padding = to_string(options.padding) + " output_padding " + to_string(options.output_padding);
    } else {
      padding = to_string(options.padding.sides);
    }
    return "input " + to_string(x()) + " weight " + to_string(weight()) + " stride " + to_string(options.stride) +
           " padding " + padding + " dilation " + to_string(options.dilation) + " groups " +
           std::to_string(options.groups) + (options.bias ? " bias" : "");
  }
};

template <class Case>
void expect_gradients(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.describe());
    std::vector<Tensor> inputs = c.inputs(DType::f64);
    for (Tensor& input : inputs) input.set_requires_grad();
    const auto result = gradcheck(c, inputs);
    EXPECT_TRUE(result) << result.message;
  }
}

template <class Case>
void expect_threads_do_not_matter(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.describe());
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
      expect_same_bits_with_threads(Op(c), c.inputs(dtype));
    }
  }
}

}  // namespace striate::testing_support
