#pragma once
// The built-in kinds of transforms, which data/transform.cpp lists, and what they share. Their names and options are in
// data/transform.h.

#include <memory>
#include <string>

#include "core/check.h"
#include "core/registry.h"
#include "data/mixing.h"
#include "data/transform.h"

namespace striate {

using TransformKinds = Registry<TransformFactory>::Entries;

/// data/size_transforms.cpp: resizes, crops and flips.
TransformKinds size_transforms();
/// data/color_transforms.cpp: what changes the colours at random.
TransformKinds color_transforms();
/// data/sample_transforms.cpp: what changes recordings.
TransformKinds sample_transforms();
/// data/auto_augment.cpp: one of many operations, drawn at random.
TransformKinds auto_augment_transforms();

/// The box of an image that random_resized_crop resizes: of a share of its area and with an aspect ratio (width to
/// height) from `range`, anywhere; where ten tries do not fit into the image, the largest box in the middle with a
/// ratio of the range.
Box draw_resized_crop(std::int64_t height, std::int64_t width, const RectangleRange& range, RandomSequence& random);

/// A kind that is constructed from its options.
template <class Kind>
TransformFactory factory_of() {
  return [](const NamedOptions& options) { return std::make_shared<const Kind>(options); };
}

/// The option p of the transform `name`.
inline double probability(const std::string& name, const NamedOptions& options, double otherwise) {
  const double p = options.real("p", otherwise);
  expect(p >= 0 && p <= 1, name, "a probability p of 0 .. 1", p);
  return p;
}

/// `input`, which must have colours that the transform `name` understands.
inline const ImageShape& expect_colours(const std::string& name, const ImageShape& input) {
  expect(input.channels == 1 || input.channels == 3, name, "1 or 3 channels", input.channels);
  return input;
}

}  // namespace striate
