// 3x3 convolution of stride 1 by Winograd's minimal filtering (winograd_scheme.h):
//   forward: y = A' [(G w G') . (B' x B)] A for every tile of x, which is one product for each position;
//   backward data: the forward convolution of dy by flipped filters;
//   backward weights: dw = G' [(A dy A') . (B' x B)] G, summed over tiles, which is products again.
// (dx could share A dy A' with dw in the adjoint form B [...] B'; measured, the overlapping sums cost more than they
// save.) Work is cut by sizes only, and where the sum of a weight gradient is cut into parts they are added in order:
// any number of threads computes the same bits.

#include <algorithm>
#include <bit>
#include <cassert>

#include "core/integer.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "layers/conv/flip_filters.h"
#include "layers/conv/machine.h"
#include "layers/conv/weight_gradient.h"
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
  PlaneScratch(std::int64_t count, std::int64_t tiles, std::int64_t words)
      : panel_rows_(tiles | 1),
        plane_rows_(ceil_div(words, panel_width) * panel_rows_ | 1),
        memory_(tiles == 0 ? 0 : count * plane_rows_ * panel_width) {}
  Planes<Word> planes() { return {memory_.data(), plane_rows_ * panel_width, panel_rows_ * panel_width}; }

 private:
  std::int64_t panel_rows_;
  std::int64_t plane_rows_;
  Scratch<Word> memory_;
};

template <class T>
Scratch<T> make_zeros(std::int64_t count) {
  Scratch<T> zeros(count);
  std::fill_n(zeros.data(), count, T{});
  return zeros;
}

/// w in panels: panel, position, depth, column.
template <class Scheme, class Word>
class FilterPanels {
 public:
  /// w (3, 3, channels, filters)
  FilterPanels(const float* w, std::int64_t channels, std::int64_t filters)
      : position_(panel_words<Word>(channels)),
        panels_(ceil_div(filters, panel_width)),
        memory_(panels_ * plane_count<Scheme> * position_) {
    constexpr int n = Scheme::positions;
    parallel_for(panels_ * n, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t at = begin; at < end; ++at) {
        make_filter_panel<Scheme>(w, channels, filters, at / n * panel_width, static_cast<int>(at % n),
                                  memory_.data() + at * n * position_);
      }
    });
  }
  /// out = in * w, for rows 0 to tiles of every plane.
  void multiply(std::int64_t tiles, const Planes<Word>& in, const Planes<float>& out) {
    for (std::int64_t p = 0; p < plane_count<Scheme>; ++p) {
      for (std::int64_t panel = 0; panel < panels_; ++panel) {
        multiply_panel<Word>(tiles, {position_ / panel_width, panel_width},
                             {in.data + p * in.plane, panel_width, 1, in.panel},
                             {memory_.data() + (panel * plane_count<Scheme> + p) * position_},
                             out.data + p * out.plane + panel * out.panel, panel_width, false);
      }
    }
  }

 private:
  std::int64_t position_;
  std::int64_t panels_;
  Scratch<Word> memory_;
};

/// out = in * w for few tiles: filters are transformed where they are used, and never leave the cache.
template <class Scheme, class Word>
void multiply_filters(const float* w, std::int64_t channels, std::int64_t filters, std::int64_t tiles,
                      const Planes<Word>& in, const Planes<float>& out) {
  constexpr int n = Scheme::positions;
  const std::int64_t words = panel_words<Word>(channels);
  const std::int64_t panels = ceil_div(filters, panel_width);
  // Panels of one row of positions follow each other: they read the same planes of `in`.
  parallel_for(panels * n, 1, [&](std::int64_t begin, std::int64_t end) {
    Scratch<Word> panel(n * words);
    for (std::int64_t at = begin; at < end; ++at) {
      const std::int64_t first = at % panels * panel_width;
      const std::int64_t i = at / panels;
      make_filter_panel<Scheme>(w, channels, filters, first, static_cast<int>(i), panel.data());
      for (std::int64_t j = 0; j < n; ++j) {
        const std::int64_t p = i * n + j;
        multiply_panel<Word>(tiles, {words / panel_width, panel_width},
                             {in.data + p * in.plane, panel_width, 1, in.panel}, {panel.data() + j * words},
                             out.at(first) + p * out.plane, panel_width, false);
      }
    }
  });
}

template <class Scheme>
TileGrid tile_grid(const ConvGeometry& g) {
  return {ceil_div(g.p, Scheme::outputs), ceil_div(g.q, Scheme::outputs)};
}

/// The size of a tile's planes.
template <class Scheme, class Rows, class Word>
std::int64_t tile_bytes(const ConvGeometry& g) {
  constexpr std::int64_t word = sizeof(Word);
  return plane_count<Scheme, Rows> * (g.c + g.k) * word / word_depth<Word>;
}

/// Tiles that are taken through all steps at once, so that their planes stay in the second-level cache. Every block
/// reads all filters: where these exceed the last-level cache, larger blocks cost less.
template <class Scheme>
std::int64_t block_tiles(const ConvGeometry& g) {
  constexpr std::int64_t product_rows = 14;
  const std::int64_t filter_bytes = plane_count<Scheme> * g.c * g.k * 4;
  const std::int64_t least = filter_bytes > conv_machine.last_level_cache ? 2 : 1;
  const std::int64_t block_bytes = conv_machine.second_level_cache * 3 / 4;
  const std::int64_t fitting = block_bytes / tile_bytes<Scheme, AllRows<Scheme>, float>(g);
  return std::clamp<std::int64_t>(fitting / product_rows, least, 8) * product_rows;
}

/// Few tiles are taken through one step after the other, and each step is split in its own way; many go through all
/// steps block by block. Beside few tiles filters are large, so they are multiplied as soon as they are transformed.
bool few_tiles(std::int64_t tiles) { return tiles <= 256; }

template <class Scheme, class T>
void forward(const ConvGeometry& g, ConvInput<const T> x, ConvFilter<const float> w,
             const ConvEpilogue<float>& epilogue, ConvOutput<T> y) {
  using Word = WordOf<T>;
  constexpr int planes = plane_count<Scheme>;
  const TileGrid grid = tile_grid<Scheme>(g);
  const std::int64_t origin = Scheme::own_padding ? 0 : -g.padding.height;
  const std::int64_t tiles = g.n * grid.per_image();
  if (tiles == 0) return;
  const std::int64_t words = ceil_div(g.c, word_depth<Word>);
  const Images<const T> in{x.data, g.h, g.w, g.c};
  const Images<T> out{y.data, g.p, g.q, g.k};
  Scratch<T> zeros = make_zeros<T>(g.c);
  const auto gather = [&](std::int64_t first, std::int64_t count, const Planes<Word>& v) {
    gather_tiles<InputSide<Scheme>, Neighbours::channels, T>(grid, in, zeros.data(), origin, first, count, v);
  };
  const auto scatter = [&](std::int64_t first, std::int64_t count, const Planes<float>& m) {
    scatter_tiles<Scheme, T>(grid, out, first, count, m, epilogue);
  };
  if (few_tiles(tiles)) {
    constexpr std::int64_t grain = 4;
    PlaneScratch<Word> v(planes, tiles, words);
    PlaneScratch<float> m(planes, tiles, g.k);
    parallel_for(tiles, grain,
                 [&](std::int64_t begin, std::int64_t end) { gather(begin, end - begin, v.planes().from(begin)); });
    multiply_filters<Scheme, Word>(w.data, g.c, g.k, tiles, v.planes(), m.planes());
    parallel_for(tiles, grain,
                 [&](std::int64_t begin, std::int64_t end) { scatter(begin, end - begin, m.planes().from(begin)); });
    return;
  }
  FilterPanels<Scheme, Word> filters(w.data, g.c, g.k);
  parallel_for(tiles, block_tiles<Scheme>(g), [&](std::int64_t begin, std::int64_t end) {
    PlaneScratch<Word> v(planes, end - begin, words);
    PlaneScratch<float> m(planes, end - begin, g.k);
    gather(begin, end - begin, v.planes());
    filters.multiply(end - begin, v.planes(), m.planes());
    scatter(begin, end - begin, m.planes());
  });
}

/// Blocks of channels by filters, which a weight gradient is shared out by.
struct WeightBlocks {
  std::int64_t channels = panel_width;
  std::int64_t filters;
  std::int64_t across;  ///< blocks side by side along the filters
  std::int64_t count;

  explicit WeightBlocks(const ConvGeometry& g)
      : filters((g.c * g.k < 128 * 128 ? 1 : 2) * panel_width),
        across(ceil_div(g.k, filters)),
        count(ceil_div(g.c, channels) * across) {}
};

/// dw = or += G' (V' z) G over `depth` words of tiles and some rows of positions.
template <class Scheme, class Rows, class Word>
void multiply_weight_gradient(const ConvGeometry& g, std::int64_t depth, const Planes<Word>& v, const Planes<Word>& z,
                              bool overwrite, float* dw) {
  constexpr int planes = plane_count<Scheme, Rows>;
  const WeightBlocks blocks(g);
  parallel_for(blocks.count, 1, [&](std::int64_t begin, std::int64_t end) {
    // Planes end in a spare register: a power of two between them would make them compete for lines.
    const std::int64_t plane = blocks.channels * blocks.filters + lanes;
    Scratch<float> u(planes * plane);
    for (std::int64_t at = begin; at < end; ++at) {
      const std::int64_t c0 = at / blocks.across * blocks.channels;
      const std::int64_t k0 = at % blocks.across * blocks.filters;
      const std::int64_t rows = std::min(blocks.channels, g.c - c0);
      const std::int64_t row = std::min(blocks.filters, round_up(g.k - k0, panel_width));
      for (std::int64_t p = 0; p < planes; ++p) {
        for (std::int64_t k = 0; k < row; k += panel_width) {
          multiply_panel<Word>(rows, PanelDepth(depth), {v.at(c0) + p * v.plane, 1, panel_width},
                               {z.at(k0 + k) + p * z.plane}, u.data() + p * plane + k, row, false);
        }
      }
      add_filter_gradient<Scheme, Rows>(u.data(), plane, rows, row, g.c, g.k, c0, k0, overwrite, dw);
    }
  });
}

/// With fewer tiles at a time, the transforms of the gradient would cost more than moving the planes through memory.
std::int64_t enough_tiles(const ConvGeometry& g) {
  return std::max<std::int64_t>(3 * g.c * g.k / (2 * (g.c + g.k)), 16);
}

/// How a weight gradient is cut into parts, so that a thread sums a part from planes that no other core reads: into
/// ranges of tiles, and each of them into halves of the rows of positions where planes of enough tiles are too large.
/// Part p is half p % halves of range p / halves.
struct WeightParts {
  std::int64_t ranges;
  std::int64_t halves;  ///< 1 or 2

  [[nodiscard]] std::int64_t count() const { return ranges * halves; }
};

/// Partial sums stay within some bytes: with many channels there are few parts, or one.
template <class Scheme, class Word>
WeightParts weight_parts(const ConvGeometry& g, std::int64_t tiles) {
  constexpr std::int64_t most_bytes = conv_machine.last_level_cache * 5 / 8;
  const std::int64_t bytes = 9 * g.c * g.k * std::int64_t{sizeof(float)};
  const std::int64_t least_tiles = std::max<std::int64_t>(enough_tiles(g), 128);
  const auto parts = std::min<std::int64_t>({64, most_bytes / bytes, tiles / least_tiles});
  const auto count =
      static_cast<std::int64_t>(std::bit_floor(static_cast<std::size_t>(std::max<std::int64_t>(parts, 1))));
  const bool large = enough_tiles(g) * tile_bytes<Scheme, AllRows<Scheme>, Word>(g) > conv_machine.last_level_cache / 4;
  const std::int64_t halves = count > 1 && large && Scheme::positions % 2 == 0 ? 2 : 1;
  return {count / halves, halves};
}

/// Tiles of a range that are summed at a time: few, so that their planes stay in the cache; even, so that pairs share
/// words.
template <class Scheme, class Rows, class Word>
std::int64_t group_tiles(const ConvGeometry& g, std::int64_t tiles, std::int64_t cache_bytes) {
  const std::int64_t most = std::max(cache_bytes / tile_bytes<Scheme, Rows, Word>(g), enough_tiles(g));
  return round_up(ceil_div(tiles, ceil_div(tiles, most)), 2);
}

/// dw, or the half of it that `Rows` give, over the tiles begin .. end-1.
template <class Scheme, class Rows, class T>
void sum_weight_gradient(const ConvGeometry& g, std::int64_t begin, std::int64_t end, std::int64_t cache_bytes,
                         const T* x, const T* dy, const T* zeros, float* dw) {
  assert(begin < end);
  using Word = WordOf<T>;
  constexpr int planes = plane_count<Scheme, Rows>;
  const std::int64_t group = group_tiles<Scheme, Rows, Word>(g, end - begin, cache_bytes);
  const TileGrid grid = tile_grid<Scheme>(g);
  const std::int64_t origin = Scheme::own_padding ? 0 : -g.padding.height;
  const Images<const T> in{x, g.h, g.w, g.c};
  const Images<const T> out{dy, g.p, g.q, g.k};
  PlaneScratch<Word> v(planes, group / word_depth<Word>, g.c);
  PlaneScratch<Word> z(planes, group / word_depth<Word>, g.k);
  for (std::int64_t first = begin; first < end; first += group) {
    const std::int64_t count = std::min(group, end - first);
    constexpr std::int64_t grain = 8;
    parallel_for(count, grain, [&](std::int64_t from, std::int64_t to) {
      const std::int64_t word = from / word_depth<Word>;
      gather_tiles<InputSide<Scheme, Rows>, Neighbours::tiles, T>(grid, in, zeros, origin, first + from, to - from,
                                                                  v.planes().from(word));
      gather_tiles<OutputSide<Scheme, Rows>, Neighbours::tiles, T>(grid, out, zeros, 0, first + from, to - from,
                                                                   z.planes().from(word));
    });
    multiply_weight_gradient<Scheme, Rows, Word>(g, ceil_div(count, word_depth<Word>), v.planes(), z.planes(),
                                                 first == begin, dw);
  }
}

template <class Scheme, class T>
void backward_weights(const ConvGeometry& g, ConvInput<const T> x, ConvOutput<const T> dy, ConvFilter<float> dw) {
  const std::int64_t tiles = g.n * tile_grid<Scheme>(g).per_image();
  const std::int64_t size = g.filter_size();
  if (tiles == 0) {
    std::fill_n(dw.data, size, 0.F);
    return;
  }
  Scratch<T> zeros = make_zeros<T>(std::max(g.c, g.k));
  const WeightParts parts = weight_parts<Scheme, WordOf<T>>(g, tiles);
  const std::int64_t count = parts.count();
  const std::int64_t range_tiles = round_up(ceil_div(tiles, parts.ranges), 2);
  const std::int64_t cache_bytes = conv_machine.last_level_cache * (count == 1 ? 3 : 1) / 8;
  Scratch<float> sums((count - 1) * size);
  const auto sum_of = [&](std::int64_t part) { return part == 0 ? dw.data : sums.data() + (part - 1) * size; };
  const auto sum_part = [&]<class Rows>(Rows /*tag*/, std::int64_t part) {
    const std::int64_t first = part / parts.halves * range_tiles;
    sum_weight_gradient<Scheme, Rows, T>(g, first, std::min(tiles, first + range_tiles), cache_bytes, x.data, dy.data,
                                         zeros.data(), sum_of(part));
  };
  // Threads that the parts would leave idle take them one after the other, each together: the same sums.
  const bool together = count < std::min<std::int64_t>(num_threads(), WeightBlocks(g).count);
  parallel_for(count, together ? count : 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      if (parts.halves == 1) {
        sum_part(AllRows<Scheme>{}, part);
      } else if (part % parts.halves == 0) {
        sum_part(UpperRows<Scheme>{}, part);
      } else {
        sum_part(LowerRows<Scheme>{}, part);
      }
    }
  });
  add_parts(sums.data(), count - 1, size, dw.data);
}

/// A scheme that skips the products with padding is for padded maps of its own size.
template <class Scheme>
bool fits(const ConvGeometry& g) {
  if (!g.is_plain_3x3()) return false;
  return !Scheme::own_padding || (g.padding == Extent2d(1) && g.h == Scheme::outputs && g.w == Scheme::outputs);
}

/// Every tile is transformed, with the channels of its input and output in whole registers. Filters are read for each
/// row of positions, and transformed for each position.
template <class Scheme>
double cost(const ConvGeometry& g, DType dtype, ConvDirection direction, const ConvMachine& machine) {
  constexpr bool large = Scheme::outputs == 4;
  // With products of bf16 the transforms of 4x4 tiles lose more precision than the products themselves.
  if (large && dtype == DType::bf16) return only_on_request;
  constexpr double positions = plane_count<Scheme>;
  const std::int64_t tiles = g.n * tile_grid<Scheme>(g).per_image();
  const double registers = ratio(round_up(g.c, lanes), g.c * g.c) + ratio(round_up(g.k, lanes), g.k * g.k);
  const double transform = large ? machine.winograd_f4_transform : machine.winograd_transform;
  const double filters = direction == ConvDirection::backward_weights
                             ? machine.winograd_gradient * positions
                             : machine.winograd_filter_row * Scheme::positions + machine.winograd_filter * positions;
  return positions * static_cast<double>(tiles) * (panel_waste(g, direction) + transform * registers) + filters;
}

template <class Scheme, class T>
constexpr ConvKernels<T> kernels = {forward<Scheme, T>, backward_data_by_forward<forward<Scheme, T>, T>,
                                    backward_weights<Scheme, T>};

template <class Scheme>
constexpr ConvAlgorithm algorithm(const char* name) {
  return {name, fits<Scheme>, cost<Scheme>, kernels<Scheme, float>, kernels<Scheme, bfloat16>};
}

}  // namespace

const ConvAlgorithm conv_by::winograd_f2 = algorithm<WinogradF2>("winograd_f2");
const ConvAlgorithm conv_by::winograd_f4 = algorithm<WinogradF4>("winograd_f4");
const ConvAlgorithm conv_by::winograd_line2 = algorithm<WinogradLine2>("winograd_line2");
const ConvAlgorithm conv_by::winograd_line4 = algorithm<WinogradLine4>("winograd_line4");

}  // namespace striate
