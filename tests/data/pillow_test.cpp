// Every case of tests/reference/transforms.py: what Pillow and torchvision make of a picture, byte for byte.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>

#include "core/safetensors.h"
#include "data/auto_augment.h"
#include "data/color.h"
#include "data/resize.h"
#include "data/transform.h"
#include "tests/support/case_options.h"

namespace striate {
namespace {

using testing_support::CaseOptions;
using Bytes = std::vector<std::uint8_t>;

struct Picture {
  Bytes bytes;
  ImageShape shape;
};

Picture picture_of(const Tensor& tensor) {
  const auto values = tensor.span<std::uint8_t>();
  return {{values.begin(), values.end()}, {tensor.size(0), tensor.size(1), tensor.size(2)}};
}

/// The box is read in place.
Picture resized_crop(const Picture& from, const CaseOptions& options) {
  const std::int64_t channels = from.shape.channels, stride = from.shape.width * channels;
  const std::int64_t size = options.integer("size");
  Picture result{Bytes(static_cast<std::size_t>(size * size * channels)), {size, size, channels}};
  const std::uint8_t* corner = from.bytes.data() + options.integer("top") * stride + options.integer("left") * channels;
  resize_bilinear({corner, options.integer("height"), options.integer("width"), channels, stride}, size, size,
                  result.bytes.data());
  return result;
}

using Op = std::function<Picture(const Picture&, const CaseOptions&)>;

/// A transform without chance, its options being those of the case.
Op by_transform(const std::string& name, const std::vector<std::string>& keys) {
  return [=](const Picture& from, const CaseOptions& options) {
    std::string text = name;
    for (const std::string& key : keys) text += (text == name ? ":" : ",") + key + "=" + options.text(key);
    const Transforms transforms = {make_transform(text)};
    return Picture{apply_transforms(transforms, from.bytes, from.shape, {}), output_shape(transforms, from.shape)};
  };
}

/// A change in place, by the case's factor.
Op by_factor(const std::function<void(Picture& picture, double factor)>& adjust) {
  return [=](const Picture& from, const CaseOptions& options) {
    Picture picture = from;
    adjust(picture, options.number("factor"));
    return picture;
  };
}

const AugmentOp& augment_op(const std::string& name) {
  const auto& all = augment_ops();
  const auto found = std::find_if(all.begin(), all.end(), [&](const AugmentOp& op) { return op.name == name; });
  if (found == all.end()) throw std::invalid_argument("no operation " + name);
  return *found;
}

Picture augmented(const Picture& from, const CaseOptions& options) {
  Picture picture = from;
  augment_op(options.text("apply")).apply(picture.bytes, picture.shape, options.number("magnitude"));
  return picture;
}

const std::map<std::string, Op>& ops() {
  static const std::map<std::string, Op> all = {
      {"resize", by_transform("resize", {"height", "width"})},
      {"short_side", by_transform("resize", {"size"})},
      {"center_crop", by_transform("center_crop", {"height", "width"})},
      {"resized_crop", resized_crop},
      {"brightness", by_factor([](Picture& p, double factor) { adjust_brightness(p.bytes, factor); })},
      {"contrast", by_factor([](Picture& p, double factor) { adjust_contrast(p.bytes, p.shape.channels, factor); })},
      {"saturation",
       by_factor([](Picture& p, double factor) { adjust_saturation(p.bytes, p.shape.channels, factor); })},
      {"sharpness", by_factor([](Picture& p, double factor) { adjust_sharpness(p.bytes, p.shape, factor); })},
      {"hue", by_factor([](Picture& p, double factor) { adjust_hue(p.bytes, p.shape.channels, factor); })},
      {"augment", augmented}};
  return all;
}

const TensorFile& reference() {
  static const TensorFile file = read_safetensors(STRIATE_SOURCE_DIR "/tests/reference/transforms.safetensors");
  return file;
}

TEST(Pillow, MakesTheSameBytes) {
  std::set<std::string> tested;
  for (const auto& [name, text] : reference().metadata) {
    SCOPED_TRACE(name + ": " + text);
    const CaseOptions options(text);
    const std::string& op = options.text("op");
    if (op == "magnitudes") continue;
    const Picture got = ops().at(op)(picture_of(reference().find("picture." + options.text("picture"))), options);
    const Picture want = picture_of(reference().find(name));
    ASSERT_EQ(to_string(got.shape), to_string(want.shape));
    EXPECT_EQ(got.bytes, want.bytes);
    tested.insert(op == "augment" ? options.text("apply") : op);
  }
  EXPECT_EQ(tested.size(), ops().size() - 1 + augment_ops().size());
}

// RandAugment's and TrivialAugmentWide's, to the last bit.
TEST(Pillow, MagnitudesAreTorchvisions) {
  int tested = 0;
  for (const auto& [name, text] : reference().metadata) {
    SCOPED_TRACE(name + ": " + text);
    const CaseOptions options(text);
    if (options.text("op") != "magnitudes") continue;
    const AugmentOp& op = augment_op(options.text("apply"));
    EXPECT_EQ(op.is_signed, options.flag("signed"));
    const ImageShape shape{options.integer("height"), options.integer("width"), 3};
    const std::int64_t bins = options.integer("bins");
    const Tensor want = reference().find(name);
    ASSERT_EQ(want.numel(), bins);
    for (std::int64_t bin = 0; bin < bins; ++bin) {
      double got = options.text("kind") == "rand" ? rand_augment_magnitude(op, shape, bin, bins)
                                                  : trivial_augment_magnitude(op, bin, bins);
      if (op.name == "Posterize") got = std::nearbyint(got);
      EXPECT_EQ(got, want.span<double>()[static_cast<std::size_t>(bin)]);
    }
    ++tested;
  }
  EXPECT_EQ(tested, 3 * 2 * 11);
}

TEST(Pillow, ResizesWhiteToWhite) {
  // So many rounded weights add up to more than one.
  const Bytes white(60000, 255);
  Bytes out(6);
  resize_bilinear({white.data(), 60000, 1, 1, 1}, 1, 1, out.data());
  EXPECT_EQ(out[0], 255);
  // Two and five channels go the general way.
  for (const std::int64_t channels : {2, 5}) {
    Bytes image;
    for (std::int64_t i = 0; i < 35 * channels; ++i) image.push_back(static_cast<std::uint8_t>(i / channels * 7));
    Bytes one(20), all(static_cast<std::size_t>(20 * channels)), plane;
    for (std::size_t i = 0; i < image.size(); i += static_cast<std::size_t>(channels)) plane.push_back(image[i]);
    resize_bilinear({plane.data(), 5, 7, 1, 7}, 4, 5, one.data());
    resize_bilinear({image.data(), 5, 7, channels, 7 * channels}, 4, 5, all.data());
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], one[i / static_cast<std::size_t>(channels)]);
  }
}

}  // namespace
}  // namespace striate
