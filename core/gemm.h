#pragma once
// Dense products on raw row-major memory. Callers split work into chunks; a call runs on the calling thread
// with fixed blocking, so equal arguments give equal bits.

#include <cstdint>

namespace striate {

enum class Transpose : bool { no = false, yes = true };

/// c (m,n) = op(a) (m,l) * op(b) (l,n), or += with accumulate. op transposes what is stored; lda, ldb, ldc
/// are the stored row lengths.
void gemm(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t l, const float* a,
          std::int64_t lda, const float* b, std::int64_t ldb, float* c, std::int64_t ldc, bool accumulate);
void gemm(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t l, const double* a,
          std::int64_t lda, const double* b, std::int64_t ldb, double* c, std::int64_t ldc, bool accumulate);

/// The same split over the pool by blocks of c.
template <class T>
void parallel_gemm(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t l, const T* a,
                   std::int64_t lda, const T* b, std::int64_t ldb, T* c, std::int64_t ldc, bool accumulate);

}  // namespace striate
