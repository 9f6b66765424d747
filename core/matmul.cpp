#include "core/matmul.h"

#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/trace.h"

namespace striate {
namespace {

// bf16 and f16 by way of f32.
Tensor product(Transpose ta, const Tensor& a, Transpose tb, const Tensor& b) {
  if (parameter_dtype(a.dtype()) == a.dtype()) return matrix_product(ta, a, tb, b);
  return cast(matrix_product(ta, cast(a.detach(), DType::f32), tb, cast(b.detach(), DType::f32)), a.dtype());
}

void check_matmul(const Tensor& a, const Tensor& b) {
  if (a.rank() != 2 || b.rank() != 2 || a.size(1) != b.size(0)) {
    shape_error("matmul", "needs (M,L) and (L,N): got " + to_string(a.shape()) + " and " + to_string(b.shape()));
  }
  if (a.dtype() != b.dtype() || !is_floating(a.dtype())) {
    shape_error("matmul", "both inputs must be f32, f64, bf16 or f16 alike: " + to_string(a.shape()) + " is " +
                              to_string(a.dtype()) + ", " + to_string(b.shape()) + " is " + to_string(b.dtype()));
  }
}

}  // namespace

Tensor matrix_product(Transpose ta, const Tensor& a, Transpose tb, const Tensor& b) {
  const std::int64_t m = ta == Transpose::no ? a.size(0) : a.size(1);
  const std::int64_t l = ta == Transpose::no ? a.size(1) : a.size(0);
  const std::int64_t n = tb == Transpose::no ? b.size(1) : b.size(0);
  Tensor c = Tensor::empty({m, n}, a.dtype());
  const auto multiply = [&]<class T>(T) {
    parallel_gemm(ta, tb, m, n, l, a.data<T>(), a.size(1), b.data<T>(), b.size(1), c.mutable_data<T>(), n, false);
  };
  a.dtype() == DType::f64 ? multiply(double{}) : multiply(float{});
  return c;
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  check_matmul(a, b);
  Tensor y = product(Transpose::no, a, Transpose::no, b);
  record("matmul", y, {a, b}, [a = Saved(a), b = Saved(b)](Backward& bw) {
    if (bw.wants(0)) bw.add(0, product(Transpose::no, bw.dy(), Transpose::yes, b.get()));
    if (bw.wants(1)) bw.add(1, product(Transpose::yes, a.get(), Transpose::no, bw.dy()));
  });
  traced(y, [&](Trace& t) { return t.add("MatMul", {t.value(a), t.value(b)}); });
  return y;
}

}  // namespace striate
