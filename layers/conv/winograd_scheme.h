#pragma once
// Winograd's minimal filtering in one dimension (Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2015): y = A'[(G g) . (B' d)] gives `outputs` values of a 3-tap filter by `positions` products;
// the gradient of g is G' [(A dy) . (B' d)]. The maps work on anything with float arithmetic; winograd_transform.h
// applies them to the columns of a tile, then to its rows.

namespace striate {

/// F(2,3): points 0, 1, -1, infinity.
struct WinogradF2 {
  static constexpr int inputs = 4;
  static constexpr int outputs = 2;
  static constexpr int positions = 4;
  static constexpr bool own_padding = false;
  static constexpr float filter[4][3] = {{1, 0, 0}, {0.5F, 0.5F, 0.5F}, {0.5F, -0.5F, 0.5F}, {0, 0, 1}};

  /// B' d
  template <class V>
  static void input(const V* d, V* v) {
    v[0] = d[0] - d[2];
    v[1] = d[1] + d[2];
    v[2] = d[2] - d[1];
    v[3] = d[1] - d[3];
  }
  /// A' m
  template <class V>
  static void output(const V* m, V* y) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
  }
  /// A y
  template <class V>
  static void output_adjoint(const V* y, V* m) {
    m[0] = y[0];
    m[1] = y[0] + y[1];
    m[2] = y[0] - y[1];
    m[3] = -y[1];
  }
};

/// F(4,3): points 0, a, -a, b, -b, infinity. Of the short binary fractions, these two lose the least: 2.4
/// times less than the usual 1 and 2 (with products of bf16: 0.8% of the result's RMS, where F(2,3) loses
/// 0.36%).
struct WinogradF4 {
  static constexpr int inputs = 6;
  static constexpr int outputs = 4;
  static constexpr int positions = 6;
  static constexpr bool own_padding = false;
  static constexpr float a = 11 / 16.F;
  static constexpr float b = 3 / 2.F;
  static constexpr float aa = a * a;
  static constexpr float bb = b * b;
  static constexpr float near = 1 / (2 * aa * (aa - bb));
  static constexpr float far = 1 / (2 * bb * (bb - aa));
  static constexpr float filter[6][3] = {{1 / (aa * bb), 0, 0},  {near, near* a, near* aa}, {near, -near* a, near* aa},
                                         {far, far* b, far* bb}, {far, -far* b, far* bb},   {0, 0, 1}};

  template <class V>
  static void input(const V* d, V* v) {
    const V even = d[4] - bb * d[2];
    const V odd = a * (d[3] - bb * d[1]);
    const V far_even = d[4] - aa * d[2];
    const V far_odd = b * (d[3] - aa * d[1]);
    v[0] = aa * bb * d[0] - (aa + bb) * d[2] + d[4];
    v[1] = even + odd;
    v[2] = even - odd;
    v[3] = far_even + far_odd;
    v[4] = far_even - far_odd;
    v[5] = aa * bb * d[1] - (aa + bb) * d[3] + d[5];
  }
  template <class V>
  static void output(const V* m, V* y) {
    const V even = m[1] + m[2];
    const V odd = a * (m[1] - m[2]);
    const V far_even = m[3] + m[4];
    const V far_odd = b * (m[3] - m[4]);
    y[0] = m[0] + even + far_even;
    y[1] = odd + far_odd;
    y[2] = aa * even + bb * far_even;
    y[3] = aa * odd + bb * far_odd + m[5];
  }
  template <class V>
  static void output_adjoint(const V* y, V* m) {
    const V even = y[0] + aa * y[2];
    const V odd = a * (y[1] + aa * y[3]);
    const V far_even = y[0] + bb * y[2];
    const V far_odd = b * (y[1] + bb * y[3]);
    m[0] = y[0];
    m[1] = even + odd;
    m[2] = even - odd;
    m[3] = far_even + far_odd;
    m[4] = far_even - far_odd;
    m[5] = y[3];
  }
};

/// F(4,3) for a padded line of exactly 4: the two outer inputs are known to be 0.
struct WinogradLine4 : WinogradF4 {
  static constexpr int inputs = 4;
  static constexpr bool own_padding = true;

  template <class V>
  static void input(const V* d, V* v) {
    const V padded[6] = {V{}, d[0], d[1], d[2], d[3], V{}};
    WinogradF4::input(padded, v);
  }
};

/// A padded line of exactly 2 is a 2x2 Toeplitz product, (g1 g2; g0 g1) d, which takes 3 products as
/// Karatsuba's: no product with padding is left.
struct WinogradLine2 {
  static constexpr int inputs = 2;
  static constexpr int outputs = 2;
  static constexpr int positions = 3;
  static constexpr bool own_padding = true;
  static constexpr float filter[3][3] = {{0, 1, 0}, {0, -1, 1}, {1, -1, 0}};

  template <class V>
  static void input(const V* d, V* v) {
    v[0] = d[0] + d[1];
    v[1] = d[1];
    v[2] = d[0];
  }
  template <class V>
  static void output(const V* m, V* y) {
    y[0] = m[0] + m[1];
    y[1] = m[0] + m[2];
  }
  template <class V>
  static void output_adjoint(const V* y, V* m) {
    m[0] = y[0] + y[1];
    m[1] = y[0];
    m[2] = y[1];
  }
};

/// Some of a tile's rows of positions: weight gradients of all rows are the sum of those of the upper and of the lower.
template <int first, int count>
struct PositionRows {
  static constexpr int first_row = first;
  static constexpr int rows = count;
};
template <class Scheme>
using AllRows = PositionRows<0, Scheme::positions>;
template <class Scheme>
using UpperRows = PositionRows<0, Scheme::positions / 2>;
template <class Scheme>
using LowerRows = PositionRows<Scheme::positions / 2, Scheme::positions - Scheme::positions / 2>;

}  // namespace striate
