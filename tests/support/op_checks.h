#pragma once
// Checks that fit any op: low precision against f64, and the same bits whatever the threads.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "core/parallel.h"
#include "core/tensor.h"
#include "tests/support/errors.h"
#include "tests/support/random_tensor.h"

namespace striate::testing_support {

using Op = std::function<Tensor(const std::vector<Tensor>&)>;

struct OpRun {
  Tensor y;
  std::vector<Tensor> gradients;  ///< of every input
};

/// Forward and backward from dy with copies of the inputs.
inline OpRun run_op(const Op& op, const std::vector<Tensor>& inputs, const Tensor& dy) {
  std::vector<Tensor> leaves;
  leaves.reserve(inputs.size());
  for (const Tensor& input : inputs) leaves.push_back(input.clone().set_requires_grad());
  const Tensor y = op(leaves);
  y.backward(dy);
  OpRun run{y.detach(), {}};
  for (const Tensor& leaf : leaves) run.gradients.push_back(leaf.grad());
  return run;
}

struct Bound {
  double atol;
  double rtol;
};

/// What rounding once to dtype may take from a value: half an ulp, relative for normal numbers. The smallest
/// subnormal of f16 is 2^-24; that of the others is below anything tested.
inline Bound rounding(DType dtype) {
  if (dtype == DType::f64) return {0, 0x1p-53};
  if (dtype == DType::f32) return {0, 0x1p-24};
  return dtype == DType::bf16 ? Bound{0, 0x1p-8} : Bound{0x1p-25, 0x1p-11};
}

/// Holds the op in the inputs' dtypes against the same op in f64 on the same (rounded) values: y to
/// bounds[0], the gradient of input i to bounds[i+1].
inline void expect_like_f64(const Op& op, const std::vector<Tensor>& inputs, const std::vector<Bound>& bounds,
                            std::uint64_t seed = 99) {
  const Tensor probe = op(inputs);
  const Tensor dy = random_tensor(probe.shape(), seed, probe.dtype());
  const OpRun low = run_op(op, inputs, dy);
  std::vector<Tensor> exact;
  exact.reserve(inputs.size());
  for (const Tensor& input : inputs) exact.push_back(converted(input, DType::f64));
  const OpRun high = run_op(op, exact, converted(dy, DType::f64));
  ASSERT_EQ(bounds.size(), inputs.size() + 1);
  {
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, "output");
    EXPECT_EQ(low.y.dtype(), inputs[0].dtype());
    expect_close(low.y, high.y, bounds[0].atol, bounds[0].rtol);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, "gradient of input " + std::to_string(i));
    EXPECT_EQ(low.gradients[i].dtype(), inputs[i].dtype());
    expect_close(low.gradients[i], high.gradients[i], bounds[i + 1].atol, bounds[i + 1].rtol);
  }
}

/// Sets the number of threads and puts the old one back.
class Threads {
 public:
  explicit Threads(int count) : before_(num_threads()) { set_num_threads(count); }
  ~Threads() { set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  Threads(Threads&&) = delete;
  Threads& operator=(Threads&&) = delete;

 private:
  int before_;
};

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         (a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
}

inline void expect_same_bits(const Tensor& a, const Tensor& b) {
  EXPECT_TRUE(same_bits(a, b)) << to_string(a.shape()) << " and " << to_string(b.shape());
}

/// Expects f(), which returns tensors, to give the same bits with 1 and with 3 threads.
inline void expect_same_bits_with_threads(const std::function<std::vector<Tensor>()>& f) {
  const auto run = [&](int threads) {
    const Threads guard(threads);
    return f();
  };
  const std::vector<Tensor> one = run(1);
  const std::vector<Tensor> three = run(3);
  ASSERT_EQ(one.size(), three.size());
  for (std::size_t i = 0; i < one.size(); ++i) expect_same_bits(one[i], three[i]);
}

/// The same for forward and backward of an op; the inputs should be large enough for several chunks.
inline void expect_same_bits_with_threads(const Op& op, const std::vector<Tensor>& inputs) {
  expect_same_bits_with_threads([&] {
    const Tensor probe = op(inputs);
    OpRun run = run_op(op, inputs, random_tensor(probe.shape(), 98, probe.dtype()));
    run.gradients.push_back(run.y);
    return run.gradients;
  });
}

}  // namespace striate::testing_support
