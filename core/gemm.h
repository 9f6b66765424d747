#pragma once
// Dense products on raw row-major memory, by Eigen's kernel. core/matmul.h is the same for tensors. Blocking is fixed
// and alignment does not matter: equal arguments give equal bits, whatever the address, the number of threads and the
// processor's caches.

#include <cstdint>

namespace striate {

enum class Transpose : bool { no = false, yes = true };

/// On the calling thread: c (m,n) = op(a) (m,l) * op(b) (l,n), or += with accumulate; T is float or double. op
/// transposes what is stored; lda, ldb, ldc are the stored row lengths.
template <class T>
void gemm(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t l, const T* a, std::int64_t lda,
          const T* b, std::int64_t ldb, T* c, std::int64_t ldc, bool accumulate);

/// The same, with blocks of c shared out to the thread pool. The sum over l is never split: for a small c and a long
/// l, cut l into fixed chunks, call gemm on each and add the results in order.
template <class T>
void parallel_gemm(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t l, const T* a,
                   std::int64_t lda, const T* b, std::int64_t ldb, T* c, std::int64_t ldc, bool accumulate);

}  // namespace striate
