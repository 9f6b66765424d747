#include "core/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "tests/support/op_checks.h"
#include "tests/support/random_tensor.h"
#include "tests/support/rounding.h"

namespace striate {
namespace {

using testing_support::expect_same_bits_with_threads;
using testing_support::random_tensor;
using testing_support::Roundings;
using testing_support::worst_error;

struct Problem {
  Transpose ta = Transpose::no;
  Transpose tb = Transpose::no;
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t l = 0;
  std::int64_t padding = 0;  ///< unused elements at the end of every stored row
  bool accumulate = false;
  bool parallel = false;

  [[nodiscard]] std::int64_t lda() const { return (ta == Transpose::no ? l : m) + padding; }
  [[nodiscard]] std::int64_t ldb() const { return (tb == Transpose::no ? n : l) + padding; }
  [[nodiscard]] std::int64_t ldc() const { return n + padding; }
  [[nodiscard]] std::int64_t place_a(std::int64_t i, std::int64_t k) const {
    return ta == Transpose::no ? i * lda() + k : k * lda() + i;
  }
  [[nodiscard]] std::int64_t place_b(std::int64_t k, std::int64_t j) const {
    return tb == Transpose::no ? k * ldb() + j : j * ldb() + k;
  }
};

template <class T>
void multiply(const Problem& p, const T* a, const T* b, T* c) {
  if (p.parallel) {
    parallel_gemm(p.ta, p.tb, p.m, p.n, p.l, a, p.lda(), b, p.ldb(), c, p.ldc(), p.accumulate);
  } else {
    gemm(p.ta, p.tb, p.m, p.n, p.l, a, p.lda(), b, p.ldb(), c, p.ldc(), p.accumulate);
  }
}

// Against the definition in double, which is rounded as often as the product where that is in double.
template <class T>
void check(const Problem& p) {
  SCOPED_TRACE(::testing::Message() << "m " << p.m << " n " << p.n << " l " << p.l << " transposed "
                                    << static_cast<bool>(p.ta) << static_cast<bool>(p.tb) << " padding " << p.padding
                                    << " accumulate " << p.accumulate << " parallel " << p.parallel);
  const Tensor a = random_tensor({std::max(p.m, p.l) + 1, p.lda()}, 1, DTypeOf<T>::value);
  const Tensor b = random_tensor({std::max(p.n, p.l) + 1, p.ldb()}, 2, DTypeOf<T>::value);
  const Tensor before = random_tensor({p.m, p.ldc()}, 3, DTypeOf<T>::value);
  Tensor c = before.clone();
  const T* in_a = a.data<T>();
  const T* in_b = b.data<T>();
  multiply(p, in_a, in_b, c.mutable_data<T>());
  const DType dtype = DTypeOf<T>::value;
  const auto terms = static_cast<double>(p.l + (p.accumulate ? 1 : 0));
  const Roundings path{dtype == DType::f64 ? 2 * terms : terms, 0, dtype};
  for (std::int64_t i = 0; i < p.m; ++i) {
    for (std::int64_t j = 0; j < p.ldc(); ++j) {
      const T old = before.data<T>()[i * p.ldc() + j];
      const double found = c.data<T>()[i * p.ldc() + j];
      if (j >= p.n) {
        ASSERT_EQ(found, old) << "written past the row at " << i << "," << j;
        continue;
      }
      double sum = p.accumulate ? old : 0;
      double magnitude = std::abs(sum);
      for (std::int64_t k = 0; k < p.l; ++k) {
        const double product = static_cast<double>(in_a[p.place_a(i, k)]) * static_cast<double>(in_b[p.place_b(k, j)]);
        sum += product;
        magnitude += std::abs(product);
      }
      ASSERT_NEAR(found, sum, worst_error(dtype, path, sum, magnitude)) << "at " << i << "," << j;
    }
  }
}

template <class T>
class Gemm : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Gemm, Scalars);

TYPED_TEST(Gemm, IsTheProductForAwkwardSizes) {
  const std::vector<std::int64_t> sizes = {1, 2, 7, 16, 33, 65};
  int count = 0;
  for (const std::int64_t m : sizes) {
    for (const std::int64_t n : sizes) {
      for (const std::int64_t l : sizes) {
        for (int transposed = 0; transposed < 4; ++transposed) {
          Problem p{.m = m, .n = n, .l = l};
          p.ta = static_cast<Transpose>((transposed & 1) != 0);
          p.tb = static_cast<Transpose>((transposed & 2) != 0);
          p.padding = count % 3;
          p.accumulate = count % 2 == 1;
          p.parallel = count % 5 == 0;
          ++count;
          check<TypeParam>(p);
          if (this->HasFatalFailure()) return;
        }
      }
    }
  }
}

TYPED_TEST(Gemm, IsTheProductAcrossCacheBlocks) {
  for (int transposed = 0; transposed < 4; ++transposed) {
    const auto ta = static_cast<Transpose>((transposed & 1) != 0);
    const auto tb = static_cast<Transpose>((transposed & 2) != 0);
    check<TypeParam>({.ta = ta, .tb = tb, .m = 53, .n = 47, .l = 3001, .accumulate = true, .parallel = true});
    check<TypeParam>({.ta = ta, .tb = tb, .m = 611, .n = 65, .l = 27, .padding = 2, .parallel = true});
    check<TypeParam>({.ta = ta, .tb = tb, .m = 70, .n = 1100, .l = 33, .padding = 1, .parallel = true});
    check<TypeParam>({.ta = ta, .tb = tb, .m = 70, .n = 1100, .l = 33, .padding = 1});
  }
}

TYPED_TEST(Gemm, SumOfNothingIsZero) {
  for (const bool parallel : {false, true}) {
    check<TypeParam>({.m = 3, .n = 5, .l = 0, .padding = 1, .parallel = parallel});
    check<TypeParam>({.m = 3, .n = 5, .l = 0, .padding = 1, .accumulate = true, .parallel = parallel});
    check<TypeParam>({.m = 0, .n = 5, .l = 4, .parallel = parallel});
    check<TypeParam>({.m = 3, .n = 0, .l = 4, .padding = 2, .parallel = parallel});
  }
}

TYPED_TEST(Gemm, BitsDoNotDependOnTheAddress) {
  constexpr std::int64_t m = 9;
  constexpr std::int64_t n = 13;
  constexpr std::int64_t l = 37;
  const DType dtype = DTypeOf<TypeParam>::value;
  const Problem p{.m = m, .n = n, .l = l};
  const Tensor a = random_tensor({m, l}, 1, dtype);
  const Tensor b = random_tensor({l, n}, 2, dtype);
  Tensor c = Tensor::empty({m, n}, dtype);
  multiply(p, a.data<TypeParam>(), b.data<TypeParam>(), c.mutable_data<TypeParam>());
  for (std::int64_t shift = 1; shift < 8; ++shift) {
    std::vector<TypeParam> moved_a(static_cast<std::size_t>(m * l + shift));
    std::vector<TypeParam> moved_c(static_cast<std::size_t>(m * n + shift));
    std::copy_n(a.data<TypeParam>(), m * l, moved_a.data() + shift);
    multiply(p, moved_a.data() + shift, b.data<TypeParam>(), moved_c.data() + shift);
    for (std::int64_t i = 0; i < m * n; ++i) {
      ASSERT_EQ(moved_c[static_cast<std::size_t>(i + shift)], c.data<TypeParam>()[i]) << "shift " << shift;
    }
  }
}

TYPED_TEST(Gemm, BitsDoNotDependOnThreads) {
  const DType dtype = DTypeOf<TypeParam>::value;
  expect_same_bits_with_threads([&] {
    std::vector<Tensor> results;
    for (const Problem& p : {Problem{.m = 700, .n = 530, .l = 90, .parallel = true},
                             Problem{.ta = Transpose::yes, .m = 300, .n = 64, .l = 700, .parallel = true},
                             Problem{.tb = Transpose::yes, .m = 64, .n = 1030, .l = 65, .parallel = true}}) {
      const Tensor a = random_tensor({p.m * p.l}, 1, dtype);
      const Tensor b = random_tensor({p.n * p.l}, 2, dtype);
      Tensor c = Tensor::empty({p.m, p.n}, dtype);
      multiply(p, a.data<TypeParam>(), b.data<TypeParam>(), c.mutable_data<TypeParam>());
      results.push_back(c);
    }
    return results;
  });
}

}  // namespace
}  // namespace striate
