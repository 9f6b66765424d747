#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "core/gradcheck.h"
#include "layers/activations.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

TEST(ReLU, KeepsWhatIsPositive) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<double> values = {-2, -0.0, 0, 1e-300, 3, inf, -inf, nan};
  Tensor x = Tensor::from({2, 4}, values).set_requires_grad();
  const Tensor y = relu(x);
  expect_close(y, Tensor::from({2, 4}, std::vector<double>{0, 0, 0, 1e-300, 3, inf, 0, nan}), 0, 0);
  y.backward(Tensor::full({2, 4}, 5, DType::f64));
  expect_close(x.grad(), Tensor::from({2, 4}, std::vector<double>{0, 0, 0, 5, 5, 5, 0, 5}), 0, 0);
}

TEST(ReLU, Gradcheck) {
  for (const Shape& shape : {Shape{}, Shape{7}, Shape{3, 5}, Shape{2, 3, 4, 5}}) {
    const auto result =
        gradcheck([](const auto& in) { return relu(in[0]); }, {random_tensor(shape, 2).set_requires_grad()});
    EXPECT_TRUE(result) << result.message;
  }
}

TEST(ReLU, LowPrecisionIsExact) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    for (const std::int64_t count : {0, 1, 15, 33, 40001}) {
      expect_like_f64([](const std::vector<Tensor>& in) { return relu(in[0]); }, {random_tensor({count}, 1, dtype)},
                      {{0, 0}, {0, 0}});
    }
  }
}

TEST(ReLU, ThreadsDoNotMatter) {
  expect_same_bits_with_threads([](const std::vector<Tensor>& in) { return relu(in[0]); },
                                {random_tensor({100003}, 1, DType::f32)});
}

TEST(ReLU, Errors) { EXPECT_THROW(relu(Tensor::zeros({2}, DType::i64)), std::invalid_argument); }

TEST(ReLU, Layer) {
  Module root;
  ReLU layer(root, "relu");
  EXPECT_EQ(layer.kind(), "ReLU");
  EXPECT_TRUE(layer.geometry({1, 2}, {1, 2}).merges_into_previous);
  EXPECT_EQ(layer(Tensor::from({2}, std::vector<float>{-1, 1})).to_vector(), (std::vector<double>{0, 1}));
}

}  // namespace
}  // namespace striate
