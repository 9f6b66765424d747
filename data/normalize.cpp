#include "data/normalize.h"

#include <cmath>

#include "core/check.h"
#include "core/named_options.h"

namespace striate {

Tensor normalize_table(const Normalization& normalization, std::int64_t channels, DType dtype) {
  expect(dtype == DType::f32 || dtype == DType::f64, "normalize", "f32 or f64", to_string(dtype));
  const Normalization given = normalization.for_channels(channels);
  Tensor table = Tensor::empty({channels, 256}, dtype);
  dispatch_floating("normalize", dtype, [&]<class T>(T) {
    T* value = table.mutable_data<T>();
    for (std::size_t c = 0; c < given.mean.size(); ++c) {
      for (int byte = 0; byte < 256; ++byte) *value++ = static_cast<T>((byte / 255.0 - given.mean[c]) / given.std[c]);
      expect(std::isfinite(static_cast<double>(value[-1])) && std::isfinite(static_cast<double>(value[-256])),
             "normalize", "a mean and a std (--mean, --std) with finite images, (byte / 255 - mean) / std",
             "mean " + OptionText(given.mean[c]).text + ", std " + OptionText(given.std[c]).text);
    }
  });
  return table;
}

template <class T>
void normalize_samples(std::span<const float> samples, const Normalization& normalization, T* out) {
  const std::size_t channels = normalization.mean.size();
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::size_t c = i % channels;
    out[i] = static_cast<T>((static_cast<double>(samples[i]) - normalization.mean[c]) / normalization.std[c]);
  }
}
template void normalize_samples(std::span<const float>, const Normalization&, float*);
template void normalize_samples(std::span<const float>, const Normalization&, double*);

Tensor normalized(const Tensor& images, const Normalization& normalization, DType dtype) {
  const std::int64_t channels = images.size(-1);
  if (images.dtype() == DType::f32) {
    Tensor result = Tensor::empty(images.shape(), dtype);
    dispatch_floating("normalize", dtype, [&]<class T>(T) {
      normalize_samples(images.span<float>(), normalization.for_channels(channels), result.mutable_data<T>());
    });
    return result;
  }
  const Tensor table = normalize_table(normalization, channels, dtype);
  Tensor result = Tensor::empty(images.shape(), dtype);
  const auto* in = images.data<std::uint8_t>();
  dispatch_floating("normalize", dtype, [&]<class T>(T) {
    const T* values = table.data<T>();
    T* out = result.mutable_data<T>();
    for (std::int64_t i = 0; i < images.numel(); i += channels) {
      for (std::int64_t c = 0; c < channels; ++c) out[i + c] = values[c * 256 + in[i + c]];
    }
  });
  return result;
}

}  // namespace striate
