#pragma once
// Between images and the planes of a Winograd product (winograd.cpp): every tile of an image is a row of every plane,
// gathered before the product and scattered after it. Transforms run in registers over `lanes` channels at a time.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "core/panel_product.h"
#include "core/simd.h"
#include "layers/conv/apply_epilogue.h"
#include "layers/conv/winograd_scheme.h"

namespace striate {

/// A count of lanes that the compiler knows: loops over whole registers have no branch for the rest.
using AllLanes = std::integral_constant<std::int64_t, lanes>;

/// What a word's neighbours are: channels where a product sums over channels, tiles where it sums over tiles.
enum class Neighbours { channels, tiles };

/// Words in panels, as products want them: position p (row by row), tile t, word c is at
/// data[p*plane + c/panel_width*panel + t*panel_width + c%panel_width].
template <class Word>
struct Planes {
  Word* data;
  std::int64_t plane;
  std::int64_t panel;

  [[nodiscard]] Planes from(std::int64_t tile) const { return {data + tile * panel_width, plane, panel}; }
  [[nodiscard]] Word* at(std::int64_t c) const { return data + c / panel_width * panel + c % panel_width; }
};

/// Tiles that cover an image's outputs, numbered row by row, image by image.
struct TileGrid {
  std::int64_t rows;
  std::int64_t columns;

  [[nodiscard]] std::int64_t per_image() const { return rows * columns; }
};

/// Tiles of x, which overlap: v = B' d B, of which `Rows` are wanted.
template <class Scheme, class Rows = AllRows<Scheme>>
struct InputSide : Rows {
  static constexpr int size = Scheme::inputs;
  static constexpr int stride = Scheme::outputs;
  static constexpr int positions = Scheme::positions;
  static void transform(const Vec* d, Vec* v) { Scheme::input(d, v); }
};

/// Tiles of dy, side by side: z = A dy A', of which `Rows` are wanted.
template <class Scheme, class Rows = AllRows<Scheme>>
struct OutputSide : Rows {
  static constexpr int size = Scheme::outputs;
  static constexpr int stride = Scheme::outputs;
  static constexpr int positions = Scheme::positions;
  static void transform(const Vec* y, Vec* z) { Scheme::output_adjoint(y, z); }
};

/// Where a tile lies in its image: its first row and column may be outside.
struct TilePlace {
  std::int64_t image;
  std::int64_t top;
  std::int64_t left;
};

template <int stride>
TilePlace place_tile(const TileGrid& grid, std::int64_t tile, std::int64_t origin) {
  const std::int64_t in_image = tile % grid.per_image();
  return {tile / grid.per_image(), in_image / grid.columns * stride + origin,
          in_image % grid.columns * stride + origin};
}

/// Reads the pixels of tiles; pixels outside the image come from `zeros` (channels values).
template <class Side, class T>
struct TileReader {
  TileReader(const TileGrid& grid, const Images<const T>& images, const T* zeros, std::int64_t tile,
             std::int64_t origin)
      : ahead(Side::stride * images.channels) {
    const TilePlace at = place_tile<Side::stride>(grid, tile, origin);
    for (int i = 0; i < Side::size; ++i) {
      for (int j = 0; j < Side::size; ++j) {
        const std::int64_t h = at.top + i;
        const std::int64_t w = at.left + j;
        const bool inside = h >= 0 && h < images.height && w >= 0 && w < images.width;
        pixel[i][j] = inside ? images.at(at.image, h, w) : zeros;
      }
    }
  }

  /// The tile's transform for channels c, c+1, ..., of which `count` exist; a constant `lanes` makes whole registers.
  template <class Count>
  [[gnu::always_inline]] void read(std::int64_t c, Count count, Vec (&out)[Side::rows][Side::positions]) const {
    Vec half[Side::rows][Side::size];
#pragma GCC unroll 6
    for (int j = 0; j < Side::size; ++j) {
      Vec column[Side::size];
      Vec to[Side::positions];
#pragma GCC unroll 6
      for (int i = 0; i < Side::size; ++i) {
        column[i] = load_lanes(pixel[i][j] + c, count);
        if (j >= Side::size - Side::stride) __builtin_prefetch(pixel[i][j] + c + ahead);
      }
      Side::transform(column, to);
#pragma GCC unroll 6
      for (int i = 0; i < Side::rows; ++i) half[i][j] = to[Side::first_row + i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < Side::rows; ++i) Side::transform(half[i], out[i]);
  }

  const T* pixel[Side::size][Side::size];
  std::int64_t ahead;  ///< to the same pixel of the next tile, which is fetched while this one is computed
};

/// Writes the transforms of tiles first, first+1, ... to rows 0, 1, ... of `out`. Pairs of tiles share a word
/// where asked to: an odd last tile is paired with zeros.
template <class Side, Neighbours neighbours, class T>
void gather_tiles(const TileGrid& grid, const Images<const T>& images, const T* zeros, std::int64_t origin,
                  std::int64_t first, std::int64_t count, const Planes<WordOf<T>>& out) {
  constexpr bool is_float = std::is_same_v<T, float>;
  constexpr std::int64_t step = !is_float && neighbours == Neighbours::tiles ? 2 : 1;
  constexpr int n = Side::positions;
  constexpr int planes = Side::rows * n;
  for (std::int64_t t = 0; t < count; t += step) {
    const TileReader<Side, T> reader(grid, images, zeros, first + t, origin);
    const TileReader<Side, T> next(grid, images, zeros, first + std::min(t + step, count) - 1, origin);
    const Planes<WordOf<T>> rows = out.from(t / step);
    const auto transform = [&](std::int64_t c, auto left) {
      constexpr std::int64_t per_word = is_float || step == 2 ? 1 : 2;
      WordOf<T>* to = rows.at(c / per_word);
      Vec v[Side::rows][n];
      reader.read(c, left, v);
      if constexpr (step == 2) {
        Vec u[Side::rows][n] = {};
        if (t + 1 < count) next.read(c, left, u);
#pragma GCC unroll 36
        for (int p = 0; p < planes; ++p) {
          store(to + p * rows.plane, pair_bf16(v[p / n][p % n], u[p / n][p % n]));
        }
      } else {
#pragma GCC unroll 36
        for (int p = 0; p < planes; ++p) {
          if constexpr (is_float) {
            store(to + p * rows.plane, v[p / n][p % n]);
          } else {
            store(reinterpret_cast<bfloat16*>(to + p * rows.plane), v[p / n][p % n]);
          }
        }
      }
    };
    std::int64_t c = 0;
    for (; c + lanes <= images.channels; c += lanes) transform(c, AllLanes{});
    if (c < images.channels) transform(c, images.channels - c);
  }
}

/// Writes the outputs of tiles first, first+1, ... from rows 0, 1, ... of `planes`.
template <class Scheme, class T>
void scatter_tiles(const TileGrid& grid, const Images<T>& images, std::int64_t first, std::int64_t count,
                   const Planes<float>& planes, const ConvEpilogue<float>& epilogue) {
  constexpr int n = Scheme::positions;
  constexpr int size = Scheme::outputs;
  for (std::int64_t t = 0; t < count; ++t) {
    const TilePlace at = place_tile<size>(grid, first + t, 0);
    const Planes<float> rows = planes.from(t);
    T* corner = images.at(at.image, at.top, at.left);
    const auto transform = [&](std::int64_t c, auto left) {
      const float* from = rows.at(c);
      Vec half[size][n];
#pragma GCC unroll 6
      for (int j = 0; j < n; ++j) {
        Vec column[n];
        Vec to[size];
#pragma GCC unroll 6
        for (int i = 0; i < n; ++i) column[i] = load(from + (i * n + j) * rows.plane);
        Scheme::output(column, to);
#pragma GCC unroll 6
        for (int i = 0; i < size; ++i) half[i][j] = to[i];
      }
      const EpilogueOf<Vec> finish = epilogue_of<Vec>(epilogue, c, left);
#pragma GCC unroll 6
      for (int i = 0; i < size; ++i) {
        if (at.top + i >= images.height) break;
        Vec to[size];
        Scheme::output(half[i], to);
#pragma GCC unroll 6
        for (int j = 0; j < size; ++j) {
          if (at.left + j >= images.width) break;
          T* pixel = corner + (i * images.width + j) * images.channels + c;
          store_lanes(pixel, finish(to[j]), left);
        }
      }
    };
    std::int64_t c = 0;
    for (; c + lanes <= images.channels; c += lanes) transform(c, AllLanes{});
    if (c < images.channels) transform(c, images.channels - c);
  }
}

}  // namespace striate
