// Gradients add up: several backward passes before a step, each weighted by its share of the images, are one
// pass over all of them.

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "core/random.h"
#include "layers/cross_entropy.h"
#include "models/vgg.h"
#include "optim/sgd.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::expect_close;
using testing_support::random_tensor;

constexpr std::int64_t side = 32;

Tensor rows_of(const Tensor& images, std::int64_t begin, std::int64_t count) {
  Tensor part = Tensor::empty({count, side, side, 3}, DType::f64);
  const std::int64_t row = side * side * 3;
  std::memcpy(part.mutable_raw(), images.data<double>() + begin * row, part.bytes());
  return part;
}

/// Three steps over 12 images each, cut into parts; the parameters afterwards.
std::vector<NamedTensor> train(Vgg& model, const std::vector<std::int64_t>& parts) {
  Sgd sgd(model.parameters(), {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01});
  for (std::uint64_t step = 0; step < 3; ++step) {
    const Tensor images = random_tensor({12, side, side, 3}, step);
    sgd.zero_grad();
    std::int64_t begin = 0;
    for (const std::int64_t count : parts) {
      std::vector<std::int64_t> labels;
      for (std::int64_t i = begin; i < begin + count; ++i) labels.push_back(i % 10);
      const Tensor loss = cross_entropy(model(rows_of(images, begin, count)), Tensor::from({count}, labels));
      loss.backward(Tensor::full({}, static_cast<double>(count) / 12, DType::f64));
      begin += count;
    }
    sgd.step();
  }
  return model.parameters();
}

// Sums of some thousand terms in another order: a thousand units in the last place of f64 are 2e-13.
TEST(Accumulate, MicroBatchesEqualOneBatch) {
  const Generator before = default_generator();
  const VggOptions options{.depth = 11, .batch_norm = false, .width_multiplier = 1.0 / 32};
  const auto make = [&] {
    manual_seed(4);
    auto model = std::make_unique<Vgg>(options);
    model->to(DType::f64);
    return model;
  };
  const auto start = make();
  const auto whole = make();
  const std::vector<NamedTensor> expected = train(*whole, {12});
  for (const std::vector<std::int64_t>& parts : {std::vector<std::int64_t>{3, 3, 3, 3}, {5, 4, 2, 1}}) {
    const auto model = make();
    const std::vector<NamedTensor> parameters = train(*model, parts);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      SCOPED_TRACE(expected[i].name);
      expect_close(parameters[i].value, expected[i].value, 1e-12, 1e-12);
      EXPECT_NE(parameters[i].value.to_vector(), start->parameters()[i].value.to_vector());
    }
  }
  default_generator() = before;
}

}  // namespace
}  // namespace striate
