#include "data/transform.h"

#include <algorithm>
#include <typeinfo>

#include "core/check.h"
#include "data/built_in_transforms.h"

namespace striate {

namespace {

Registry<TransformFactory>& registry() {
  static Registry<TransformFactory> kinds = [] {
    TransformKinds all = size_transforms();
    for (const TransformKinds& kinds : {color_transforms(), auto_augment_transforms(), sample_transforms()}) {
      all.insert(all.end(), kinds.begin(), kinds.end());
    }
    return Registry<TransformFactory>("transform", all);
  }();
  return kinds;
}

}  // namespace

std::string Transform::description() const { return made_from_.empty() ? typeid(*this).name() : made_from_; }

void Transform::apply_to_labels(std::span<const std::uint8_t> labels, const ImageShape& /*shape*/,
                                std::span<std::uint8_t> out, RandomSequence& /*random*/) const {
  expect(labels.size() == out.size(), "transforms", "apply_to_labels() of a transform that changes sizes",
         description() + " without");
  std::copy(labels.begin(), labels.end(), out.begin());
}

void SampleTransform::apply(std::span<const std::uint8_t> image, const ImageShape& shape, std::span<std::uint8_t> out,
                            RandomSequence& random) const {
  // Tensors and vectors, which hold the bytes, are aligned for floats.
  apply_to_samples({reinterpret_cast<const float*>(image.data()), image.size() / sizeof(float)}, shape,
                   {reinterpret_cast<float*>(out.data()), out.size() / sizeof(float)}, random);
}

void register_transform(const std::string& name, TransformFactory factory) { registry().add(name, std::move(factory)); }

std::vector<std::string> transform_names() { return registry().names(); }

std::shared_ptr<const Transform> make_transform(const std::string& name_and_options) {
  const auto [name, options] = parse_name_and_options(name_and_options);
  const std::shared_ptr<const Transform> transform = registry().at(name)(options);
  expect(transform != nullptr, "make_transform", "an object from the factory of " + name, "a null pointer");
  options.expect_all_read(name);
  transform->made_from_ = name_and_options;
  return transform;
}

Transforms make_transforms(const std::vector<std::string>& names_and_options) {
  Transforms transforms;
  for (const std::string& item : names_and_options) transforms.push_back(make_transform(item));
  return transforms;
}

std::vector<std::string> descriptions(const Transforms& transforms) {
  std::vector<std::string> texts;
  for (const auto& transform : transforms) texts.push_back(transform->description());
  return texts;
}

ImageShape output_shape(const Transforms& transforms, const ImageShape& input) {
  ImageShape shape = input;
  for (const auto& transform : transforms) {
    expect(transform != nullptr, "transforms", "objects", "a null pointer");
    if (!transform->takes(shape)) {
      throw std::invalid_argument("the transform " + transform->description() + " is for " +
                                  (shape.is_recording() ? "pictures" : "recordings") + ", these are " +
                                  (shape.is_recording() ? "recordings: " : "pictures: ") + to_string(shape));
    }
    const ImageShape next = transform->output_shape(shape);
    const bool varies = shape.height == 0 && next.height == 0 && next.width == 0;
    expect((varies || (next.height >= 1 && next.width >= 1)) && next.channels == input.channels, "transforms",
           "images of " + std::to_string(input.channels) + " channels", to_string(next));
    shape = next;
  }
  return shape;
}

namespace {

/// `apply` is a member of Transform.
template <class Apply>
std::vector<std::uint8_t> apply_each(Apply apply, const Transforms& transforms, std::span<const std::uint8_t> image,
                                     ImageShape shape, const DrawPlace& place) {
  const RandomStream stream = random_stream(place.seed, RandomUse::transform, place.epoch, place.image);
  if (transforms.empty()) return {image.begin(), image.end()};
  std::vector<std::uint8_t> result;
  for (std::size_t i = 0; i < transforms.size(); ++i) {
    const ImageShape next = transforms[i]->output_shape(shape);
    std::vector<std::uint8_t> out(static_cast<std::size_t>(next.bytes()));
    RandomSequence random(stream, std::uint64_t{i} << 32U);
    (*transforms[i].*apply)(i == 0 ? image : std::span<const std::uint8_t>(result), shape, out, random);
    result = std::move(out);
    shape = next;
  }
  return result;
}

}  // namespace

std::vector<std::uint8_t> apply_transforms(const Transforms& transforms, std::span<const std::uint8_t> image,
                                           ImageShape shape, const DrawPlace& place) {
  return apply_each(&Transform::apply, transforms, image, shape, place);
}

std::vector<std::uint8_t> apply_to_labels(const Transforms& transforms, std::span<const std::uint8_t> labels,
                                          ImageShape shape, const DrawPlace& place) {
  return apply_each(&Transform::apply_to_labels, transforms, labels, shape, place);
}

}  // namespace striate
