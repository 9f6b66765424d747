#include "optim/lookahead.h"

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

#include "core/safetensors.h"
#include "optim/sgd.h"
#include "tests/support/case_options.h"
#include "tests/support/errors.h"
#include "tests/support/hashed.h"

namespace striate {
namespace {

using testing_support::CaseOptions;
using testing_support::converted;
using testing_support::expect_error;
using testing_support::hashed;

void check(const TensorFile& file, DType dtype, double tolerance) {
  const CaseOptions options(file.metadata.at("lookahead"));
  NamedTensor w{"w", converted(hashed("lookahead.a", {7}), dtype), {}};
  w.value.set_requires_grad();
  Sgd sgd({w}, {.lr = options.number("lr"), .momentum = options.number("momentum")});
  Lookahead lookahead({w}, {.every = options.integer("every"), .alpha = options.number("alpha")});
  const std::vector<double> theirs = file.find("lookahead.a").to_vector();
  for (std::size_t step = 0; step < 8; ++step) {
    w.value.set_grad(converted(hashed("lookahead.a.grad." + std::to_string(step), {7}), dtype));
    sgd.step();
    lookahead.after_step(static_cast<std::int64_t>(step) + 1);
    const std::vector<double> ours = w.value.to_vector();
    for (std::size_t i = 0; i < 7; ++i) EXPECT_NEAR(ours[i], theirs.at(step * 7 + i), tolerance) << "step " << step;
  }
}

// PyTorch's SGD and lerp_. A few roundings a step, of values below 4.
TEST(Lookahead, EqualsPyTorch) {
  const TensorFile file = read_safetensors(STRIATE_SOURCE_DIR "/tests/reference/optim.safetensors");
  check(file, DType::f64, 8 * 4 * 4 * std::numeric_limits<double>::epsilon());
  check(file, DType::f32, 8 * 4 * 4 * std::numeric_limits<float>::epsilon());
}

TEST(Lookahead, ByHand) {
  NamedTensor w{"w", Tensor::from<float>({1}, {2}), {}};
  Lookahead lookahead({w}, {.every = 2, .alpha = 0.25});
  const auto step_to = [&](float value, std::int64_t step) {
    *w.value.mutable_data<float>() = value;
    lookahead.after_step(step);
    return w.value.item();
  };
  EXPECT_EQ(step_to(4, 1), 4) << "fast steps stay";
  EXPECT_EQ(step_to(6, 2), 3) << "2 + (6 - 2) / 4";
  EXPECT_EQ(step_to(5, 3), 5);
  EXPECT_EQ(step_to(7, 4), 4) << "3 + (7 - 3) / 4";
  EXPECT_EQ(lookahead.state("s.").at("s.w").item(), 4);

  Lookahead restored({w}, {.every = 2, .alpha = 0.25});
  restored.load_state({{"s.w", Tensor::from<float>({1}, {8})}, {"t", Tensor()}}, "s.");
  restored.after_step(6);
  EXPECT_EQ(w.value.item(), 7) << "8 + (4 - 8) / 4";
  expect_error<std::invalid_argument>([&] { restored.load_state({}, "s."); }, {"[lookahead]", "missing: w"});
}

TEST(Lookahead, RefusesOptionsOutOfRange) {
  expect_error<std::invalid_argument>([] { Lookahead({}, {.every = 0}); }, {"every >= 1, got 0"});
  expect_error<std::invalid_argument>([] { Lookahead({}, {.alpha = 1.5}); }, {"alpha within 0 and 1, got 1.5"});
}

}  // namespace
}  // namespace striate
