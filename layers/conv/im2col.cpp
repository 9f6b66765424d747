// im2col: convolution of any shape as products of gathered rows (im2col_gather.h) and packed filters (im2col_pack.h).
// `product` is the same for 1x1 kernels, which need no gathering with stride 1: rows are read where they lie.

#include <algorithm>
#include <type_traits>

#include "core/integer.h"
#include "core/panel_product.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "layers/conv/apply_epilogue.h"
#include "layers/conv/flip_filters.h"
#include "layers/conv/im2col_gather.h"
#include "layers/conv/im2col_pack.h"
#include "layers/conv/machine.h"
#include "layers/conv/weight_gradient.h"

namespace striate {
namespace {

constexpr std::int64_t kTasks = 16;     // at least: enough for threads to share evenly
constexpr std::int64_t kDepth = 512;    // words of a row that are gathered at a time
constexpr std::int64_t kColumns = 512;  // columns of the result at a time
// Panels that are packed together where they are used, and words of each in turn: rows of large filters lie pages
// apart.
constexpr std::int64_t kPacked = 8;
constexpr std::int64_t kPackedDepth = 32;
constexpr std::int64_t kPositions = 256;  // of a weight gradient, at a time

/// Writes rows of panels to their positions in `to`, from channel `channel` on.
template <class T>
struct Results {
  Images<T> to;
  ConvEpilogue<float> epilogue;

  [[nodiscard]] T* place(const Gather<T>& m, std::int64_t position) const {
    const std::int64_t h = m.rows->first + position / m.columns->count % m.rows->count * m.rows->stride;
    const std::int64_t w = m.columns->first + position % m.columns->count * m.columns->stride;
    return to.at(position / m.positions_per_image(), h, w);
  }
  void write(const Gather<T>& m, std::int64_t begin, std::int64_t end, std::int64_t channel, std::int64_t count,
             const float* sums) const {
    for (std::int64_t i = begin; i < end; ++i) {
      T* out = place(m, i) + channel;
      for (std::int64_t k = 0; k < count; k += lanes) {
        const std::int64_t left = std::min<std::int64_t>(lanes, count - k);
        const Vec sum = load(sums + (k / panel_width * (end - begin) + i - begin) * panel_width + k % panel_width);
        store_lanes(out + k, epilogue_of<Vec>(epilogue, channel + k, left)(sum), left);
      }
    }
  }
};

/// results = gathered rows times filters, for all of the gather's positions in `images` images.
template <class T>
void gathered_product(const Gather<T>& m, std::int64_t images, const Filters& f, const Results<T>& results) {
  using Word = WordOf<T>;
  constexpr std::int64_t per_word = word_depth<Word>;
  const std::int64_t positions = images * m.positions_per_image();
  const std::int64_t columns = f.product_columns();
  if (columns == 0) return;
  const std::int64_t panels = ceil_div(columns, panel_width);
  const std::int64_t depth = m.width() / per_word;
  // Long blocks use packed filters more often; few positions get short blocks, and are split by columns too. Very few
  // are one block, so that filters are read once.
  const std::int64_t block = positions * f.products >= kTasks * 112 || positions <= 112 ? 112 : 56;
  const std::int64_t blocks = ceil_div(positions, block) * f.products;
  const std::int64_t pieces =
      std::clamp(ceil_div(kTasks, std::max<std::int64_t>(blocks, 1)), ceil_div(columns, kColumns), panels);
  const std::int64_t piece = ceil_div(panels, pieces);  // panels
  // Filters that are used just once or twice are packed where they are used.
  const bool pack_first = positions > 2 * block;
  Scratch<Word> packed(pack_first ? f.products * panels * depth * panel_width : 0);
  if (pack_first) {
    parallel_for(f.products * panels, 1, [&](std::int64_t at, std::int64_t) {
      pack_panel(f, m, at / panels, at % panels * panel_width, 0, depth, packed.data() + at * depth * panel_width);
    });
  }
  const std::int64_t piece_count = ceil_div(panels, piece);
  parallel_for(blocks * piece_count, 1, [&](std::int64_t task, std::int64_t) {
    const std::int64_t product = task / piece_count % f.products;
    const std::int64_t begin = task / piece_count / f.products * block;
    const std::int64_t end = std::min(positions, begin + block);
    const std::int64_t rows = end - begin;
    const std::int64_t first = task % piece_count * piece;
    const std::int64_t last = std::min(panels, first + piece);
    const std::int64_t count = std::min(last * panel_width, columns) - first * panel_width;
    const std::int64_t to = product * columns + first * panel_width;
    const std::int64_t most = std::min(depth, kDepth);
    // Rows end in a spare line: with a power of two between them they would compete for lines of the cache.
    const std::int64_t row = most + 16;
    Scratch<Word> left(m.in_place() ? 0 : rows * row);
    Scratch<Word> right(pack_first ? 0 : kPacked * most * panel_width);
    Scratch<float> sums((last - first) * rows * panel_width);
    if (depth == 0) std::fill_n(sums.data(), (last - first) * rows * panel_width, 0.F);
    const std::int64_t channel = product * f.product_rows();
    for (std::int64_t l = 0; l < depth; l += kDepth) {
      const std::int64_t words = std::min(kDepth, depth - l);
      PanelRows<Word> a{left.data(), row, 1};
      if (m.in_place()) {
        a.row = m.channels / per_word;
        a.data = reinterpret_cast<const Word*>(m.source + begin * m.channels + channel) + l;
      } else {
        gather_rows(m, channel, begin, end, l * per_word, (l + words) * per_word, reinterpret_cast<T*>(left.data()),
                    row * per_word);
      }
      for (std::int64_t panel = first; panel < last; ++panel) {
        const std::int64_t place = (panel - first) % kPacked;
        if (!pack_first && place == 0) {
          const std::int64_t end = std::min(last, panel + kPacked);
          for (std::int64_t at = 0; at < words; at += kPackedDepth) {
            for (std::int64_t each = panel; each < end; ++each)
              pack_panel(f, m, product, each * panel_width, l + at, l + std::min(words, at + kPackedDepth),
                         right.data() + ((each - panel) * words + at) * panel_width);
          }
        }
        const Word* b = pack_first ? packed.data() + ((product * panels + panel) * depth + l) * panel_width
                                   : right.data() + place * words * panel_width;
        multiply_panel<Word>(rows, PanelDepth(words), a, {b}, sums.data() + (panel - first) * rows * panel_width,
                             panel_width, l > 0);
      }
    }
    results.write(m, begin, end, to, count, sums.data());
  });
}

/// Rows of values as left operands of a sum over rows: word (l, j) pairs rows 2l and 2l + 1. A missing last
/// row is 0.
void pair_rows(const bfloat16* from, std::int64_t count, std::int64_t width, BfloatPair* to) {
  for (std::int64_t i = 0; i < count; i += 2, from += 2 * width, to += width) {
    for (std::int64_t j = 0; j < width; ++j) {
      to[j] = pair_bf16(from[j], i + 1 < count ? from[width + j] : bfloat16{});
    }
  }
}

/// One block of a weight gradient: gathered values [row0, row1) by columns [col0, col1) of one product.
struct Block {
  std::int64_t product, row0, row1, col0, col1;
};

/// sums (rows of the block, its columns in whole panels) = over positions [begin, end) of gathered value
/// times dy.
template <class T>
void sum_block(const Gather<T>& m, const Groups& f, std::int64_t outputs, const T* dy, const Block& b,
               std::int64_t begin, std::int64_t end, float* sums) {
  using Word = WordOf<T>;
  constexpr std::int64_t step = word_depth<Word>;
  const std::int64_t rows = b.row1 - b.row0;
  const std::int64_t columns = round_up(b.col1 - b.col0, panel_width);
  const bool in_place = step == 1 && m.in_place();
  if (begin == end) std::fill_n(sums, rows * columns, 0.F);
  Scratch<T> values(in_place ? 0 : kPositions * rows);
  Scratch<Word> words(step == 1 ? 0 : kPositions / step * rows);
  Scratch<Word> right(kPositions / step * columns);
  for (std::int64_t at = begin; at < end; at += kPositions) {
    const std::int64_t count = std::min(kPositions, end - at);
    PanelRows<Word> left{nullptr, 1, rows};
    if constexpr (step == 1) {
      left.data = values.data();
      if (in_place) {
        left.data = m.source + at * m.channels + b.product * f.product_rows() + b.row0;
        left.depth = m.channels;
      }
    }
    if (!in_place) gather_rows(m, b.product * f.product_rows(), at, at + count, b.row0, b.row1, values.data(), rows);
    if constexpr (step == 2) {
      pair_rows(values.data(), count, rows, words.data());
      left.data = words.data();
    }
    const std::int64_t depth = ceil_div(count, step);
    pack_gradient(dy + at * outputs + b.product * f.product_columns() + b.col0, 1, count, outputs, b.col1 - b.col0,
                  right.data());
    for (std::int64_t k = 0; k < columns; k += panel_width)
      multiply_panel<Word>(rows, PanelDepth(depth), left, {right.data() + k * depth}, sums + k, columns, at > begin);
  }
}

/// Copies a block's sums to their places in dw; what lies between merged groups is dropped.
template <class T>
void write_block(const Gather<T>& m, const Groups& f, const FilterLayout& layout, const Block& b, const float* sums,
                 float* dw) {
  for (std::int64_t i = b.row0; i < b.row1; ++i, sums += round_up(b.col1 - b.col0, panel_width)) {
    f.columns_of(layout, b.product, gathered_value(m, i), b.col0, b.col1,
                 [&](std::int64_t to, std::int64_t column, std::int64_t count) {
                   std::copy_n(sums + column - b.col0, count, dw + to);
                 });
  }
}

FilterLayout layout_of(const ConvGeometry& g) { return {g.s, g.group_inputs() * g.k, g.group_outputs(), g.k}; }

template <class T>
void forward(const ConvGeometry& g, ConvInput<const T> x, ConvFilter<const float> w,
             const ConvEpilogue<float>& epilogue, ConvOutput<T> y) {
  const TapAxis rows = forward_taps(g.rows());
  const TapAxis columns = forward_taps(g.columns());
  const Groups groups(g.groups, g.group_inputs(), g.group_outputs());
  const Filters filters{groups, w.data, layout_of(g)};
  const Gather<T> gather{x.data, g.c, groups.product_rows(), &rows, &columns, word_depth<WordOf<T>>};
  gathered_product(gather, g.n, filters, Results<T>{{y.data, g.p, g.q, g.k}, epilogue});
}

template <class T>
void backward_data(const ConvGeometry& g, ConvOutput<const T> dy, ConvFilter<const float> w,
                   const ConvEpilogue<float>& epilogue, ConvInput<T> dx) {
  // Flipped filters are (taps from the last to the first, outputs, inputs of a group).
  const std::int64_t size = g.group_inputs() * g.k;
  Scratch<float> flipped(g.filter_size());
  flip_filters(w.data, g.r * g.s, g.group_inputs(), g.k, flipped.data());
  const Groups groups(g.groups, g.group_outputs(), g.group_inputs());
  const Filters filters{groups,
                        flipped.data() + (g.r * g.s - 1) * size,
                        {g.s, -size, g.group_inputs() * g.group_outputs(), g.group_inputs()}};
  const auto all_columns = backward_taps(g.columns());
  for (const TapAxis& rows : backward_taps(g.rows())) {
    for (const TapAxis& columns : all_columns) {
      const Gather<T> gather{dy.data, g.k, groups.product_rows(), &rows, &columns, word_depth<WordOf<T>>};
      gathered_product(gather, g.n, filters, Results<T>{{dx.data, g.h, g.w, g.c}, epilogue});
    }
  }
}

/// Where the gradient is small, up to 16 partial sums over positions are added in order.
template <class T>
void backward_weights(const ConvGeometry& g, ConvInput<const T> x, ConvOutput<const T> dy, ConvFilter<float> dw) {
  const std::int64_t size = g.filter_size();
  if (size == 0) return;
  constexpr std::int64_t most_rows = 128;
  constexpr std::int64_t most_columns = 256;
  const TapAxis rows = forward_taps(g.rows());
  const TapAxis columns = forward_taps(g.columns());
  const Groups groups(g.groups, g.group_inputs(), g.group_outputs());
  const Gather<T> gather{x.data, g.c, groups.product_rows(), &rows, &columns, 1};
  const std::int64_t width = gather.width();
  const std::int64_t row_blocks = ceil_div(width, most_rows);
  const std::int64_t col_blocks = ceil_div(groups.product_columns(), most_columns);
  const std::int64_t blocks = groups.products * row_blocks * col_blocks;
  // Few blocks make few tasks: then positions are split too, into partial sums added in order.
  const std::int64_t wanted =
      std::clamp<std::int64_t>(kTasks / blocks, 1, std::max<std::int64_t>(1, ceil_div(g.positions(), 2 * kPositions)));
  const std::int64_t span = std::max(round_up(ceil_div(g.positions(), wanted), kPositions), kPositions);
  const std::int64_t splits = std::max<std::int64_t>(1, ceil_div(g.positions(), span));
  Scratch<float> parts((splits - 1) * size);  // but the first
  parallel_for(blocks * splits, 1, [&](std::int64_t task, std::int64_t) {
    const std::int64_t split = task % splits;
    const std::int64_t row0 = task / splits % row_blocks * most_rows;
    const std::int64_t col0 = task / splits / row_blocks % col_blocks * most_columns;
    const Block block{task / splits / row_blocks / col_blocks, row0, std::min(width, row0 + most_rows), col0,
                      std::min(groups.product_columns(), col0 + most_columns)};
    Scratch<float> sums((block.row1 - row0) * round_up(block.col1 - col0, panel_width));
    sum_block(gather, groups, g.k, dy.data, block, split * span, std::min(g.positions(), (split + 1) * span),
              sums.data());
    write_block(gather, groups, layout_of(g), block, sums.data(),
                split == 0 ? dw.data : parts.data() + (split - 1) * size);
  });
  add_parts(parts.data(), splits - 1, size, dw.data);
}

bool fits(const ConvGeometry& /*g*/) { return true; }
bool fits_product(const ConvGeometry& g) { return g.r == 1 && g.s == 1 && g.padding == Extent2d(0) && g.groups == 1; }

double cost(const ConvGeometry& g, DType /*dtype*/, ConvDirection direction, const ConvMachine& machine) {
  const double moves =
      machine.im2col_gather / static_cast<double>(g.k) + machine.im2col_store / static_cast<double>(g.c);
  const auto pixels = static_cast<double>(g.positions());
  return static_cast<double>(g.r * g.s) * (pixels * (panel_waste(g, direction) + moves) + machine.im2col_pack);
}

double product_cost(const ConvGeometry& g, DType /*dtype*/, ConvDirection direction, const ConvMachine& machine) {
  return static_cast<double>(g.positions()) * panel_waste(g, direction) + machine.im2col_pack;
}

template <class T>
constexpr ConvKernels<T> kernels = {forward<T>, backward_data<T>, backward_weights<T>};

}  // namespace

const ConvAlgorithm conv_by::im2col = {"im2col", fits, cost, kernels<float>, kernels<bfloat16>};
const ConvAlgorithm conv_by::product = {"product", fits_product, product_cost, kernels<float>, kernels<bfloat16>};

}  // namespace striate
