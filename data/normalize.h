#pragma once
// Bytes to what a network reads: (value / 255 - mean) / std for each channel, with CIFAR-10's statistics.

#include <array>

#include "core/tensor.h"

namespace striate {

/// Of values in [0,1]; red, green, blue.
inline constexpr std::array<double, 3> kChannelMean{0.4914, 0.4822, 0.4465};
inline constexpr std::array<double, 3> kChannelStd{0.2470, 0.2435, 0.2616};

/// The normalised value of every byte, [channel][byte]. T is float or double; computed in double.
template <class T>
using NormalizeTable = std::array<std::array<T, 256>, 3>;
template <class T>
const NormalizeTable<T>& normalize_table();

/// u8 (...,3) -> the same shape in f32 or f64. Throws ShapeError for other channels, std::invalid_argument
/// for other dtypes.
Tensor normalized(const Tensor& images, DType dtype = DType::f32);

}  // namespace striate
