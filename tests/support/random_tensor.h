#pragma once
// Tensors with deterministic values, and a comparison that names the worst element.

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/dtype.h"
#include "core/random.h"
#include "core/tensor.h"

namespace striate::testing_support {

/// Uniform values in [low, high), a function of the seed and the place: tensors of one seed and two dtypes
/// differ by rounding alone.
inline Tensor random_tensor(Shape shape, std::uint64_t seed, DType dtype = DType::f64, double low = -1,
                            double high = 1) {
  const RandomStream stream = random_stream(seed, RandomUse::test);
  Tensor result = Tensor::empty(std::move(shape), dtype);
  dispatch_floating("random_tensor", dtype, [&]<class T>(T) {
    T* values = result.mutable_data<T>();
    for (std::int64_t i = 0; i < result.numel(); ++i) {
      values[i] = static_cast<T>(low + (high - low) * stream.uniform(static_cast<std::uint64_t>(i)));
    }
  });
  return result;
}

/// A copy in another dtype.
inline Tensor converted(const Tensor& from, DType dtype) {
  Tensor to = Tensor::empty(from.shape(), dtype);
  to.copy_from(from);
  return to;
}

/// Expects equal shapes and |a - b| <= atol + rtol * |b| for every element, whatever the dtypes; a NaN
/// matches a NaN.
inline void expect_close(const Tensor& a, const Tensor& b, double atol, double rtol) {
  ASSERT_EQ(a.shape(), b.shape());
  const std::vector<double> left = a.to_vector();
  const std::vector<double> right = b.to_vector();
  double worst_ratio = 1;
  std::size_t worst = left.size();
  std::size_t bad = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (left[i] == right[i] || (std::isnan(left[i]) && std::isnan(right[i]))) continue;
    const double ratio = std::abs(left[i] - right[i]) / (atol + rtol * std::abs(right[i]));
    if (ratio <= 1) continue;
    ++bad;
    if (worst == left.size() || !(ratio <= worst_ratio)) {
      worst_ratio = ratio;
      worst = i;
    }
  }
  if (bad == 0) return;
  std::vector<std::int64_t> index(a.shape().size());
  std::size_t rest = worst;
  for (std::size_t axis = index.size(); axis-- > 0;) {
    const auto size = static_cast<std::size_t>(a.shape()[axis]);
    index[axis] = static_cast<std::int64_t>(rest % size);
    rest /= size;
  }
  ADD_FAILURE() << bad << " of " << left.size() << " elements differ; the worst at " << to_string(index) << " of "
                << to_string(a.shape()) << ": " << left[worst] << " against " << right[worst] << ", off by "
                << std::abs(left[worst] - right[worst]) << " where " << atol + rtol * std::abs(right[worst])
                << " is allowed";
}

}  // namespace striate::testing_support
