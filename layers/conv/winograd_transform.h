#pragma once
// Between images and the planes of a Winograd product: every tile of an image is a row of every plane,
// gathered before the product and scattered after it. Transforms run in registers over `lanes` channels at a
// time.

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "core/panel_product.h"
#include "core/simd.h"
#include "layers/conv/apply_epilogue.h"
#include "layers/conv/shape3x3.h"
#include "layers/conv/winograd_scheme.h"

namespace striate {

/// What a word's neighbours are: channels where a product sums over channels, tiles where it sums over tiles.
enum class Neighbours { channels, tiles };

/// Words in panels, as products want them: position p (row by row), tile t, word c is at
/// data[p*plane + c/panel_width*panel + t*panel_width + c%panel_width].
template <class Word>
struct Planes {
  Word* data;
  std::ptrdiff_t plane;
  std::ptrdiff_t panel;

  [[nodiscard]] Planes from(std::ptrdiff_t tile) const { return {data + tile * panel_width, plane, panel}; }
  [[nodiscard]] Word* at(std::ptrdiff_t c) const { return data + c / panel_width * panel + c % panel_width; }
};

/// (batch, height, width, channels)
template <class T>
struct Images {
  T* data;
  std::ptrdiff_t height;
  std::ptrdiff_t width;
  std::ptrdiff_t channels;
};

/// Tiles that cover an image's outputs, numbered row by row, image by image.
struct TileGrid {
  std::ptrdiff_t rows;
  std::ptrdiff_t columns;

  [[nodiscard]] std::ptrdiff_t per_image() const { return rows * columns; }
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
  std::ptrdiff_t image;
  std::ptrdiff_t top;
  std::ptrdiff_t left;
};

template <int stride>
TilePlace place_tile(const TileGrid& grid, std::ptrdiff_t tile, std::ptrdiff_t origin) {
  const std::ptrdiff_t in_image = tile % grid.per_image();
  return {tile / grid.per_image(), in_image / grid.columns * stride + origin,
          in_image % grid.columns * stride + origin};
}

/// Reads the pixels of tiles; pixels outside the image come from `zeros` (channels values).
template <class Side, class T>
struct TileReader {
  TileReader(const TileGrid& grid, const Images<const T>& images, const T* zeros, std::ptrdiff_t tile,
             std::ptrdiff_t origin)
      : ahead(Side::stride * images.channels) {
    const TilePlace at = place_tile<Side::stride>(grid, tile, origin);
    for (int i = 0; i < Side::size; ++i) {
      for (int j = 0; j < Side::size; ++j) {
        const std::ptrdiff_t h = at.top + i;
        const std::ptrdiff_t w = at.left + j;
        const bool inside = h >= 0 && h < images.height && w >= 0 && w < images.width;
        pixel[i][j] =
            inside ? images.data + ((at.image * images.height + h) * images.width + w) * images.channels : zeros;
      }
    }
  }

  /// The tile's transform for channels c, c+1, ..., of which `count` exist unless `whole`.
  template <bool whole>
  [[gnu::always_inline]] void read(std::ptrdiff_t c, std::ptrdiff_t count,
                                   Vec (&out)[Side::rows][Side::positions]) const {
    Vec half[Side::rows][Side::size];
#pragma GCC unroll 6
    for (int j = 0; j < Side::size; ++j) {
      Vec column[Side::size];
      Vec to[Side::positions];
#pragma GCC unroll 6
      for (int i = 0; i < Side::size; ++i) {
        column[i] = whole ? load(pixel[i][j] + c) : load_first(pixel[i][j] + c, count);
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
  std::ptrdiff_t ahead;  ///< to the same pixel of the next tile, which is fetched while this one is computed
};

/// Writes the transforms of tiles first, first+1, ... to rows 0, 1, ... of `out`. Pairs of tiles share a word
/// where asked to: an odd last tile is paired with zeros.
template <class Side, Neighbours neighbours, class T>
void gather_tiles(const TileGrid& grid, const Images<const T>& images, const T* zeros, std::ptrdiff_t origin,
                  std::ptrdiff_t first, std::ptrdiff_t count, const Planes<WordOf<T>>& out) {
  constexpr bool is_float = std::is_same_v<T, float>;
  constexpr std::ptrdiff_t step = !is_float && neighbours == Neighbours::tiles ? 2 : 1;
  constexpr int n = Side::positions;
  constexpr int planes = Side::rows * n;
  for (std::ptrdiff_t t = 0; t < count; t += step) {
    const TileReader<Side, T> reader(grid, images, zeros, first + t, origin);
    const TileReader<Side, T> next(grid, images, zeros, first + std::min(t + step, count) - 1, origin);
    const Planes<WordOf<T>> rows = out.from(t / step);
    const auto transform = [&]<bool whole>(std::ptrdiff_t c, std::ptrdiff_t left, std::bool_constant<whole> /*tag*/) {
      constexpr std::ptrdiff_t per_word = is_float || step == 2 ? 1 : 2;
      WordOf<T>* to = rows.at(c / per_word);
      Vec v[Side::rows][n];
      reader.template read<whole>(c, left, v);
      if constexpr (step == 2) {
        Vec u[Side::rows][n] = {};
        if (t + 1 < count) next.template read<whole>(c, left, u);
#pragma GCC unroll 36
        for (int p = 0; p < planes; ++p) {
          const VecBits words = pair_bf16(v[p / n][p % n], u[p / n][p % n]);
          std::memcpy(to + p * rows.plane, &words, sizeof words);
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
    std::ptrdiff_t c = 0;
    for (; c + lanes <= images.channels; c += lanes) transform(c, lanes, std::true_type{});
    if (c < images.channels) transform(c, images.channels - c, std::false_type{});
  }
}

/// Writes the outputs of tiles first, first+1, ... from rows 0, 1, ... of `planes`.
template <class Scheme, class T>
void scatter_tiles(const TileGrid& grid, const Images<T>& images, std::ptrdiff_t first, std::ptrdiff_t count,
                   const Planes<float>& planes, const ConvEpilogue<float>& epilogue) {
  constexpr int n = Scheme::positions;
  constexpr int size = Scheme::outputs;
  for (std::ptrdiff_t t = 0; t < count; ++t) {
    const TilePlace at = place_tile<size>(grid, first + t, 0);
    const Planes<float> rows = planes.from(t);
    T* corner = images.data + ((at.image * images.height + at.top) * images.width + at.left) * images.channels;
    const auto transform = [&]<bool whole>(std::ptrdiff_t c, std::ptrdiff_t left, std::bool_constant<whole> /*tag*/) {
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
      const EpilogueOf<Vec> finish = epilogue_of<Vec>(epilogue, c, whole ? lanes : left);
#pragma GCC unroll 6
      for (int i = 0; i < size; ++i) {
        if (at.top + i >= images.height) break;
        Vec to[size];
        Scheme::output(half[i], to);
#pragma GCC unroll 6
        for (int j = 0; j < size; ++j) {
          if (at.left + j >= images.width) break;
          T* pixel = corner + (i * images.width + j) * images.channels + c;
          if constexpr (whole) {
            store(pixel, finish(to[j]));
          } else {
            store_first(pixel, finish(to[j]), left);
          }
        }
      }
    };
    std::ptrdiff_t c = 0;
    for (; c + lanes <= images.channels; c += lanes) transform(c, lanes, std::true_type{});
    if (c < images.channels) transform(c, images.channels - c, std::false_type{});
  }
}

}  // namespace striate
