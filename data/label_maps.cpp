#include "data/label_maps.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "core/check.h"

namespace striate {

void fill_labels(const Dataset& dataset, std::int64_t i, const ImageShape& stored, const Transforms& transforms,
                 const DrawPlace& place, const AugmentOptions& augment, std::int64_t* labels) {
  const Tensor map = dataset.source->label_map(i);
  const bool fits = map.defined() && map.dtype() == DType::u8 && map.shape() == Shape{stored.height, stored.width, 1};
  expect(fits, "loader", "a label map of u8 of the size of " + image_name(dataset, i),
         map.defined() ? to_string(map.shape()) : "none");
  const ImageShape own{stored.height, stored.width, 1};
  const ImageShape shape = output_shape(transforms, own);
  const std::vector<std::uint8_t> moved = apply_to_labels(transforms, map.span<std::uint8_t>(), own, place);
  Augmentation drawn = draw_augmentation(augment, shape.height, shape.width, place);
  drawn.cut_top = drawn.cut_bottom = 0;
  std::array<float, 256> same{};
  std::iota(same.begin(), same.end(), 0.0F);
  std::vector<float> values(moved.size());
  augment_image(moved.data(), shape, augment.pad_mode, drawn, same.data(), values.data());
  std::transform(values.begin(), values.end(), labels,
                 [](float value) { return value == 0 ? kIgnoredLabel : static_cast<std::int64_t>(value) - 1; });
}

}  // namespace striate
