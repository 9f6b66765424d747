#pragma once
// Dense products on raw row-major memory. Blocking is fixed and alignment does not matter: equal arguments
// give equal bits, whatever the address, the number of threads and the processor's caches.

#include <cstdint>

namespace striate {

enum class Transpose : bool { no = false, yes = true };

/// On the calling thread: c (m,n) = op(a) (m,l) * op(b) (l,n), or += with accumulate. op transposes what is
/// stored; lda, ldb, ldc are the stored row lengths.
void gemm(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t l, const float* a, std::int64_t lda,
          const float* b, std::int64_t ldb, float* c, std::int64_t ldc, bool accumulate);
void gemm(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t l, const double* a, std::int64_t lda,
          const double* b, std::int64_t ldb, double* c, std::int64_t ldc, bool accumulate);

/// The same split over the pool by blocks of c; T is float or double. The sum over l is never split: for a
/// small c and a long l, cut l into fixed chunks, call gemm on each and add the results in order.
template <class T>
void parallel_gemm(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t l, const T* a,
                   std::int64_t lda, const T* b, std::int64_t ldb, T* c, std::int64_t ldc, bool accumulate);

}  // namespace striate
