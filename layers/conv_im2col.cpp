#include "layers/conv_im2col.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/gemm.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "core/tensor.h"
#include "layers/conv_shape.h"

namespace striate {
namespace {

constexpr std::int64_t kRows = 512;     // output positions a block
constexpr std::int64_t kColumns = 512;  // gathered columns a block: with kRows floats about 1 MB
constexpr std::int64_t kTasks = 16;     // enough pieces to balance, few enough that packing stays cheap

// How one axis of gathered positions meets the source: source index = (out * scale + offset + tap * step) /
// divide, where that is whole and inside. Forward: scale = stride, divide = 1. Backward in data: scale = 1,
// divide = stride.
struct AxisMap {
  std::int64_t scale, offset, step, divide, size;

  [[nodiscard]] std::int64_t at(std::int64_t out, std::int64_t tap) const {
    const std::int64_t index = out * scale + offset + tap * step;
    if (index < 0 || index % divide != 0 || index / divide >= size) return -1;
    return index / divide;
  }
};

// A matrix of positions (n, row, column of the output map) by (tap, channel), read from src (n, h, w,
// channels).
struct Gather {
  const float* src;
  std::int64_t channels;      // of src
  std::int64_t first, count;  // the group's channels
  std::int64_t out_h, out_w;  // the map of positions
  std::int64_t taps_w;
  AxisMap rows, columns;
};

// to[i][j] for positions [row0, row1) and columns [col0, col1), columns being tap * count + channel.
void gather(const Gather& m, std::int64_t row0, std::int64_t row1, std::int64_t col0, std::int64_t col1,
            float* to) {
  for (std::int64_t row = row0; row < row1; ++row) {
    const std::int64_t out_w = row % m.out_w;
    const std::int64_t out_h = row / m.out_w % m.out_h;
    const std::int64_t n = row / (m.out_w * m.out_h);
    for (std::int64_t col = col0; col < col1;) {
      const std::int64_t tap = col / m.count;
      const std::int64_t c = col % m.count;
      const std::int64_t run = std::min(m.count - c, col1 - col);
      const std::int64_t h = m.rows.at(out_h, tap / m.taps_w);
      const std::int64_t w = m.columns.at(out_w, tap % m.taps_w);
      const auto bytes = static_cast<std::size_t>(run) * sizeof(float);
      if (h < 0 || w < 0) {
        std::memset(to, 0, bytes);
      } else {
        std::memcpy(to, m.src + ((n * m.rows.size + h) * m.columns.size + w) * m.channels + m.first + c,
                    bytes);
      }
      to += run;
      col += run;
    }
  }
}

Gather forward_gather(const ConvGeometry& g, const float* x, std::int64_t group) {
  const std::int64_t cg = g.group_inputs();
  return {x,
          g.c,
          group * cg,
          cg,
          g.p,
          g.q,
          g.s,
          {g.stride.height, -g.padding.height, g.dilation.height, 1, g.h},
          {g.stride.width, -g.padding.width, g.dilation.width, 1, g.w}};
}

Gather backward_gather(const ConvGeometry& g, const float* dy, std::int64_t group) {
  const std::int64_t kg = g.group_outputs();
  return {dy,
          g.k,
          group * kg,
          kg,
          g.h,
          g.w,
          g.s,
          {1, g.padding.height, -g.dilation.height, g.stride.height, g.p},
          {1, g.padding.width, -g.dilation.width, g.stride.width, g.q}};
}

// out (rows x outputs, row length ld) = gathered (rows x taps*count) * weight (taps*count x outputs, row
// length ldw), starting from what `out` holds where `accumulate`.
void gathered_product(const Gather& m, std::int64_t rows, std::int64_t taps, const float* weight,
                      std::int64_t ldw, std::int64_t outputs, float* out, std::int64_t ld, bool accumulate) {
  const std::int64_t columns = taps * m.count;
  const std::int64_t row_blocks = ceil_div(rows, kRows);
  const std::int64_t wanted = std::min(ceil_div(kTasks, row_blocks), ceil_div(outputs, 64));
  const std::int64_t width = ceil_div(ceil_div(outputs, wanted), 16) * 16;
  const std::int64_t out_blocks = ceil_div(outputs, width);
  parallel_for(row_blocks * out_blocks, 1, [&](std::int64_t task, std::int64_t) {
    const std::int64_t row0 = task / out_blocks * kRows;
    const std::int64_t row1 = std::min(rows, row0 + kRows);
    const std::int64_t k0 = task % out_blocks * width;
    const std::int64_t k1 = std::min(outputs, k0 + width);
    Scratch<float> scratch(kRows * std::min(columns, kColumns));
    float* block = scratch.data();
    for (std::int64_t col0 = 0; col0 < columns; col0 += kColumns) {
      const std::int64_t col1 = std::min(columns, col0 + kColumns);
      gather(m, row0, row1, col0, col1, block);
      gemm(Transpose::no, Transpose::no, row1 - row0, k1 - k0, col1 - col0, block, col1 - col0,
           weight + col0 * ldw + k0, ldw, out + row0 * ld + k0, ld, accumulate || col0 > 0);
    }
  });
}

// (taps, c, k) to (taps, k of the group, c): what backward in data multiplies with.
Tensor transposed_weights(const ConvGeometry& g, const float* w, std::int64_t group) {
  const std::int64_t cg = g.group_inputs();
  const std::int64_t kg = g.group_outputs();
  Tensor result = Tensor::empty({g.r * g.s, kg, cg});
  auto* to = result.mutable_data<float>();
  parallel_for(g.r * g.s, 1, [&](std::int64_t tap, std::int64_t) {
    for (std::int64_t k = 0; k < kg; ++k) {
      for (std::int64_t c = 0; c < cg; ++c)
        to[(tap * kg + k) * cg + c] = w[(tap * cg + c) * g.k + group * kg + k];
    }
  });
  return result;
}

// dw[col, k] += over positions [row0, row1) of gathered[row, col] * dy[row, k], for columns [col0, col1).
void weight_block(const ConvGeometry& g, const Gather& m, const float* dy, std::int64_t row0,
                  std::int64_t row1, std::int64_t col0, std::int64_t col1, float* dw) {
  const std::int64_t kg = g.group_outputs();
  const std::int64_t k0 = m.first / m.count * kg;
  Scratch<float> scratch(kRows * (col1 - col0));
  float* block = scratch.data();
  for (std::int64_t row = row0; row < row1; row += kRows) {
    const std::int64_t end = std::min(row1, row + kRows);
    gather(m, row, end, col0, col1, block);
    gemm(Transpose::yes, Transpose::no, col1 - col0, kg, end - row, block, col1 - col0, dy + row * g.k + k0,
         g.k, dw + col0 * g.k + k0, g.k, row > row0);
  }
}

}  // namespace

void im2col_forward(const ConvGeometry& g, const float* x, const float* w, const float* bias, float* y) {
  if (bias != nullptr) {
    parallel_for(g.positions(), kRows, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) std::copy_n(bias, g.k, y + i * g.k);
    });
  }
  for (std::int64_t group = 0; group < g.groups; ++group) {
    const std::int64_t k0 = group * g.group_outputs();
    gathered_product(forward_gather(g, x, group), g.positions(), g.r * g.s, w + k0, g.k, g.group_outputs(),
                     y + k0, g.k, bias != nullptr);
  }
}

void im2col_backward_data(const ConvGeometry& g, const float* dy, const float* w, float* dx) {
  for (std::int64_t group = 0; group < g.groups; ++group) {
    const Tensor turned = transposed_weights(g, w, group);
    const std::int64_t cg = g.group_inputs();
    gathered_product(backward_gather(g, dy, group), g.n * g.h * g.w, g.r * g.s, turned.data<float>(), cg, cg,
                     dx + group * cg, g.c, false);
  }
}

void im2col_backward_weights(const ConvGeometry& g, const float* x, const float* dy, float* dw) {
  const std::int64_t columns = g.r * g.s * g.group_inputs();
  const std::int64_t width = std::min(kColumns / 2, columns);
  const std::int64_t col_blocks = ceil_div(columns, width);
  // Few columns make few tasks: then positions are split too, into partial sums added in order.
  const std::int64_t splits =
      std::clamp<std::int64_t>(kTasks / (col_blocks * g.groups), 1, ceil_div(g.positions(), 2 * kRows));
  const std::int64_t span = ceil_div(ceil_div(g.positions(), splits), kRows) * kRows;
  const std::int64_t size = columns * g.k;
  Tensor partial = splits > 1 ? Tensor::zeros({splits, size}) : Tensor();
  auto* sums = splits > 1 ? partial.mutable_data<float>() : dw;
  parallel_for(g.groups * col_blocks * splits, 1, [&](std::int64_t task, std::int64_t) {
    const std::int64_t split = task % splits;
    const std::int64_t col0 = task / splits % col_blocks * width;
    const Gather m = forward_gather(g, x, task / (splits * col_blocks));
    weight_block(g, m, dy, split * span, std::min(g.positions(), (split + 1) * span), col0,
                 std::min(columns, col0 + width), sums + split * size);
  });
  if (splits == 1) return;
  parallel_for(size, 4096, [&](std::int64_t begin, std::int64_t end) {
    std::copy(sums + begin, sums + end, dw + begin);
    for (std::int64_t split = 1; split < splits; ++split) {
      for (std::int64_t i = begin; i < end; ++i) dw[i] += sums[split * size + i];
    }
  });
}

}  // namespace striate
