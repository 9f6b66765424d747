#include "layers/conv/winograd.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "core/parallel.h"
#include "core/scratch.h"
#include "layers/conv/flip_filters.h"
#include "layers/conv/winograd_filter.h"
#include "layers/conv/winograd_scheme.h"
#include "layers/conv/winograd_transform.h"

namespace striate {
namespace {

template <class Scheme, class Rows = AllRows<Scheme>>
constexpr int plane_count = Rows::rows* Scheme::positions;

/// Owns planes for `tiles` tiles of `words` words. Odd numbers of rows keep panels and planes off the powers
/// of two that would make them compete for the same lines of a cache.
template <class Word>
class PlaneScratch {
 public:
  PlaneScratch(std::ptrdiff_t count, std::ptrdiff_t tiles, std::ptrdiff_t words)
      : panel_rows_(tiles | 1),
        plane_rows_(ceil_div(words, panel_width) * panel_rows_ | 1),
        memory_(tiles == 0 ? 0 : count * plane_rows_ * panel_width) {}
  Planes<Word> planes() { return {memory_.data(), plane_rows_ * panel_width, panel_rows_ * panel_width}; }

 private:
  std::ptrdiff_t panel_rows_;
  std::ptrdiff_t plane_rows_;
  Scratch<Word> memory_;
};

template <class T>
class Zeros {
 public:
  explicit Zeros(std::ptrdiff_t count) : memory_(count) { std::fill_n(memory_.data(), count, T{}); }
  const T* data() { return memory_.data(); }

 private:
  Scratch<T> memory_;
};

/// w in panels: panel, position, depth, column.
template <class Scheme, class Word>
class FilterPanels {
 public:
  /// w (3, 3, channels, filters)
  FilterPanels(const float* w, std::ptrdiff_t channels, std::ptrdiff_t filters)
      : position_(panel_words<Word>(channels)),
        panels_(ceil_div(filters, panel_width)),
        memory_(panels_ * plane_count<Scheme> * position_) {
    constexpr int n = Scheme::positions;
    parallel_for(panels_ * n, 1, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
      for (std::ptrdiff_t at = begin; at < end; ++at) {
        make_filter_panel<Scheme>(w, channels, filters, at / n * panel_width, static_cast<int>(at % n),
                                  memory_.data() + at * n * position_);
      }
    });
  }
  /// out = in * w, for rows 0 to tiles of every plane.
  void multiply(std::ptrdiff_t tiles, const Planes<Word>& in, const Planes<float>& out) {
    for (std::ptrdiff_t p = 0; p < plane_count<Scheme>; ++p) {
      for (std::ptrdiff_t panel = 0; panel < panels_; ++panel) {
        multiply_panel<Word>(tiles, {position_ / panel_width, panel_width},
                             {in.data + p * in.plane, panel_width, 1, in.panel},
                             {memory_.data() + (panel * plane_count<Scheme> + p) * position_},
                             out.data + p * out.plane + panel * out.panel, panel_width, false);
      }
    }
  }

 private:
  std::ptrdiff_t position_;
  std::ptrdiff_t panels_;
  Scratch<Word> memory_;
};

/// out = in * w for few tiles: filters are transformed where they are used, and never leave the cache.
template <class Scheme, class Word>
void multiply_filters(const float* w, std::ptrdiff_t channels, std::ptrdiff_t filters, std::ptrdiff_t tiles,
                      const Planes<Word>& in, const Planes<float>& out) {
  constexpr int n = Scheme::positions;
  const std::ptrdiff_t words = panel_words<Word>(channels);
  const std::ptrdiff_t panels = ceil_div(filters, panel_width);
  // Panels of one row of positions follow each other: they read the same planes of `in`.
  parallel_for(panels * n, 1, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    Scratch<Word> panel(n * words);
    for (std::ptrdiff_t at = begin; at < end; ++at) {
      const std::ptrdiff_t first = at % panels * panel_width;
      const std::ptrdiff_t i = at / panels;
      make_filter_panel<Scheme>(w, channels, filters, first, static_cast<int>(i), panel.data());
      for (std::ptrdiff_t j = 0; j < n; ++j) {
        const std::ptrdiff_t p = i * n + j;
        multiply_panel<Word>(tiles, {words / panel_width, panel_width},
                             {in.data + p * in.plane, panel_width, 1, in.panel}, {panel.data() + j * words},
                             out.at(first) + p * out.plane, panel_width, false);
      }
    }
  });
}

template <class Scheme>
TileGrid tile_grid(const Conv3x3Shape& shape) {
  return {ceil_div(shape.out_height(), Scheme::outputs), ceil_div(shape.out_width(), Scheme::outputs)};
}

/// What the planes of a tile take.
template <class Scheme, class Rows, class Word>
std::ptrdiff_t tile_bytes(const Conv3x3Shape& shape) {
  constexpr std::ptrdiff_t word = sizeof(Word);
  return plane_count<Scheme, Rows> * (shape.channels + shape.filters) * word / word_depth<Word>;
}

/// Tiles that are taken through all steps at once, so that their planes stay in the second-level cache. Every block
/// reads all filters: where these pass the last-level cache, larger blocks cost less.
template <class Scheme>
std::ptrdiff_t block_tiles(const Conv3x3Shape& shape) {
  constexpr std::ptrdiff_t product_rows = 14;
  const std::ptrdiff_t filter_bytes = plane_count<Scheme> * shape.channels * shape.filters * 4;
  const std::ptrdiff_t least = filter_bytes > std::ptrdiff_t{16} << 20 ? 2 : 1;
  const std::ptrdiff_t fitting = (std::ptrdiff_t{768} << 10) / tile_bytes<Scheme, AllRows<Scheme>, float>(shape);
  return std::clamp<std::ptrdiff_t>(fitting / product_rows, least, 8) * product_rows;
}

/// Few tiles are taken through one step after the other, with the work of each step split its own way; many
/// go through all steps block by block. Filters are big beside few tiles, so they are used up as they are
/// transformed.
bool few_tiles(std::ptrdiff_t tiles) { return tiles <= 256; }

template <class Scheme, class T>
void forward(const Conv3x3Shape& shape, const T* x, const float* w, const ConvEpilogue<float>& epilogue, T* y) {
  using Word = WordOf<T>;
  constexpr int planes = plane_count<Scheme>;
  const TileGrid grid = tile_grid<Scheme>(shape);
  const std::ptrdiff_t origin = Scheme::own_padding ? 0 : -shape.padding;
  const std::ptrdiff_t tiles = shape.batch * grid.per_image();
  if (tiles == 0) return;
  const std::ptrdiff_t words = ceil_div(shape.channels, word_depth<Word>);
  const Images<const T> in{x, shape.height, shape.width, shape.channels};
  const Images<T> out{y, shape.out_height(), shape.out_width(), shape.filters};
  Zeros<T> zeros(shape.channels);
  const auto gather = [&](std::ptrdiff_t first, std::ptrdiff_t count, const Planes<Word>& v) {
    gather_tiles<InputSide<Scheme>, Neighbours::channels, T>(grid, in, zeros.data(), origin, first, count, v);
  };
  const auto scatter = [&](std::ptrdiff_t first, std::ptrdiff_t count, const Planes<float>& m) {
    scatter_tiles<Scheme, T>(grid, out, first, count, m, epilogue);
  };
  if (few_tiles(tiles)) {
    constexpr std::ptrdiff_t grain = 4;
    PlaneScratch<Word> v(planes, tiles, words);
    PlaneScratch<float> m(planes, tiles, shape.filters);
    parallel_for(tiles, grain,
                 [&](std::ptrdiff_t begin, std::ptrdiff_t end) { gather(begin, end - begin, v.planes().from(begin)); });
    multiply_filters<Scheme, Word>(w, shape.channels, shape.filters, tiles, v.planes(), m.planes());
    parallel_for(tiles, grain, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
      scatter(begin, end - begin, m.planes().from(begin));
    });
    return;
  }
  FilterPanels<Scheme, Word> filters(w, shape.channels, shape.filters);
  parallel_for(tiles, block_tiles<Scheme>(shape), [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    PlaneScratch<Word> v(planes, end - begin, words);
    PlaneScratch<float> m(planes, end - begin, shape.filters);
    gather(begin, end - begin, v.planes());
    filters.multiply(end - begin, v.planes(), m.planes());
    scatter(begin, end - begin, m.planes());
  });
}

/// Blocks of channels by filters, which a weight gradient is shared out by.
struct WeightBlocks {
  std::ptrdiff_t channels = panel_width;
  std::ptrdiff_t filters;
  std::ptrdiff_t across;  ///< blocks side by side along the filters
  std::ptrdiff_t count;

  explicit WeightBlocks(const Conv3x3Shape& shape)
      : filters((shape.channels * shape.filters < 128 * 128 ? 1 : 2) * panel_width),
        across(ceil_div(shape.filters, filters)),
        count(ceil_div(shape.channels, channels) * across) {}
};

/// dw = or += G' (V' z) G over `depth` words of tiles and some rows of positions.
template <class Scheme, class Rows, class Word>
void multiply_weight_gradient(const Conv3x3Shape& shape, std::ptrdiff_t depth, const Planes<Word>& v,
                              const Planes<Word>& z, bool overwrite, float* dw) {
  constexpr int planes = plane_count<Scheme, Rows>;
  const WeightBlocks blocks(shape);
  parallel_for(blocks.count, 1, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    // Planes end in a spare register: a power of two between them would make them compete for lines.
    const std::ptrdiff_t plane = blocks.channels * blocks.filters + lanes;
    Scratch<float> u(planes * plane);
    for (std::ptrdiff_t at = begin; at < end; ++at) {
      const std::ptrdiff_t c0 = at / blocks.across * blocks.channels;
      const std::ptrdiff_t k0 = at % blocks.across * blocks.filters;
      const std::ptrdiff_t rows = std::min(blocks.channels, shape.channels - c0);
      const std::ptrdiff_t row = std::min(blocks.filters, round_up(shape.filters - k0, panel_width));
      for (std::ptrdiff_t p = 0; p < planes; ++p) {
        for (std::ptrdiff_t k = 0; k < row; k += panel_width) {
          multiply_panel<Word>(rows, PanelDepth(depth), {v.at(c0) + p * v.plane, 1, panel_width},
                               {z.at(k0 + k) + p * z.plane}, u.data() + p * plane + k, row, false);
        }
      }
      add_filter_gradient<Scheme, Rows>(u.data(), plane, rows, row, shape.channels, shape.filters, c0, k0, overwrite,
                                        dw);
    }
  });
}

/// The tiles first .. last-1, whose weight gradient, or half of it, is summed on its own.
struct TileRange {
  std::ptrdiff_t first;
  std::ptrdiff_t last;
};

/// Fewer tiles in one go, and the gradient's own transforms would cost more than the planes' way to memory.
std::ptrdiff_t enough_tiles(const Conv3x3Shape& shape) {
  return std::max<std::ptrdiff_t>(3 * shape.channels * shape.filters / (2 * (shape.channels + shape.filters)), 16);
}

/// How a weight gradient is cut into parts, so that a thread sums a part from planes that no other core reads: into
/// ranges of tiles, and each of them into halves of the rows of positions where planes of enough tiles are too large.
/// Part p is half p % halves of range p / halves.
struct WeightParts {
  std::ptrdiff_t ranges;
  std::ptrdiff_t halves;  ///< 1 or 2

  [[nodiscard]] std::ptrdiff_t count() const { return ranges * halves; }
};

/// Partial sums stay within some bytes: with many channels there are few parts, or one.
template <class Scheme, class Word>
WeightParts weight_parts(const Conv3x3Shape& shape, std::ptrdiff_t tiles) {
  constexpr std::ptrdiff_t most_bytes = std::ptrdiff_t{10} << 20;
  const std::ptrdiff_t bytes = 9 * shape.channels * shape.filters * std::ptrdiff_t{sizeof(float)};
  const std::ptrdiff_t least_tiles = std::max<std::ptrdiff_t>(enough_tiles(shape), 128);
  const auto parts = std::min<std::ptrdiff_t>({64, most_bytes / bytes, tiles / least_tiles});
  const auto count =
      static_cast<std::ptrdiff_t>(std::bit_floor(static_cast<std::size_t>(std::max<std::ptrdiff_t>(parts, 1))));
  const bool large = enough_tiles(shape) * tile_bytes<Scheme, AllRows<Scheme>, Word>(shape) > std::ptrdiff_t{4} << 20;
  const std::ptrdiff_t halves = count > 1 && large && Scheme::positions % 2 == 0 ? 2 : 1;
  return {count / halves, halves};
}

/// Tiles of a range that are summed in one go: few, so that their planes stay in the cache; even, so that pairs share
/// words.
template <class Scheme, class Rows, class Word>
std::ptrdiff_t group_tiles(const Conv3x3Shape& shape, std::ptrdiff_t tiles, std::ptrdiff_t cache_bytes) {
  const std::ptrdiff_t most = std::max(cache_bytes / tile_bytes<Scheme, Rows, Word>(shape), enough_tiles(shape));
  return round_up(ceil_div(tiles, ceil_div(tiles, most)), 2);
}

template <class Scheme, class Rows, class T>
void sum_weight_gradient(const Conv3x3Shape& shape, const TileRange& range, std::ptrdiff_t cache_bytes, const T* x,
                         const T* dy, const T* zeros, float* dw) {
  assert(range.first < range.last);
  using Word = WordOf<T>;
  constexpr int planes = plane_count<Scheme, Rows>;
  const std::ptrdiff_t group = group_tiles<Scheme, Rows, Word>(shape, range.last - range.first, cache_bytes);
  const TileGrid grid = tile_grid<Scheme>(shape);
  const std::ptrdiff_t origin = Scheme::own_padding ? 0 : -shape.padding;
  const Images<const T> in{x, shape.height, shape.width, shape.channels};
  const Images<const T> out{dy, shape.out_height(), shape.out_width(), shape.filters};
  PlaneScratch<Word> v(planes, group / word_depth<Word>, shape.channels);
  PlaneScratch<Word> z(planes, group / word_depth<Word>, shape.filters);
  for (std::ptrdiff_t first = range.first; first < range.last; first += group) {
    const std::ptrdiff_t count = std::min(group, range.last - first);
    constexpr std::ptrdiff_t grain = 8;
    parallel_for(count, grain, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
      const std::ptrdiff_t word = begin / word_depth<Word>;
      gather_tiles<InputSide<Scheme, Rows>, Neighbours::tiles, T>(grid, in, zeros, origin, first + begin, end - begin,
                                                                  v.planes().from(word));
      gather_tiles<OutputSide<Scheme, Rows>, Neighbours::tiles, T>(grid, out, zeros, 0, first + begin, end - begin,
                                                                   z.planes().from(word));
    });
    multiply_weight_gradient<Scheme, Rows, Word>(shape, ceil_div(count, word_depth<Word>), v.planes(), z.planes(),
                                                 first == range.first, dw);
  }
}

template <class Scheme, class T>
void backward_weights(const Conv3x3Shape& shape, const T* x, const T* dy, float* dw) {
  const std::ptrdiff_t tiles = shape.batch * tile_grid<Scheme>(shape).per_image();
  const std::ptrdiff_t size = 9 * shape.channels * shape.filters;
  if (tiles == 0) {
    std::fill_n(dw, size, 0.F);
    return;
  }
  Zeros<T> zeros(std::max(shape.channels, shape.filters));
  const WeightParts parts = weight_parts<Scheme, WordOf<T>>(shape, tiles);
  const std::ptrdiff_t count = parts.count();
  const std::ptrdiff_t range_tiles = round_up(ceil_div(tiles, parts.ranges), 2);
  const std::ptrdiff_t cache_bytes = std::ptrdiff_t{count == 1 ? 6 : 2} << 20;
  Scratch<float> sums((count - 1) * size);
  const auto sum_of = [&](std::ptrdiff_t part) { return part == 0 ? dw : sums.data() + (part - 1) * size; };
  const auto sum_part = [&]<class Rows>(Rows /*tag*/, std::ptrdiff_t part) {
    const std::ptrdiff_t first = part / parts.halves * range_tiles;
    sum_weight_gradient<Scheme, Rows, T>(shape, {first, std::min(tiles, first + range_tiles)}, cache_bytes, x, dy,
                                         zeros.data(), sum_of(part));
  };
  // Threads that the parts would leave idle take them one after the other, each together: the same sums.
  const bool together = count < std::min<std::ptrdiff_t>(num_threads(), WeightBlocks(shape).count);
  parallel_for(count, together ? count : 1, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t part = begin; part < end; ++part) {
      if (parts.halves == 1) {
        sum_part(AllRows<Scheme>{}, part);
      } else if (part % parts.halves == 0) {
        sum_part(UpperRows<Scheme>{}, part);
      } else {
        sum_part(LowerRows<Scheme>{}, part);
      }
    }
  });
  if (count == 1) return;
  parallel_for(size, 4096, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t part = 1; part < count; ++part) {
      const float* from = sum_of(part);
      for (std::ptrdiff_t i = begin; i < end; ++i) dw[i] += from[i];
    }
  });
}

template <class F>
void with_scheme(WinogradTile tile, F&& call) {
  switch (tile) {
    case WinogradTile::f2:
      return call(WinogradF2{});
    case WinogradTile::f4:
      return call(WinogradF4{});
    case WinogradTile::line2:
      return call(WinogradLine2{});
    case WinogradTile::line4:
      return call(WinogradLine4{});
  }
}

}  // namespace

bool winograd_fits(const Conv3x3Shape& shape, WinogradTile tile) {
  const auto is_map = [&](std::ptrdiff_t size) {
    return shape.padding == 1 && shape.height == size && shape.width == size;
  };
  if (tile == WinogradTile::line2) return is_map(2);
  if (tile == WinogradTile::line4) return is_map(4);
  return true;
}

template <class T>
void winograd_forward(const Conv3x3Shape& shape, WinogradTile tile, const T* x, const float* w,
                      const ConvEpilogue<float>& epilogue, T* y) {
  with_scheme(tile, [&]<class Scheme>(Scheme /*tag*/) { forward<Scheme, T>(shape, x, w, epilogue, y); });
}

template <class T>
void winograd_backward_data(const Conv3x3Shape& shape, WinogradTile tile, const float* w, const T* dy, T* dx) {
  Scratch<float> filters(9 * shape.channels * shape.filters);
  turn_filters(w, 9, shape.channels, shape.filters, filters.data());
  winograd_forward<T>(turned(shape), tile, dy, filters.data(), {}, dx);
}

template <class T>
void winograd_backward_weights(const Conv3x3Shape& shape, WinogradTile tile, const T* x, const T* dy, float* dw) {
  with_scheme(tile, [&]<class Scheme>(Scheme /*tag*/) { backward_weights<Scheme, T>(shape, x, dy, dw); });
}

template void winograd_forward(const Conv3x3Shape&, WinogradTile, const float*, const float*,
                               const ConvEpilogue<float>&, float*);
template void winograd_forward(const Conv3x3Shape&, WinogradTile, const bfloat16*, const float*,
                               const ConvEpilogue<float>&, bfloat16*);
template void winograd_backward_data(const Conv3x3Shape&, WinogradTile, const float*, const float*, float*);
template void winograd_backward_data(const Conv3x3Shape&, WinogradTile, const float*, const bfloat16*, bfloat16*);
template void winograd_backward_weights(const Conv3x3Shape&, WinogradTile, const float*, const float*, float*);
template void winograd_backward_weights(const Conv3x3Shape&, WinogradTile, const bfloat16*, const bfloat16*, float*);

}  // namespace striate
