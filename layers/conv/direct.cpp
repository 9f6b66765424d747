#include "layers/conv/direct.h"

#include <algorithm>

#include "core/panel_product.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "layers/conv/apply_epilogue.h"
#include "layers/conv/flip_filters.h"

namespace striate {
namespace {

/// Rows of an image that one task takes: enough pixels to pay for its borders.
std::ptrdiff_t band_rows(const Conv3x3Shape& shape) {
  return std::clamp<std::ptrdiff_t>(512 / shape.out_width(), 1, shape.out_height());
}

/// Two values as bf16 in one word; the values are bf16 already, or are rounded.
BfloatPair make_pair(bfloat16 low, bfloat16 high) { return low.bits | (static_cast<BfloatPair>(high.bits) << 16U); }

/// Copies row h of an image (width, channels), or zeros where h is outside, with `padding` zero pixels at
/// either end.
template <class T>
void pad_row(const Conv3x3Shape& shape, const T* image, std::ptrdiff_t h, T* to) {
  const std::ptrdiff_t border = shape.padding * shape.channels;
  const std::ptrdiff_t row = shape.width * shape.channels;
  if (h < 0 || h >= shape.height) {
    std::fill_n(to, row + 2 * border, T{});
    return;
  }
  std::fill_n(to, border, T{});
  std::copy_n(image + h * row, row, to + border);
  std::fill_n(to + border + row, border, T{});
}

/// Filters (3, 3, channels, filters) in panels (panel, tap, channel word, column).
template <class Word>
void pack_filters(const float* w, std::ptrdiff_t channels, std::ptrdiff_t filters, Word* out) {
  const std::ptrdiff_t words = ceil_div(channels, word_depth<Word>);
  parallel_for(ceil_div(filters, panel_width) * 9, 1, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t at = begin; at < end; ++at) {
      const float* from = w + at % 9 * channels * filters;
      const std::ptrdiff_t first = at / 9 * panel_width;
      const std::ptrdiff_t columns = std::min<std::ptrdiff_t>(panel_width, filters - first);
      for (std::ptrdiff_t l = 0; l < words; ++l) {
        Word* to = out + (at * words + l) * panel_width;
        std::fill_n(to, panel_width, Word{});
        for (std::ptrdiff_t j = 0; j < columns; ++j) {
          const std::ptrdiff_t c = l * word_depth<Word>;
          const float* value = from + c * filters + first + j;
          if constexpr (word_depth<Word> == 1) {
            to[j] = *value;
          } else {
            to[j] = make_pair(bfloat16(*value), bfloat16(c + 1 < channels ? value[filters] : 0.F));
          }
        }
      }
    }
  });
}

/// Writes rows of sums (rows, panel_width) to columns k, k+1, ... of y (rows, filters).
template <class T>
void store_rows(const float* sums, std::ptrdiff_t rows, std::ptrdiff_t filters, std::ptrdiff_t k,
                const ConvEpilogue<float>& epilogue, T* y) {
  for (std::ptrdiff_t column = 0; column < panel_width && k + column < filters; column += lanes) {
    const std::ptrdiff_t left = std::min<std::ptrdiff_t>(filters - k - column, lanes);
    const EpilogueOf<Vec> finish = epilogue_of<Vec>(epilogue, k + column, left);
    for (std::ptrdiff_t i = 0; i < rows; ++i) {
      const Vec value = finish(load(sums + i * panel_width + column));
      T* to = y + i * filters + k + column;
      if (left == lanes) {
        store(to, value);
      } else {
        store_first(to, value, left);
      }
    }
  }
}

/// Row of x as the left operand of a sum over pixels: word q pairs the values at q and one pixel on.
template <class T>
void pair_pixels(const T* row, std::ptrdiff_t values, std::ptrdiff_t channels, WordOf<T>* to) {
  if constexpr (std::is_same_v<T, float>) {
    std::copy_n(row, values, to);
  } else {
    for (std::ptrdiff_t q = 0; q < values; ++q)
      to[q] = make_pair(row[q], q + channels < values ? row[q + channels] : T{});
  }
}

/// Rows of dy (rows, out_width, filters) as right operands: (panel, row, pixel word, column).
template <class T>
void pack_gradient(const T* dy, std::ptrdiff_t rows, std::ptrdiff_t out_width, std::ptrdiff_t filters, WordOf<T>* out) {
  constexpr std::ptrdiff_t step = word_depth<WordOf<T>>;
  for (std::ptrdiff_t k = 0; k < filters; k += lanes) {
    const std::ptrdiff_t left = std::min<std::ptrdiff_t>(filters - k, lanes);
    const auto read = [&](const T* from) { return left == lanes ? load(from + k) : load_first(from + k, left); };
    WordOf<T>* to = out + k / panel_width * rows * ceil_div(out_width, step) * panel_width + k % panel_width;
    for (std::ptrdiff_t h = 0; h < rows; ++h) {
      for (std::ptrdiff_t p = 0; p < out_width; p += step, to += panel_width) {
        const T* from = dy + (h * out_width + p) * filters;
        if constexpr (step == 1) {
          store(to, read(from));
        } else {
          const VecBits words = pair_bf16(read(from), p + 1 < out_width ? read(from + filters) : Vec{});
          std::memcpy(to, &words, sizeof words);
        }
      }
    }
  }
}

}  // namespace

template <class T>
void direct_forward(const Conv3x3Shape& shape, const T* x, const float* w, const ConvEpilogue<float>& epilogue, T* y) {
  using Word = WordOf<T>;
  const std::ptrdiff_t out_width = shape.out_width();
  const std::ptrdiff_t pixel = ceil_div(shape.channels, word_depth<Word>);  // words
  const std::ptrdiff_t row = (shape.width + 2 * shape.padding) * pixel;
  const std::ptrdiff_t panels = ceil_div(shape.filters, panel_width);
  const std::ptrdiff_t band = band_rows(shape);
  const std::ptrdiff_t bands = ceil_div(shape.out_height(), band);
  // An odd number of bf16 channels gets one more, of zeros, so that pixels start at a word.
  const bool whole_words = shape.channels % word_depth<Word> == 0;
  Scratch<Word> filters(panels * 9 * pixel * panel_width);
  pack_filters(w, shape.channels, shape.filters, filters.data());
  parallel_for(shape.batch * bands, 1, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    Scratch<Word> in((band + 2) * row);
    Scratch<T> line(whole_words ? 0 : (shape.width + 2 * shape.padding) * shape.channels);
    Scratch<float> sums(out_width * panel_width);
    for (std::ptrdiff_t at = begin; at < end; ++at) {
      const std::ptrdiff_t n = at / bands;
      const std::ptrdiff_t first = at % bands * band;
      const std::ptrdiff_t rows = std::min(band, shape.out_height() - first);
      const T* image = x + n * shape.height * shape.width * shape.channels;
      for (std::ptrdiff_t h = 0; h < rows + 2; ++h) {
        T* to = reinterpret_cast<T*>(in.data() + h * row);
        pad_row(shape, image, first + h - shape.padding, whole_words ? to : line.data());
        if (whole_words) continue;
        for (std::ptrdiff_t p = 0; p < shape.width + 2 * shape.padding; ++p) {
          T* end_of_pixel =
              std::copy_n(line.data() + p * shape.channels, shape.channels, to + p * pixel * word_depth<Word>);
          *end_of_pixel = T{};
        }
      }
      for (std::ptrdiff_t panel = 0; panel < panels; ++panel) {
        for (std::ptrdiff_t h = 0; h < rows; ++h) {
          multiply_panel<Word>(out_width, {9 * pixel, 3 * pixel}, {in.data() + h * row, pixel, 1, row},
                               {filters.data() + panel * 9 * pixel * panel_width}, sums.data(), panel_width, false);
          store_rows(sums.data(), out_width, shape.filters, panel * panel_width, epilogue,
                     y + (n * shape.out_height() + first + h) * out_width * shape.filters);
        }
      }
    }
  });
}

template <class T>
void direct_backward_data(const Conv3x3Shape& shape, const float* w, const T* dy, T* dx) {
  Scratch<float> filters(9 * shape.channels * shape.filters);
  turn_filters(w, 9, shape.channels, shape.filters, filters.data());
  direct_forward<T>(turned(shape), dy, filters.data(), {}, dx);
}

template <class T>
void direct_backward_weights(const Conv3x3Shape& shape, const T* x, const T* dy, float* dw) {
  using Word = WordOf<T>;
  const std::ptrdiff_t out_width = shape.out_width();
  const std::ptrdiff_t tap_row = 3 * shape.channels;
  const std::ptrdiff_t values = (shape.width + 2 * shape.padding) * shape.channels;
  const std::ptrdiff_t columns = round_up(shape.filters, panel_width);
  const std::ptrdiff_t depth = ceil_div(out_width, word_depth<Word>);
  const std::ptrdiff_t band = band_rows(shape);
  const std::ptrdiff_t size = 3 * tap_row * columns;
  const std::ptrdiff_t groups = std::clamp<std::ptrdiff_t>((std::ptrdiff_t{4} << 20) / size, 1, 32);
  const std::ptrdiff_t images = std::max<std::ptrdiff_t>(ceil_div(shape.batch, groups), 1);
  Scratch<float> partial(ceil_div(shape.batch, images) * size);
  parallel_for(shape.batch, images, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    float* sums = partial.data() + begin / images * size;
    std::fill_n(sums, size, 0.F);
    Scratch<Word> left((band + 2) * values);
    Scratch<Word> right(band * depth * columns);
    Scratch<T> line(values);
    for (std::ptrdiff_t n = begin; n < end; ++n) {
      for (std::ptrdiff_t first = 0; first < shape.out_height(); first += band) {
        const std::ptrdiff_t rows = std::min(band, shape.out_height() - first);
        for (std::ptrdiff_t h = 0; h < rows + 2; ++h) {
          pad_row(shape, x + n * shape.height * shape.width * shape.channels, first + h - shape.padding, line.data());
          pair_pixels(line.data(), values, shape.channels, left.data() + h * values);
        }
        pack_gradient(dy + (n * shape.out_height() + first) * out_width * shape.filters, rows, out_width, shape.filters,
                      right.data());
        for (std::ptrdiff_t k = 0; k < columns; k += panel_width) {
          for (std::ptrdiff_t a = 0; a < 3; ++a) {
            multiply_panel<Word>(tap_row, {rows * depth, depth},
                                 {left.data() + a * values, 1, word_depth<Word> * shape.channels, values},
                                 {right.data() + k * rows * depth}, sums + a * tap_row * columns + k, columns, true);
          }
        }
      }
    }
  });
  parallel_for(3 * tap_row, 16, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
    for (std::ptrdiff_t i = begin; i < end; ++i) {
      float* to = dw + i * shape.filters;
      std::fill_n(to, shape.filters, 0.F);
      for (std::ptrdiff_t g = 0; g * images < shape.batch; ++g) {
        const float* from = partial.data() + g * size + i * columns;
        for (std::ptrdiff_t k = 0; k < shape.filters; ++k) to[k] += from[k];
      }
    }
  });
}

template void direct_forward(const Conv3x3Shape&, const float*, const float*, const ConvEpilogue<float>&, float*);
template void direct_forward(const Conv3x3Shape&, const bfloat16*, const float*, const ConvEpilogue<float>&, bfloat16*);
template void direct_backward_data(const Conv3x3Shape&, const float*, const float*, float*);
template void direct_backward_data(const Conv3x3Shape&, const float*, const bfloat16*, bfloat16*);
template void direct_backward_weights(const Conv3x3Shape&, const float*, const float*, float*);
template void direct_backward_weights(const Conv3x3Shape&, const bfloat16*, const bfloat16*, float*);

}  // namespace striate
