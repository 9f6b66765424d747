#pragma once
// Winograd's filtering as its definition reads, with a function f applied to every entry of its matrices. The f is
// |x| or x^2: what comes out for operands under the same f is the sum of f of the terms behind every result, which
// are larger than those of the convolution by what the transforms amplify.

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/integer.h"
#include "layers/conv/kernels.h"
#include "layers/conv/winograd_scheme.h"

namespace striate::testing_support {

/// Up to 6 x 6, row by row.
struct TileMatrix {
  int rows = 0, columns = 0;
  std::array<double, 36> values{};

  double& at(int i, int j) { return values[place(i, j)]; }
  [[nodiscard]] double at(int i, int j) const { return values[place(i, j)]; }

 private:
  [[nodiscard]] std::size_t place(int i, int j) const {
    return static_cast<std::size_t>(i) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(j);
  }
};

inline TileMatrix transposed(const TileMatrix& m) {
  TileMatrix result{m.columns, m.rows};
  for (int i = 0; i < m.rows; ++i) {
    for (int j = 0; j < m.columns; ++j) result.at(j, i) = m.at(i, j);
  }
  return result;
}

/// m t m'
inline TileMatrix around(const TileMatrix& m, const TileMatrix& t) {
  const auto product = [](const TileMatrix& a, const TileMatrix& b) {
    TileMatrix c{a.rows, b.columns};
    for (int i = 0; i < a.rows; ++i) {
      for (int l = 0; l < a.columns; ++l) {
        for (int j = 0; j < b.columns; ++j) c.at(i, j) += a.at(i, l) * b.at(l, j);
      }
    }
    return c;
  };
  return product(product(m, t), transposed(m));
}

/// f of the entries of B', A' and G, found from what a scheme's maps make of unit vectors.
struct WinogradMatrices {
  TileMatrix input, output, filter;
  bool own_padding;
};

template <class Scheme>
WinogradMatrices winograd_matrices(double (*f)(double)) {
  WinogradMatrices m{{Scheme::positions, Scheme::inputs},
                     {Scheme::outputs, Scheme::positions},
                     {Scheme::positions, 3},
                     Scheme::own_padding};
  const auto fill = [f](TileMatrix& matrix, const auto& map) {
    for (int j = 0; j < matrix.columns; ++j) {
      double unit[6] = {}, made[6] = {};
      unit[j] = 1;
      map(unit, made);
      for (int i = 0; i < matrix.rows; ++i) matrix.at(i, j) = f(made[i]);
    }
  };
  fill(m.input, [](const double* d, double* v) { Scheme::input(d, v); });
  fill(m.output, [](const double* d, double* y) { Scheme::output(d, y); });
  fill(m.filter, [](const double* g, double* u) {
    for (int p = 0; p < Scheme::positions; ++p) {
      for (int tap = 0; tap < 3; ++tap) u[p] += static_cast<double>(Scheme::filter[p][tap]) * g[tap];
    }
  });
  return m;
}

/// Whether the algorithm is one of Winograd's; then `m` is what it transforms by.
inline bool find_winograd(const ConvAlgorithm& algorithm, double (*f)(double), WinogradMatrices& m) {
  using Matrices = WinogradMatrices (*)(double (*)(double));
  for (const auto& [of, matrices] :
       {std::pair<const ConvAlgorithm*, Matrices>{&conv_by::winograd_f2, winograd_matrices<WinogradF2>},
        {&conv_by::winograd_f4, winograd_matrices<WinogradF4>},
        {&conv_by::winograd_line2, winograd_matrices<WinogradLine2>},
        {&conv_by::winograd_line4, winograd_matrices<WinogradLine4>}}) {
    if (of != &algorithm) continue;
    m = matrices(f);
    return true;
  }
  return false;
}

/// The directions of a 3x3 convolution of geometry g by the matrices, one tile after the other.
class WinogradDirections {
 public:
  WinogradDirections(const WinogradMatrices& m, const ConvGeometry& g)
      : m_(m), g_(g), positions_(m.filter.rows * m.filter.rows), in_{g.h, g.w, g.c}, out_{g.p, g.q, g.k} {}

  [[nodiscard]] std::int64_t tiles() const {
    const std::int64_t size = m_.output.rows;
    return g_.n * ceil_div(g_.p, size) * ceil_div(g_.q, size);
  }

  /// y = A' (G w G' . B' x B) A, for every filter.
  [[nodiscard]] std::vector<double> forward(const std::vector<double>& x, const std::vector<double>& w) const {
    const std::vector<double> u = planes(m_.filter, g_.c * g_.k, [&](std::int64_t i) {
      TileMatrix filter{3, 3};
      for (std::int64_t tap = 0; tap < 9; ++tap) filter.values[index(tap)] = w[index(tap * g_.c * g_.k + i)];
      return filter;
    });
    std::vector<double> y(index(g_.positions() * g_.k));
    for_each_tile([&](std::int64_t n, std::int64_t top, std::int64_t left) {
      const std::vector<double> v = input_planes(x, n, top, left);
      std::vector<double> sums(index(positions_ * g_.k));
      for (std::int64_t at = 0; at < positions_ * g_.c; ++at) {
        const double* from = &u[index(at * g_.k)];
        double* to = &sums[index(at / g_.c * g_.k)];
        for (std::int64_t k = 0; k < g_.k; ++k) to[k] += v[index(at)] * from[k];
      }
      for (std::int64_t k = 0; k < g_.k; ++k) {
        const TileMatrix tile = around(m_.output, from_planes(sums, g_.k, k));
        for (int i = 0; i < tile.rows && top + i < g_.p; ++i) {
          for (int j = 0; j < tile.rows && left + j < g_.q; ++j) y[out_.at(n, top + i, left + j, k)] = tile.at(i, j);
        }
      }
    });
    return y;
  }

  /// dw = G' (sum over tiles of A dy A' . B' x B) G.
  [[nodiscard]] std::vector<double> weights(const std::vector<double>& x, const std::vector<double>& dy) const {
    std::vector<double> sums(index(positions_ * g_.c * g_.k));
    for_each_tile([&](std::int64_t n, std::int64_t top, std::int64_t left) {
      const std::vector<double> v = input_planes(x, n, top, left);
      const std::vector<double> z = planes(
          transposed(m_.output), g_.k, [&](std::int64_t k) { return read(dy, out_, n, top, left, k, m_.output.rows); });
      for (std::int64_t at = 0; at < positions_ * g_.c; ++at) {
        const double* from = &z[index(at / g_.c * g_.k)];
        double* to = &sums[index(at * g_.k)];
        for (std::int64_t k = 0; k < g_.k; ++k) to[k] += v[index(at)] * from[k];
      }
    });
    std::vector<double> dw(index(9 * g_.c * g_.k));
    for (std::int64_t i = 0; i < g_.c * g_.k; ++i) {
      const TileMatrix gradient = around(transposed(m_.filter), from_planes(sums, g_.c * g_.k, i));
      for (std::int64_t tap = 0; tap < 9; ++tap) dw[index(tap * g_.c * g_.k + i)] = gradient.values[index(tap)];
    }
    return dw;
  }

 private:
  struct Map {
    std::int64_t height, width, channels;

    [[nodiscard]] std::size_t at(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) const {
      return index(((n * height + h) * width + w) * channels + c);
    }
  };

  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

  /// (positions, count): the transforms of tile(0), tile(1), ...
  template <class F>
  [[nodiscard]] std::vector<double> planes(const TileMatrix& m, std::int64_t count, F&& tile) const {
    std::vector<double> result(index(positions_ * count));
    for (std::int64_t i = 0; i < count; ++i) {
      const TileMatrix made = around(m, tile(i));
      for (std::int64_t p = 0; p < positions_; ++p) result[index(p * count + i)] = made.values[index(p)];
    }
    return result;
  }

  [[nodiscard]] TileMatrix from_planes(const std::vector<double>& values, std::int64_t count, std::int64_t i) const {
    TileMatrix tile{m_.filter.rows, m_.filter.rows};
    for (std::int64_t p = 0; p < positions_; ++p) tile.values[index(p)] = values[index(p * count + i)];
    return tile;
  }

  /// A tile of a map, 0 outside.
  static TileMatrix read(const std::vector<double>& values, const Map& map, std::int64_t n, std::int64_t top,
                         std::int64_t left, std::int64_t c, int size) {
    TileMatrix tile{size, size};
    for (int i = 0; i < size; ++i) {
      for (int j = 0; j < size; ++j) {
        const std::int64_t h = top + i, w = left + j;
        if (h >= 0 && h < map.height && w >= 0 && w < map.width) tile.at(i, j) = values[map.at(n, h, w, c)];
      }
    }
    return tile;
  }

  [[nodiscard]] std::vector<double> input_planes(const std::vector<double>& x, std::int64_t n, std::int64_t top,
                                                 std::int64_t left) const {
    const std::int64_t border = m_.own_padding ? 0 : g_.padding.height;
    return planes(m_.input, g_.c,
                  [&](std::int64_t c) { return read(x, in_, n, top - border, left - border, c, m_.input.columns); });
  }

  template <class F>
  void for_each_tile(F&& f) const {
    for (std::int64_t n = 0; n < g_.n; ++n) {
      for (std::int64_t top = 0; top < g_.p; top += m_.output.rows) {
        for (std::int64_t left = 0; left < g_.q; left += m_.output.rows) f(n, top, left);
      }
    }
  }

  const WinogradMatrices& m_;
  ConvGeometry g_;
  std::int64_t positions_;
  Map in_, out_;
};

}  // namespace striate::testing_support
