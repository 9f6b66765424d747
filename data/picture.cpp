#include "data/picture.h"

#include <algorithm>
#include <vector>

#include "core/check.h"

namespace striate {

Picture::Picture(const Tensor& image, std::int64_t sample_rate)
    : held(image),
      bytes(static_cast<const std::uint8_t*>(image.raw()), image.bytes()),
      shape{image.size(0), image.size(1), image.size(2), sample_rate} {
  expect(image.dtype() == shape.dtype(), "picture", "values of " + to_string(shape.dtype()), to_string(image.dtype()));
}

Tensor transformed_picture(const Picture& picture, const Transforms& transforms, const DrawPlace& place) {
  const ImageShape shape = output_shape(transforms, picture.shape);
  const std::vector<std::uint8_t> image = apply_transforms(transforms, picture.bytes, picture.shape, place);
  Tensor result = Tensor::empty({1, shape.height, shape.width, shape.channels}, shape.dtype());
  std::copy(image.begin(), image.end(), static_cast<std::uint8_t*>(result.mutable_raw()));
  return result;
}

}  // namespace striate
