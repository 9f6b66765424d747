// 3x3 convolution of stride 1 without transforms: an output row is a product whose left operand is read in place,
// because the 3 pixels under a filter's row are neighbours in memory. For few input channels, where Winograd's
// transforms do not pay, and the most precise of the 3x3 kernels.

#include <algorithm>

#include "core/integer.h"
#include "core/panel_product.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "layers/conv/apply_epilogue.h"
#include "layers/conv/flip_filters.h"
#include "layers/conv/machine.h"
#include "layers/conv/weight_gradient.h"

namespace striate {
namespace {

/// Rows of an image that one task takes: enough pixels to pay for its borders.
std::int64_t band_rows(const ConvGeometry& g) { return std::clamp<std::int64_t>(512 / g.q, 1, g.p); }

/// Copies row h of an image (width, channels), or zeros where h is outside, with `padding` zero pixels at
/// either end.
template <class T>
void pad_row(const ConvGeometry& g, const T* image, std::int64_t h, T* to) {
  const std::int64_t border = g.padding.height * g.c;
  const std::int64_t row = g.w * g.c;
  if (h < 0 || h >= g.h) {
    std::fill_n(to, row + 2 * border, T{});
    return;
  }
  std::fill_n(to, border, T{});
  std::copy_n(image + h * row, row, to + border);
  std::fill_n(to + border + row, border, T{});
}

/// Filters (3, 3, channels, filters) in panels (panel, tap, channel word, column).
template <class Word>
void pack_filters(const float* w, std::int64_t channels, std::int64_t filters, Word* out) {
  const std::int64_t words = ceil_div(channels, word_depth<Word>);
  parallel_for(ceil_div(filters, panel_width) * 9, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) {
      const float* from = w + at % 9 * channels * filters;
      const std::int64_t first = at / 9 * panel_width;
      const std::int64_t columns = std::min<std::int64_t>(panel_width, filters - first);
      for (std::int64_t l = 0; l < words; ++l) {
        Word* to = out + (at * words + l) * panel_width;
        std::fill_n(to, panel_width, Word{});
        for (std::int64_t j = 0; j < columns; ++j) {
          const std::int64_t c = l * word_depth<Word>;
          const float* value = from + c * filters + first + j;
          if constexpr (word_depth<Word> == 1) {
            to[j] = *value;
          } else {
            to[j] = pair_bf16(bfloat16(*value), bfloat16(c + 1 < channels ? value[filters] : 0.F));
          }
        }
      }
    }
  });
}

/// Writes rows of sums (rows, panel_width) to columns k, k+1, ... of y (rows, filters).
template <class T>
void store_rows(const float* sums, std::int64_t rows, std::int64_t filters, std::int64_t k,
                const ConvEpilogue<float>& epilogue, T* y) {
  for (std::int64_t column = 0; column < panel_width && k + column < filters; column += lanes) {
    const std::int64_t left = std::min<std::int64_t>(filters - k - column, lanes);
    const EpilogueOf<Vec> finish = epilogue_of<Vec>(epilogue, k + column, left);
    for (std::int64_t i = 0; i < rows; ++i) {
      const Vec value = finish(load(sums + i * panel_width + column));
      store_lanes(y + i * filters + k + column, value, left);
    }
  }
}

/// Row of x as the left operand of a sum over pixels: word q pairs the values at q and one pixel on.
template <class T>
void pair_pixels(const T* row, std::int64_t values, std::int64_t channels, WordOf<T>* to) {
  if constexpr (std::is_same_v<T, float>) {
    std::copy_n(row, values, to);
  } else {
    for (std::int64_t q = 0; q < values; ++q)
      to[q] = pair_bf16(row[q], q + channels < values ? row[q + channels] : T{});
  }
}

template <class T>
void forward(const ConvGeometry& g, ConvInput<const T> x, ConvFilter<const float> w,
             const ConvEpilogue<float>& epilogue, ConvOutput<T> y) {
  using Word = WordOf<T>;
  const std::int64_t pixel = ceil_div(g.c, word_depth<Word>);  // words
  const std::int64_t row = (g.w + 2 * g.padding.height) * pixel;
  const std::int64_t panels = ceil_div(g.k, panel_width);
  const std::int64_t band = band_rows(g);
  const std::int64_t bands = ceil_div(g.p, band);
  // An odd number of bf16 channels gets one more, of zeros, so that pixels start at a word.
  const bool whole_words = g.c % word_depth<Word> == 0;
  Scratch<Word> filters(panels * 9 * pixel * panel_width);
  pack_filters(w.data, g.c, g.k, filters.data());
  parallel_for(g.n * bands, 1, [&](std::int64_t begin, std::int64_t end) {
    Scratch<Word> in((band + 2) * row);
    Scratch<T> line(whole_words ? 0 : (g.w + 2 * g.padding.height) * g.c);
    Scratch<float> sums(g.q * panel_width);
    for (std::int64_t at = begin; at < end; ++at) {
      const std::int64_t n = at / bands;
      const std::int64_t first = at % bands * band;
      const std::int64_t rows = std::min(band, g.p - first);
      const T* image = x.data + n * g.h * g.w * g.c;
      for (std::int64_t h = 0; h < rows + 2; ++h) {
        T* to = reinterpret_cast<T*>(in.data() + h * row);
        pad_row(g, image, first + h - g.padding.height, whole_words ? to : line.data());
        if (whole_words) continue;
        for (std::int64_t p = 0; p < g.w + 2 * g.padding.height; ++p) {
          T* end_of_pixel = std::copy_n(line.data() + p * g.c, g.c, to + p * pixel * word_depth<Word>);
          *end_of_pixel = T{};
        }
      }
      for (std::int64_t panel = 0; panel < panels; ++panel) {
        for (std::int64_t h = 0; h < rows; ++h) {
          multiply_panel<Word>(g.q, {9 * pixel, 3 * pixel}, {in.data() + h * row, pixel, 1, row},
                               {filters.data() + panel * 9 * pixel * panel_width}, sums.data(), panel_width, false);
          store_rows(sums.data(), g.q, g.k, panel * panel_width, epilogue, y.data + (n * g.p + first + h) * g.q * g.k);
        }
      }
    }
  });
}

/// Partial sums of up to 32 groups of images are added in order.
template <class T>
void backward_weights(const ConvGeometry& g, ConvInput<const T> x, ConvOutput<const T> dy, ConvFilter<float> dw) {
  using Word = WordOf<T>;
  const std::int64_t tap_row = 3 * g.c;
  const std::int64_t values = (g.w + 2 * g.padding.height) * g.c;
  const std::int64_t columns = round_up(g.k, panel_width);
  const std::int64_t depth = ceil_div(g.q, word_depth<Word>);
  const std::int64_t band = band_rows(g);
  const std::int64_t size = 3 * tap_row * columns;
  const std::int64_t most_bytes = conv_machine.last_level_cache;  // of partial sums
  const std::int64_t groups = std::clamp<std::int64_t>(most_bytes / std::int64_t{sizeof(float)} / size, 1, 32);
  const std::int64_t images = std::max<std::int64_t>(ceil_div(g.n, groups), 1);
  Scratch<float> partial(ceil_div(g.n, images) * size);
  parallel_for(g.n, images, [&](std::int64_t begin, std::int64_t end) {
    float* sums = partial.data() + begin / images * size;
    std::fill_n(sums, size, 0.F);
    Scratch<Word> left((band + 2) * values);
    Scratch<Word> right(band * depth * columns);
    Scratch<T> line(values);
    for (std::int64_t n = begin; n < end; ++n) {
      for (std::int64_t first = 0; first < g.p; first += band) {
        const std::int64_t rows = std::min(band, g.p - first);
        for (std::int64_t h = 0; h < rows + 2; ++h) {
          pad_row(g, x.data + n * g.h * g.w * g.c, first + h - g.padding.height, line.data());
          pair_pixels(line.data(), values, g.c, left.data() + h * values);
        }
        pack_gradient(dy.data + (n * g.p + first) * g.q * g.k, rows, g.q, g.k, g.k, right.data());
        for (std::int64_t k = 0; k < columns; k += panel_width) {
          for (std::int64_t a = 0; a < 3; ++a) {
            multiply_panel<Word>(tap_row, {rows * depth, depth},
                                 {left.data() + a * values, 1, word_depth<Word> * g.c, values},
                                 {right.data() + k * rows * depth}, sums + a * tap_row * columns + k, columns, true);
          }
        }
      }
    }
  });
  parallel_for(3 * tap_row, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      float* to = dw.data + i * g.k;
      std::fill_n(to, g.k, 0.F);
      for (std::int64_t group = 0; group * images < g.n; ++group) {
        const float* from = partial.data() + group * size + i * columns;
        for (std::int64_t k = 0; k < g.k; ++k) to[k] += from[k];
      }
    }
  });
}

bool fits(const ConvGeometry& g) { return g.is_plain_3x3(); }

double cost(const ConvGeometry& g, DType /*dtype*/, ConvDirection direction, const ConvMachine& machine) {
  const auto pixels = static_cast<double>(g.positions());
  const double store = machine.direct_store / static_cast<double>(g.c);
  return 9 * (pixels * (panel_waste(g, direction) + store) + machine.direct_pack);
}

template <class T>
constexpr ConvKernels<T> kernels = {forward<T>, backward_data_by_forward<forward<T>, T>, backward_weights<T>};

}  // namespace

const ConvAlgorithm conv_by::direct = {"direct", fits, cost, kernels<float>, kernels<bfloat16>};

}  // namespace striate
