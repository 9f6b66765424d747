#include "layers/flatten.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/error.h"
#include "core/gradcheck.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

const std::vector<Shape> shapes = {{2, 3, 4, 5}, {1, 2, 2, 1}, {3, 1, 1, 7}, {2, 5, 3}, {4, 6}, {1, 1, 9, 2}};

TEST(Flatten, OrdersFeaturesAsChannelsHeightWidth) {
  const std::int64_t n = 2;
  const std::int64_t h = 3;
  const std::int64_t w = 4;
  const std::int64_t c = 5;
  const Tensor x = random_tensor({n, h, w, c}, 1);
  const Tensor y = flatten(x);
  ASSERT_EQ(y.shape(), (Shape{n, c * h * w}));
  for (std::int64_t in = 0; in < n; ++in) {
    for (std::int64_t ih = 0; ih < h; ++ih) {
      for (std::int64_t iw = 0; iw < w; ++iw) {
        for (std::int64_t ic = 0; ic < c; ++ic) {
          EXPECT_EQ(y.data<double>()[((in * c + ic) * h + ih) * w + iw],
                    x.data<double>()[((in * h + ih) * w + iw) * c + ic]);
        }
      }
    }
  }
}

TEST(Flatten, IsFreeWhereNothingMoves) {
  for (const Shape& shape : {Shape{3, 1, 1, 7}, Shape{2, 3, 4, 1}, Shape{4, 6}}) {
    const Tensor x = random_tensor(shape, 1);
    EXPECT_EQ(flatten(x).raw(), x.raw());
    EXPECT_EQ(flatten(x).shape(), (Shape{shape[0], x.numel() / shape[0]}));
  }
}

TEST(Flatten, Gradcheck) {
  for (const Shape& shape : shapes) {
    const auto result =
        gradcheck([](const auto& in) { return flatten(in[0]); }, {random_tensor(shape, 2).set_requires_grad()});
    EXPECT_TRUE(result) << to_string(shape) << " " << result.message;
  }
}

TEST(Flatten, LowPrecisionIsExact) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    for (const Shape& shape : shapes) {
      expect_like_f64([](const std::vector<Tensor>& in) { return flatten(in[0]); }, {random_tensor(shape, 1, dtype)},
                      {{0, 0}, {0, 0}});
    }
  }
}

TEST(Flatten, ThreadsDoNotMatter) {
  expect_same_bits_with_threads([](const std::vector<Tensor>& in) { return flatten(in[0]); },
                                {random_tensor({9, 7, 5, 33}, 1, DType::f32)});
}

TEST(Flatten, Errors) {
  EXPECT_EQ(message_of<ShapeError>([] { flatten(Tensor::zeros({3})); }),
            "[flatten] input must be (N,H,W,C) or (N,C): got (3)");
}

}  // namespace
}  // namespace striate
