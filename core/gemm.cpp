#include "core/gemm.h"

#include <algorithm>

#include "core/integer.h"
#include "core/own_eigen.h"
#include "core/parallel.h"

namespace striate {
namespace {

using Index = std::ptrdiff_t;

// Eigen asks the processor for its caches and blocks by them, which would let the order of additions depend
// on the machine. These sizes fit any of the last decade.
void fix_blocking() {
  static const bool fixed = [] {
    striate_eigen::setCpuCacheSizes(32 * 1024, 512 * 1024, 8 * 1024 * 1024);
    return true;
  }();
  static_cast<void>(fixed);
}

// c^T (n,m) += op(b)^T (n,l) * op(a)^T (l,m) in column-major order, which is the row-major product. Eigen's
// kernel is called without its dispatch to dot products for small or thin shapes: those peel loops by the
// alignment of c, and the bits would change with the address.
template <class T, int OrderB, int OrderA>
void add_product(Index m, Index n, Index l, const T* a, Index lda, const T* b, Index ldb, T* c, Index ldc) {
  namespace detail = striate_eigen::internal;
  constexpr int any = striate_eigen::Dynamic;
  constexpr int column_major = striate_eigen::ColMajor;
  detail::gemm_blocking_space<column_major, T, T, any, any, any, 1, false> blocking(n, m, l, 1, true);
  detail::general_matrix_matrix_product<Index, T, OrderB, false, T, OrderA, false, column_major, 1>::run(
      n, m, l, b, ldb, a, lda, c, 1, ldc, T(1), blocking, nullptr);
}

// The length of nearly equal pieces of `size`, each at most `longest` and a multiple of `step` (the last one
// aside).
constexpr Index piece(Index size, Index longest, Index step) {
  return round_up(ceil_div(size, ceil_div(size, longest)), step);
}

}  // namespace

template <class T>
void gemm(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t l, const T* a, std::int64_t lda,
          const T* b, std::int64_t ldb, T* c, std::int64_t ldc, bool accumulate) {
  if (m == 0 || n == 0) return;
  if (!accumulate) {
    for (Index row = 0; row < m; ++row) std::fill_n(c + row * ldc, n, T(0));
  }
  if (l == 0) return;
  fix_blocking();
  constexpr int column_major = striate_eigen::ColMajor;
  constexpr int row_major = striate_eigen::RowMajor;
  if (ta == Transpose::no) {
    const auto run =
        tb == Transpose::no ? add_product<T, column_major, column_major> : add_product<T, row_major, column_major>;
    run(m, n, l, a, lda, b, ldb, c, ldc);
  } else {
    const auto run =
        tb == Transpose::no ? add_product<T, column_major, row_major> : add_product<T, row_major, row_major>;
    run(m, n, l, a, lda, b, ldb, c, ldc);
  }
}

template <class T>
void parallel_gemm(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t l, const T* a,
                   std::int64_t lda, const T* b, std::int64_t ldb, T* c, std::int64_t ldc, bool accumulate) {
  if (m == 0 || n == 0) return;
  // Every block packs its operands again, so blocks are as large as possible; but eight of them, for the threads to
  // share, where the product is large enough.
  const Index columns = piece(n, 512, 48);
  const Index blocks_across = ceil_div(n, columns);
  const Index rows = piece(m, std::clamp<Index>(m * blocks_across / 8, 64, 256), 16);
  const Index blocks = ceil_div(m, rows) * blocks_across;
  // Small blocks share a task, so that starting it pays.
  const Index grain = std::clamp<Index>((Index{1} << 19) / (rows * columns * std::max<Index>(l, 1)), 1, blocks);
  parallel_for(blocks, grain, [&](Index begin, Index end) {
    for (Index block = begin; block < end; ++block) {
      const Index row = block / blocks_across * rows;
      const Index column = block % blocks_across * columns;
      gemm(ta, tb, std::min(rows, m - row), std::min(columns, n - column), l,
           a + (ta == Transpose::no ? row * lda : row), lda, b + (tb == Transpose::no ? column : column * ldb), ldb,
           c + row * ldc + column, ldc, accumulate);
    }
  });
}

template void gemm(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, const float*, std::int64_t,
                   const float*, std::int64_t, float*, std::int64_t, bool);
template void gemm(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, const double*, std::int64_t,
                   const double*, std::int64_t, double*, std::int64_t, bool);
template void parallel_gemm(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, const float*, std::int64_t,
                            const float*, std::int64_t, float*, std::int64_t, bool);
template void parallel_gemm(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, const double*, std::int64_t,
                            const double*, std::int64_t, double*, std::int64_t, bool);

}  // namespace striate
