#include "data/normalize.h"

namespace striate {

namespace {

template <class T>
void normalize_values(const Tensor& images, Tensor& result) {
  const NormalizeTable<T>& table = normalize_table<T>();
  const auto* in = images.data<std::uint8_t>();
  auto* out = result.mutable_data<T>();
  for (std::int64_t i = 0; i < images.numel(); i += 3) {
    for (std::size_t c = 0; c < 3; ++c)
      out[i + static_cast<std::int64_t>(c)] = table[c][in[i + static_cast<std::int64_t>(c)]];
  }
}

}  // namespace

template <class T>
const NormalizeTable<T>& normalize_table() {
  static const NormalizeTable<T> table = [] {
    NormalizeTable<T> values{};
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t byte = 0; byte < 256; ++byte) {
        values[c][byte] = static_cast<T>((static_cast<double>(byte) / 255.0 - kChannelMean[c]) / kChannelStd[c]);
      }
    }
    return values;
  }();
  return table;
}
template const NormalizeTable<float>& normalize_table();
template const NormalizeTable<double>& normalize_table();

Tensor normalized(const Tensor& images, DType dtype) {
  if (images.rank() < 1 || images.size(-1) != 3) {
    shape_error("normalized", "images must have 3 channels: input " + to_string(images.shape()));
  }
  if (dtype != DType::f32 && dtype != DType::f64) {
    throw std::invalid_argument("[normalized] expected f32 or f64, got " + to_string(dtype));
  }
  Tensor result = Tensor::empty(images.shape(), dtype);
  dtype == DType::f32 ? normalize_values<float>(images, result) : normalize_values<double>(images, result);
  return result;
}

}  // namespace striate
