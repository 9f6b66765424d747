#include "apps/training/tta.h"

#include <cstring>

#include "core/elementwise.h"
#include "data/augment.h"

namespace striate {
namespace {

/// Pixel (y, x) of the result is pixel (y + shift, x + shift), of the mirror image where `flip`.
Tensor view_of(const Tensor& images, std::int64_t shift, bool flip) {
  Tensor result = Tensor::empty(images.shape(), images.dtype());
  const std::int64_t height = images.size(1);
  const std::int64_t width = images.size(2);
  const std::size_t pixel = size_of(images.dtype()) * static_cast<std::size_t>(images.size(3));
  const auto* in = static_cast<const char*>(images.raw());
  auto* out = static_cast<char*>(result.mutable_raw());
  for (std::int64_t row = 0; row < images.size(0) * height; ++row) {
    const std::int64_t from = row - row % height + reflected(row % height + shift, height);
    for (std::int64_t x = 0; x < width; ++x, out += pixel) {
      const std::int64_t column = reflected((flip ? width - 1 - x : x) + shift, width);
      std::memcpy(out, in + static_cast<std::size_t>(from * width + column) * pixel, pixel);
    }
  }
  return result;
}

}  // namespace

Tensor tta_logits(Layer& model, const Tensor& images, const TtaOptions& options) {
  if (images.rank() != 4 || (options.shift && (images.size(1) < 2 || images.size(2) < 2))) {
    shape_error("tta_logits",
                "images must be (N,H,W,C), to shift with H and W of at least 2: " + to_string(images.shape()));
  }
  const auto widened = [](const Tensor& logits) { return cast(logits, parameter_dtype(logits.dtype())); };
  const auto of_view = [&](std::int64_t shift) {
    const Tensor own = widened(model(shift == 0 ? images : view_of(images, shift, false)));
    return options.flip ? affine(own + widened(model(view_of(images, shift, true))), 0.5) : own;
  };
  const Tensor logits = of_view(0);
  return options.shift ? affine(logits, 0.5) + affine(of_view(1) + of_view(-1), 0.25) : logits;
}

}  // namespace striate
