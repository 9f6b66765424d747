#pragma once
// Bytes, or samples, to what a network reads, as a Normalization (core/normalization.h) says. Loader has its own way
// there, through augment_image (data/augment.h); `predict` comes here.

#include <span>

#include "core/normalization.h"
#include "core/tensor.h"

namespace striate {

/// The normalised value of every byte in every channel: (channels,256), f32 or f64, computed in double. Throws
/// std::invalid_argument for other dtypes, for values that are not finite in this one, and as
/// Normalization::for_channels.
Tensor normalize_table(const Normalization& normalization, std::int64_t channels, DType dtype);

/// samples (length,channels) of recordings -> out: (sample - mean) / std, computed in double, of as many floats or
/// doubles. `normalization` has a value for every channel.
template <class T>
void normalize_samples(std::span<const float> samples, const Normalization& normalization, T* out);

/// images u8 (...,C), or f32 of recordings -> the same shape in f32 or f64. Throws as normalize_table.
Tensor normalized(const Tensor& images, const Normalization& normalization, DType dtype = DType::f32);

}  // namespace striate
