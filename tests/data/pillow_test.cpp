// Every case of tests/reference/transforms.py: what Pillow and torchvision make of a picture, byte for byte.

#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "core/safetensors.h"
#include "data/image.h"
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

/// By a transform without chance.
Picture transformed(const Picture& from, const std::string& transform) {
  const Transforms transforms = {make_transform(transform)};
  return {apply_transforms(transforms, from.bytes, from.shape, {}), output_shape(transforms, from.shape)};
}

std::string size_text(const CaseOptions& options) {
  return "height=" + options.text("height") + ",width=" + options.text("width");
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

const std::map<std::string, Op>& ops() {
  static const std::map<std::string, Op> all = {
      {"resize", [](const Picture& from, const CaseOptions& o) { return transformed(from, "resize:" + size_text(o)); }},
      {"short_side",
       [](const Picture& from, const CaseOptions& o) { return transformed(from, "resize:size=" + o.text("size")); }},
      {"resized_crop", resized_crop},
      {"center_crop",
       [](const Picture& from, const CaseOptions& o) { return transformed(from, "center_crop:" + size_text(o)); }}};
  return all;
}

TEST(Pillow, MakesTheSameBytes) {
  const TensorFile file = read_safetensors(STRIATE_SOURCE_DIR "/tests/reference/transforms.safetensors");
  std::map<std::string, int> tested;
  for (const auto& [name, text] : file.metadata) {
    SCOPED_TRACE(name + ": " + text);
    const CaseOptions options(text);
    const Picture got =
        ops().at(options.text("op"))(picture_of(file.find("picture." + options.text("picture"))), options);
    const Picture want = picture_of(file.find(name));
    ASSERT_EQ(to_string(got.shape), to_string(want.shape));
    EXPECT_EQ(got.bytes, want.bytes);
    ++tested[options.text("op")];
  }
  EXPECT_EQ(tested.size(), ops().size());
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
