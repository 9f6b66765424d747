#include "layers/group_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/gradcheck.h"
#include "core/reshape.h"
#include "core/state.h"
#include "tests/support/op_checks.h"
#include "tests/support/pairwise.h"

namespace striate {
namespace {

using namespace testing_support;

struct Case {
  Shape shape;
  std::int64_t groups;
  bool weight;
  bool bias;
  double eps;
  double offset;
};

std::string describe(const Case& c) {
  return to_string(c.shape) + " groups " + std::to_string(c.groups) + (c.weight ? " weight" : "") +
         (c.bias ? " bias" : "") + " eps " + std::to_string(c.eps) + " offset " + std::to_string(c.offset);
}

std::vector<Case> all_cases() {
  const std::vector<Shape> shapes = {{3, 6}, {2, 3, 5, 6}, {1, 5, 12}, {2, 7, 1, 30}, {5, 1, 1, 6}, {2, 1, 2, 2, 6}};
  const std::vector<std::int64_t> groups = {1, 2, 3, 6};
  std::vector<Case> cases;
  for (const auto& row : pairwise({6, 4, 2, 2, 2, 2})) {
    cases.push_back({shapes[static_cast<std::size_t>(row[0])], groups[static_cast<std::size_t>(row[1])], row[2] == 0,
                     row[3] == 0, row[4] == 0 ? 1e-5 : 0.1, row[5] == 0 ? 0.0 : 10.0});
  }
  return cases;
}

std::vector<Tensor> inputs_of(const Case& c, DType dtype = DType::f64) {
  const Shape channels = {c.shape.back()};
  const DType affine = parameter_dtype(dtype);
  std::vector<Tensor> inputs = {random_tensor(c.shape, 1, dtype, c.offset - 1, c.offset + 1)};
  if (c.weight) inputs.push_back(random_tensor(channels, 2, affine, 0.5, 1.5));
  if (c.bias) inputs.push_back(random_tensor(channels, 3, affine));
  return inputs;
}

Op op_of(const Case& c) {
  return [=](const std::vector<Tensor>& in) {
    const Tensor weight = c.weight ? in[1] : Tensor(), bias = c.bias ? in.back() : Tensor();
    return group_norm(in[0], c.groups, weight, bias, c.eps);
  };
}

// As the formula reads: every group of every image by itself.
std::vector<double> naive(const Case& c, const std::vector<Tensor>& inputs) {
  std::vector<double> x = inputs[0].to_vector(), y(x.size());
  const std::int64_t channels = c.shape.back(), image = inputs[0].numel() / c.shape[0], width = channels / c.groups;
  const auto each_of_group = [&](std::int64_t n, std::int64_t g, const auto& f) {
    for (std::int64_t i = n * image; i < (n + 1) * image; ++i)
      if (i % channels / width == g) f(static_cast<std::size_t>(i), i % channels);
  };
  for (std::int64_t n = 0; n < c.shape[0]; ++n)
    for (std::int64_t g = 0; g < c.groups; ++g) {
      double count = 0, mean = 0, var = 0;
      each_of_group(n, g, [&](std::size_t i, std::int64_t) { count += 1, mean += x[i]; });
      mean /= count;
      each_of_group(n, g, [&](std::size_t i, std::int64_t) { var += (x[i] - mean) * (x[i] - mean) / count; });
      each_of_group(n, g, [&](std::size_t i, std::int64_t channel) {
        y[i] = (x[i] - mean) / std::sqrt(var + c.eps);
        if (c.weight) y[i] *= inputs[1].data<double>()[channel];
        if (c.bias) y[i] += inputs.back().data<double>()[channel];
      });
    }
  return y;
}

TEST(GroupNorm, EqualsItsFormula) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(describe(c));
    const std::vector<Tensor> inputs = inputs_of(c);
    expect_close(op_of(c)(inputs), Tensor::from(c.shape, naive(c, inputs)), 1e-11, 1e-12);
  }
}

TEST(GroupNorm, Gradcheck) {
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(describe(c));
    // A group of one value is flat; of a small variance, steep: what differences see of either is noise.
    if (c.shape.size() == 2 && c.groups == 6) continue;
    std::vector<Tensor> inputs = inputs_of({c.shape, c.groups, c.weight, c.bias, c.eps, 0});
    for (Tensor& input : inputs) input.set_requires_grad();
    const auto result = gradcheck(op_of(c), inputs);
    EXPECT_TRUE(result) << result.message;
  }
}

// Statistics are sums in f64; values pass a few roundings in f32 and one in their own type. Gradients are differences
// of what may be a few times as large.
TEST(GroupNorm, LowerPrecisionsStayWithinRounding) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    for (const Shape& shape : {Shape{2, 9, 11, 64}, Shape{1, 71, 60, 40}, Shape{40, 48}, Shape{2, 3, 3, 6}}) {
      for (const std::int64_t groups : {1, 2}) {
        const Case c{shape, groups, true, true, 1e-5, 0};
        SCOPED_TRACE(describe(c) + " " + to_string(dtype));
        const double stored = rounding(dtype).rtol, slack = 64 * rounding(DType::f32).rtol;
        const std::int64_t rows = numel(shape) / shape.back();
        const auto terms = static_cast<double>(rows);
        expect_like_f64(op_of(c), inputs_of(c, dtype),
                        {{slack, stored + slack}, {8 * slack, stored + slack}, {terms * slack, 0}, {terms * slack, 0}});
      }
    }
  }
}

TEST(GroupNorm, ThreadsDoNotMatter) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    for (const std::int64_t groups : {1, 4}) {
      const Case images{{9, 31, 17, 40}, groups, true, true, 1e-5, 0}, rows{{5003, 36}, groups, true, true, 1e-5, 0};
      expect_same_bits_with_threads(op_of(images), inputs_of(images, dtype));
      expect_same_bits_with_threads(op_of(rows), inputs_of(rows, dtype));
      // As few images as threads, or fewer: their positions are split.
      for (const std::int64_t images_of_many_rows : {1, 2, 3}) {
        const Case large{{images_of_many_rows, 61, 70, 40}, groups, true, true, 1e-5, 0};
        expect_same_bits_with_threads(op_of(large), inputs_of(large, dtype));
      }
    }
  }
}

// The mean is large against the deviation: sums of squares would leave nothing of it.
TEST(GroupNorm, LargeMeans) {
  const Tensor x = random_tensor({2, 40, 40, 8}, 5, DType::f32, 999, 1001);
  expect_close(group_norm(x, 4), group_norm(converted(x, DType::f64), 4), 2e-3, 0);
}

TEST(GroupNorm, NothingAndOneValue) {
  const Tensor w = random_tensor({6}, 1).set_requires_grad(), b = random_tensor({6}, 2).set_requires_grad();
  const Tensor none = Tensor::zeros({0, 3, 3, 6}, DType::f64).set_requires_grad();
  const Tensor y = group_norm(none, 2, w, b);
  EXPECT_EQ(y.shape(), none.shape());
  y.backward(Tensor::zeros(y.shape(), DType::f64));
  EXPECT_EQ(w.grad().to_vector(), std::vector<double>(6));
  EXPECT_EQ(group_norm(random_tensor({1, 6}, 3), 6, w, b).to_vector(), b.to_vector());
}

TEST(GroupNorm, Errors) {
  const Tensor x = Tensor::zeros({2, 3, 4, 6});
  EXPECT_EQ(message_of<ShapeError>([&] { group_norm(x, 4); }),
            "[group_norm] input must be (N,...,C) with a C that the 4 groups divide: got (2,3,4,6)");
  EXPECT_EQ(message_of<ShapeError>([&] { group_norm(x, 2, Tensor::zeros({5})); }),
            "[group_norm] weight must be (6) for input (2,3,4,6): got (5)");
  EXPECT_EQ(message_of<ShapeError>([&] {
              layer_norm(x, {4, 5});
            }),
            "[layer_norm] the input's last axes must be normalized_shape (4,5): got (2,3,4,6)");
  EXPECT_THROW(layer_norm(x, {}), ShapeError);
  EXPECT_THROW(layer_norm(x, {1, 2, 3, 4, 6}), ShapeError);
  EXPECT_THROW(layer_norm(x, {6}, {}, Tensor::zeros({1, 6})), ShapeError);
  EXPECT_THROW(group_norm(Tensor::zeros({6}), 2), ShapeError);
  EXPECT_THROW(group_norm(x, 0), std::invalid_argument);
  EXPECT_THROW(group_norm(x, 2, {}, {}, -1), std::invalid_argument);
  EXPECT_THROW(group_norm(x, 2, Tensor::zeros({6}, DType::f64)), std::invalid_argument);
  EXPECT_THROW(group_norm(Tensor::zeros({2, 6}, DType::i64), 2), std::invalid_argument);
  Module root;
  EXPECT_THROW(GroupNorm(root, "a", 4, 6), std::invalid_argument);
  EXPECT_THROW(LayerNorm(root, "b", Shape{}), std::invalid_argument);
  EXPECT_THROW(GroupNorm(root, "c", 2, 6)(Tensor::zeros({2, 4})), ShapeError);
}

// Over channels, a position is an image of one; over all axes, an image is one group.
TEST(LayerNorm, IsGroupNorm) {
  const Tensor x = random_tensor({2, 3, 5, 7}, 1);
  const Tensor w = random_tensor({7}, 2), b = random_tensor({7}, 3);
  expect_same_bits(layer_norm(x, {7}, w, b), reshape(group_norm(reshape(x, {30, 7}), 1, w, b), x.shape()));
  expect_close(layer_norm(x, {3, 5, 7}), group_norm(x, 1), 1e-12, 1e-12);
  const Op op = [](const auto& in) { return layer_norm(in[0], {5, 7}, in[1], in[2]); };
  const auto result = gradcheck(op, {x.clone().set_requires_grad(), random_tensor({5, 7}, 4).set_requires_grad(),
                                     random_tensor({5, 7}, 5).set_requires_grad()});
  EXPECT_TRUE(result) << result.message;
}

TEST(GroupNorm, Layers) {
  Module root;
  GroupNorm group(root, "group", 2, 6, {.eps = 0.1});
  LayerNorm layer(root, "layer", {3, 5, 6});
  LayerNorm plain(root, "plain", {6}, {.bias = false});
  GroupNorm bare(root, "bare", 3, 6, {.affine = false});
  LayerNorm bare_layer(root, "bare_layer", {6}, {.elementwise_affine = false});
  const Tensor x = random_tensor({2, 3, 5, 6}, 1, DType::f32);
  expect_same_bits(group(x), group_norm(x, 2, Tensor::full({6}, 1), Tensor::zeros({6}), 0.1));
  expect_same_bits(layer(x), layer_norm(x, {3, 5, 6}));
  expect_same_bits(bare(x), group_norm(x, 3));
  EXPECT_EQ(group.kind() + layer.kind(), "GroupNormLayerNorm");
  EXPECT_TRUE(group.geometry({1, 6}, {1, 6}).merges_into_previous);
  std::vector<std::string> names;
  for (const NamedTensor& parameter : root.parameters()) names.push_back(parameter.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"group.weight", "group.bias", "layer.weight", "layer.bias", "plain.weight"}));
  EXPECT_EQ(to_file_layout(layer.weight, layer.parameters()[0].file_axes).shape(), (Shape{6, 3, 5}));
  EXPECT_EQ(layer.weight.shape(), (Shape{3, 5, 6}));
}

}  // namespace
}  // namespace striate
