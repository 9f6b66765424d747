#pragma once
// 3x3 convolution of stride 1 by Winograd's minimal filtering, channels last:
//   forward: y = A' [(G w G') . (B' x B)] A for every tile of x, which is one product for each position;
//   backward data: the forward convolution of dy with filters turned by half;
//   backward weights: dw = G' [(A dy A') . (B' x B)] G, summed over tiles, which is products again.
// (dx could share A dy A' with dw in the adjoint form B [...] B'; measured, the overlapping sums cost more
// than they save.) Work is cut by sizes only, and where the sum of a weight gradient is cut into parts they are added
// in order: any number of threads computes the same bits.

#include "core/dtype.h"
#include "layers/conv/epilogue.h"
#include "layers/conv/shape3x3.h"

namespace striate {

/// Tile: outputs per side and how padding is met. line2 and line4 are for padded maps of 2x2 and 4x4, where
/// they skip the products and reads that padding would waste.
enum class WinogradTile { f2, f4, line2, line4 };

/// Whether the tile can do this shape: f2 and f4 any, the others their map with padding 1.
bool winograd_fits(const Conv3x3Shape& shape, WinogradTile tile);

/// y = epilogue(conv(x, w)). x (batch, height, width, channels), w (3, 3, channels, filters), y (batch,
/// out_height, out_width, filters). T: float, or bfloat16 (operands of products are then rounded to bf16, sums
/// and transforms are float).
template <class T>
void winograd_forward(const Conv3x3Shape& shape, WinogradTile tile, const T* x, const float* w,
                      const ConvEpilogue<float>& epilogue, T* y);

/// Writes (does not add) dx, like x.
template <class T>
void winograd_backward_data(const Conv3x3Shape& shape, WinogradTile tile, const float* w, const T* dy, T* dx);

/// Writes (does not add) dw, like w.
template <class T>
void winograd_backward_weights(const Conv3x3Shape& shape, WinogradTile tile, const T* x, const T* dy, float* dw);

}  // namespace striate
