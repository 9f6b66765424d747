// Transforms one by one and in a loader. A transform of one's own is a class like Enlarge, and register_transform().
#include "data/transform.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <tuple>

#include "data/auto_augment.h"
#include "data/built_in_transforms.h"
#include "data/color.h"
#include "data/generated.h"
#include "data/image.h"
#include "data/loader.h"
#include "data/normalize.h"
#include "tests/support/errors.h"

namespace striate {
namespace {

using testing_support::expect_error;
using Bytes = std::vector<std::uint8_t>;

/// Every pixel `factor` times in both directions.
class Enlarge : public Transform {
 public:
  explicit Enlarge(const NamedOptions& options) : factor_(options.integer("factor", 2)) {}
  [[nodiscard]] ImageShape output_shape(const ImageShape& input) const override {
    return {factor_ * input.height, factor_ * input.width, input.channels};
  }
  void apply(std::span<const std::uint8_t> image, const ImageShape& shape, std::span<std::uint8_t> out,
             RandomSequence& /*random*/) const override {
    const ImageShape large = output_shape(shape);
    for (std::int64_t i = 0; i < large.numel(); ++i) {
      const std::int64_t pixel = i / shape.channels;
      const std::int64_t from = pixel / large.width / factor_ * shape.width + pixel % large.width / factor_;
      out[static_cast<std::size_t>(i)] = image[static_cast<std::size_t>(from * shape.channels + i % shape.channels)];
    }
  }

 private:
  std::int64_t factor_;
};

/// Overwrites the first byte by a random one.
class Mark : public Transform {
  void apply(std::span<const std::uint8_t> image, const ImageShape& /*shape*/, std::span<std::uint8_t> out,
             RandomSequence& random) const override {
    std::copy(image.begin(), image.end(), out.begin());
    out[0] = static_cast<std::uint8_t>(random.below(256));
  }
};

/// Adds a channel, which is not allowed.
class Widen : public Transform {
  [[nodiscard]] ImageShape output_shape(const ImageShape& input) const override {
    return {input.height, input.width, input.channels + 1};
  }
  void apply(std::span<const std::uint8_t> /*image*/, const ImageShape& /*shape*/, std::span<std::uint8_t> /*out*/,
             RandomSequence& /*random*/) const override {}
};

Bytes applied(const std::string& transform, const Bytes& image, const ImageShape& shape, std::uint64_t n = 0) {
  return apply_transforms({make_transform(transform)}, image, shape, {.seed = 3, .epoch = 1, .image = n});
}

constexpr ImageShape kTwoPixels{1, 2, 3};
// For set and map: gcc 12 warns of std::vector<std::uint8_t>'s memcmp there, of lengths that cannot be.
std::vector<int> sortable(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

const Bytes kColours = {255, 0, 0, 10, 200, 30};

TEST(Transform, GrayscaleIsPillows) {
  // PIL.Image.new("RGB", ...).convert("L") of red, green, blue and (10, 200, 30).
  EXPECT_EQ(luma(255, 0, 0), 76);
  EXPECT_EQ(luma(0, 255, 0), 150);
  EXPECT_EQ(luma(0, 0, 255), 29);
  EXPECT_EQ(luma(10, 200, 30), 124);
  for (int v = 0; v < 256; ++v) {
    const auto byte = static_cast<std::uint8_t>(v);
    EXPECT_EQ(luma(byte, byte, byte), byte);
  }
  EXPECT_EQ(applied("random_grayscale:p=1", kColours, kTwoPixels), (Bytes{76, 76, 76, 124, 124, 124}));
  EXPECT_EQ(applied("random_grayscale:p=0", kColours, kTwoPixels), kColours);
  EXPECT_EQ(applied("random_grayscale:p=1", {1, 2}, {1, 2, 1}), (Bytes{1, 2}));
  expect_error<std::invalid_argument>([] { applied("random_grayscale", {1, 2}, {1, 1, 2}); }, {"1 or 3 channels"});
}

TEST(Transform, InvertsAndBrightens) {
  EXPECT_EQ(applied("random_invert:p=1", kColours, kTwoPixels), (Bytes{0, 255, 255, 245, 55, 225}));
  EXPECT_EQ(applied("color_jitter", kColours, kTwoPixels), kColours);
  std::set<std::uint8_t> greens;
  for (std::uint64_t n = 0; n < 500; ++n) {
    const Bytes out = applied("color_jitter:brightness=0.5", kColours, kTwoPixels, n);
    EXPECT_GE(out[4], 100);
    if (out[4] < 255) {
      EXPECT_NEAR(out[4] / 20.0, out[3], 1);  // one factor for all, values rounded down
    }
    EXPECT_EQ(out[1], 0);
    greens.insert(out[4]);
  }
  EXPECT_LT(*greens.begin(), 103);
  EXPECT_EQ(*greens.rbegin(), 255);
  // A brightness above 1 goes down to black, not below.
  for (std::uint64_t n = 0; n < 100; ++n) EXPECT_LE(applied("color_jitter:brightness=3", {50}, {1, 1, 1}, n)[0], 200);
}

TEST(Transform, ColorJitterTakesAnyOrder) {
  const Bytes image = {250, 200, 220, 20, 90, 40};
  std::set<std::vector<int>> hues;
  std::array<int, 2> orders{};
  for (std::uint64_t n = 0; n < 400; ++n) {
    const Bytes hue = applied("color_jitter:hue=0.5", image, kTwoPixels, n);
    EXPECT_EQ(*std::max_element(hue.begin(), hue.begin() + 3), 250);
    EXPECT_NEAR(*std::min_element(hue.begin(), hue.begin() + 3), 200, 1);
    hues.insert(sortable(hue));

    // The first two numbers are the parts of the ranges of brightness and contrast.
    RandomSequence random(random_stream(3, RandomUse::transform, 1, n));
    const double brightness = 0.5 + random.uniform(), contrast = 0.8 + 0.4 * random.uniform();
    const Bytes both = applied("color_jitter:brightness=0.5,contrast=0.2", image, kTwoPixels, n);
    Bytes brighter_first = image, brighter_last = image;
    adjust_brightness(brighter_first, brightness);
    adjust_contrast(brighter_first, 3, contrast);
    adjust_contrast(brighter_last, 3, contrast);
    adjust_brightness(brighter_last, brightness);
    EXPECT_TRUE(both == brighter_first || both == brighter_last);
    if (brighter_first != brighter_last) ++orders[both == brighter_first ? 0 : 1];
  }
  EXPECT_GT(hues.size(), 100U);
  EXPECT_GT(orders[0], 100);
  EXPECT_NEAR(orders[0], orders[1], 5 * std::sqrt(400));
  EXPECT_EQ(applied("color_jitter:saturation=0.5,hue=0.2", {7, 200}, {1, 2, 1}), (Bytes{7, 200}));
}

/// How often each operation comes out of a transform that draws one of them, told by what it does to the image.
std::map<std::string, int> drawn_ops(const std::string& transform, const Bytes& image, const ImageShape& shape,
                                     const std::function<std::vector<double>(const AugmentOp&)>& magnitudes) {
  std::map<std::vector<int>, std::string> names;
  for (const AugmentOp& op : augment_ops()) {
    for (const double magnitude : magnitudes(op)) {
      for (const double sign : {1, -1}) {
        Bytes out = image;
        op.apply(out, shape, op.is_signed ? sign * magnitude : magnitude);
        names.emplace(sortable(out), op.name + (op.is_signed && magnitude > 0 ? (sign > 0 ? "+" : "-") : ""));
      }
    }
  }
  std::map<std::string, int> counts;
  for (std::uint64_t n = 0; n < 4000; ++n) {
    const auto found = names.find(sortable(applied(transform, image, shape, n)));
    ++counts[found == names.end() ? "none of them" : found->second];
  }
  return counts;
}

TEST(Transform, RandAugmentDrawsEveryOperationAlike) {
  constexpr ImageShape kShape{24, 20, 3};
  Bytes image;
  const RandomStream noise = random_stream(1, RandomUse::test);
  for (std::uint64_t i = 0; i < 24 * 20 * 3; ++i) image.push_back(static_cast<std::uint8_t>(20 + noise.below(i, 200)));

  const auto nine = [&](const AugmentOp& op) { return std::vector{rand_augment_magnitude(op, kShape, 9, 31)}; };
  auto counts = drawn_ops("rand_augment:num_ops=1", image, kShape, nine);
  EXPECT_EQ(counts.size(), 5U + 2 * 9);
  EXPECT_EQ(counts.count("none of them"), 0U);
  for (const auto& [name, count] : counts) {
    const double share = name.ends_with("+") || name.ends_with("-") ? 1.0 / 28 : 1.0 / 14;
    EXPECT_NEAR(count, 4000 * share, 5 * std::sqrt(4000 * share)) << name;
  }

  // Bins without effect count as Identity: translations by 0 among them.
  const auto every = [&](const AugmentOp& op) {
    std::vector<double> all;
    for (std::int64_t bin = 0; bin < 3; ++bin) all.push_back(trivial_augment_magnitude(op, bin, 3));
    return all;
  };
  counts = drawn_ops("trivial_augment_wide:num_magnitude_bins=3", image, kShape, every);
  EXPECT_EQ(counts.count("none of them"), 0U);
  EXPECT_NEAR(counts["Identity"], 4000 / 14.0 * (1 + 9 / 3.0 + 2 / 3.0), 5 * std::sqrt(4000 * 0.33 * 0.67));
  EXPECT_NEAR(counts["Rotate+"], 4000 / 14.0 / 3, 5 * std::sqrt(4000 / 42.0));

  EXPECT_EQ(applied("rand_augment:num_ops=0", image, kShape), image);
  EXPECT_NE(applied("rand_augment", image, kShape, 1), applied("rand_augment", image, kShape, 2));
  EXPECT_EQ(applied("rand_augment", image, kShape, 1), applied("rand_augment", image, kShape, 1));
  for (const std::string name : {"rand_augment", "trivial_augment_wide", "color_jitter"}) {
    expect_error<std::invalid_argument>([&] { applied(name, {1, 2}, {1, 1, 2}); }, {name, "1 or 3 channels"});
  }
}

TEST(Transform, ProbabilitiesAreKept) {
  int grey = 0;
  for (std::uint64_t n = 0; n < 4000; ++n)
    grey += applied("random_grayscale", kColours, kTwoPixels, n) != kColours ? 1 : 0;
  EXPECT_NEAR(grey, 400, 5 * std::sqrt(360.0));
}

TEST(Transform, IsMadeByName) {
  register_transform("enlarge", [](const NamedOptions& options) { return std::make_shared<const Enlarge>(options); });
  EXPECT_EQ(transform_names().back(), "enlarge");
  EXPECT_EQ(applied("enlarge:factor=2", {1, 2}, {1, 2, 1}), (Bytes{1, 1, 2, 2, 1, 1, 2, 2}));
  const auto refused = [](const std::string& text, const std::vector<std::string>& parts) {
    expect_error<std::invalid_argument>([&] { make_transform(text); }, parts);
  };
  refused("random_grey", {"unknown transform 'random_grey'", "random_grayscale"});
  refused("random_invert:q=1", {"random_invert has no option q"});
  refused("random_invert:p=1.5", {"[random_invert]", "0 .. 1", "1.5"});
  refused("random_grayscale:p=nan", {"0 .. 1"});
  refused("color_jitter:brightness=-1", {"at least 0", "-1"});
  refused("color_jitter:brightness=inf", {"at least 0"});
  refused("color_jitter:hue=0.6", {"a hue of 0 .. 0.5", "0.6"});
  refused("color_jitter:contrast=nan", {"a contrast of at least 0"});
  refused("rand_augment:magnitude=31", {"[rand_augment]", "0 .. 30", "31"});
  refused("rand_augment:num_ops=-1", {"num_ops"});
  refused("trivial_augment_wide:num_magnitude_bins=1", {"a num_magnitude_bins of 2"});
  expect_error<std::invalid_argument>([] { register_transform("random_invert", {}); }, {"registered already"});
}

/// A picture whose bytes say where they are: channel 0 the row, 1 the column, 2 is 100.
Bytes map_of(const ImageShape& shape) {
  Bytes image;
  for (std::int64_t i = 0; i < shape.height * shape.width; ++i) {
    for (const std::int64_t value : {i / shape.width, i % shape.width, std::int64_t{100}}) {
      image.push_back(static_cast<std::uint8_t>(value));
    }
  }
  return image;
}

TEST(Transform, CropsAndFlipsAreWindows) {
  constexpr ImageShape kShape{9, 7, 3};
  const Bytes image = map_of(kShape);
  std::set<std::pair<int, int>> corners;
  for (std::uint64_t n = 0; n < 1000; ++n) {
    const Bytes out = applied("random_crop:height=4,width=5", image, kShape, n);
    corners.insert({out[0], out[1]});
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(out[static_cast<std::size_t>(3 * i)], out[0] + i / 5);
      EXPECT_EQ(out[static_cast<std::size_t>(3 * i + 1)], out[1] + i % 5);
    }
  }
  EXPECT_EQ(corners.size(), 6U * 3U);
  EXPECT_EQ(*corners.rbegin(), std::pair(5, 2));
  EXPECT_EQ(applied("random_crop:height=9,width=7", image, kShape), image);

  int black = 0;
  for (std::uint64_t n = 0; n < 900; ++n) {
    const Bytes out = applied("random_crop:size=1,padding=1", Bytes{10, 20, 30}, {1, 1, 3}, n);
    black += out == Bytes{0, 0, 0} ? 1 : 0;
    EXPECT_TRUE(out == (Bytes{0, 0, 0}) || out == (Bytes{10, 20, 30}));
  }
  EXPECT_NEAR(black, 800, 5 * std::sqrt(89.0));

  Bytes mirrored, turned;
  for (int i = 0; i < 63; ++i) {
    for (const int value : {i / 7, 6 - i % 7, 100}) mirrored.push_back(static_cast<std::uint8_t>(value));
    for (const int value : {8 - i / 7, i % 7, 100}) turned.push_back(static_cast<std::uint8_t>(value));
  }
  EXPECT_EQ(applied("random_horizontal_flip:p=1", image, kShape), mirrored);
  EXPECT_EQ(applied("random_vertical_flip:p=1", image, kShape), turned);
  EXPECT_EQ(applied("random_horizontal_flip:p=1", {1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2}),
            (Bytes{3, 4, 1, 2, 7, 8, 5, 6}));
  int flips = 0;
  for (std::uint64_t n = 0; n < 1000; ++n)
    flips += applied("random_horizontal_flip", image, kShape, n) != image ? 1 : 0;
  EXPECT_NEAR(flips, 500, 5 * std::sqrt(250.0));
}

TEST(Transform, RandomResizedCropDrawsAsTorchvision) {
  const RectangleRange range{.scale_min = 0.08, .scale_max = 1, .ratio_min = 3.0 / 4, .ratio_max = 4.0 / 3};
  RandomSequence random(random_stream(1, RandomUse::test));
  double area = 0;
  int wide = 0;
  constexpr int kDraws = 4000;
  for (int n = 0; n < kDraws; ++n) {
    const Box box = draw_resized_crop(200, 200, range, random);
    const auto h = static_cast<double>(box.bottom - box.top);
    const auto w = static_cast<double>(box.right - box.left);
    ASSERT_TRUE(box.top >= 0 && box.left >= 0 && box.bottom <= 200 && box.right <= 200);
    ASSERT_GE(h * w, 0.99 * 0.08 * 40000);
    ASSERT_GE(w / h, 0.98 * 3 / 4);
    ASSERT_LE(w / h, 1.02 * 4 / 3);
    area += h * w / 40000;
    wide += w > h ? 1 : 0;
  }
  // The mean share is torchvision's own over 100,000 draws; large boxes that do not fit are drawn again.
  EXPECT_NEAR(area / kDraws, 0.480, 5 * 0.2344 / std::sqrt(kDraws));
  EXPECT_NEAR(wide, kDraws / 2.0, 5 * std::sqrt(kDraws / 4.0) + 0.01 * kDraws);

  // Nothing fits: the largest box in the middle with a ratio of the range.
  const auto fallback = [&](std::int64_t height, std::int64_t width, const Box& want) {
    const Box box =
        draw_resized_crop(height, width, {.scale_min = 1, .scale_max = 1, .ratio_min = 0.75, .ratio_max = 1.5}, random);
    EXPECT_EQ(std::tuple(box.top, box.bottom, box.left, box.right),
              std::tuple(want.top, want.bottom, want.left, want.right));
  };
  fallback(10, 101, {0, 10, 43, 58});
  fallback(101, 9, {44, 56, 0, 9});

  EXPECT_EQ(applied("random_resized_crop:size=2,scale_min=1,ratio_min=1,ratio_max=1", Bytes(12, 9), {2, 2, 3}),
            Bytes(12, 9));
  EXPECT_EQ(applied("random_resized_crop:size=5", map_of({9, 7, 3}), {9, 7, 3}, 4),
            applied("random_resized_crop:size=5", map_of({9, 7, 3}), {9, 7, 3}, 4));
}

TEST(Transform, SizesThatVaryAreHeightAndWidthZero) {
  const auto shape = [](const std::vector<std::string>& names, const ImageShape& input) {
    Transforms transforms;
    for (const std::string& name : names) transforms.push_back(make_transform(name));
    return to_string(output_shape(transforms, input));
  };
  EXPECT_EQ(shape({"resize:size=10", "random_invert"}, {0, 0, 3}), "any size x3");
  EXPECT_EQ(shape({"resize:size=10", "center_crop:size=8"}, {0, 0, 3}), "8x8x3");
  EXPECT_EQ(shape({"resize:height=10,width=4"}, {0, 0, 1}), "10x4x1");
  EXPECT_EQ(shape({"random_horizontal_flip", "random_resized_crop:size=8", "random_vertical_flip"}, {0, 0, 3}),
            "8x8x3");
  EXPECT_EQ(shape({"random_crop:size=8"}, {0, 0, 3}), "8x8x3");
  EXPECT_EQ(shape({"resize:size=10"}, {37, 53, 3}), "10x14x3");
  EXPECT_EQ(shape({"resize:size=10"}, {53, 37, 3}), "14x10x3");
  expect_error<std::invalid_argument>(
      [&] {
        shape({"random_crop:size=8,padding=1"}, {5, 9, 3});
      },
      {"[random_crop]", "at least 8x8", "5x9x3"});
  expect_error<std::invalid_argument>([&] { shape({"resize:size=100"}, {1, 700, 3}); }, {"at most 65535", "70000"});
}

TEST(Transform, SizesAreChecked) {
  const auto refused = [](const std::string& text, const std::vector<std::string>& parts) {
    expect_error<std::invalid_argument>([&] { make_transform(text); }, parts);
  };
  refused("resize", {"[resize]", "a size of 1 .. 65535, got 0"});
  refused("resize:height=3", {"a width of 1 .. 65535"});
  refused("resize:height=3,width=3,size=3", {"a size, or a height and a width"});
  refused("center_crop:size=70000", {"[center_crop]", "70000"});
  refused("random_crop:size=3,padding=-1", {"a padding of 0", "-1"});
  refused("random_resized_crop:size=3,scale_min=0.5,scale_max=0.2", {"scales of 0 .. 1"});
  refused("random_resized_crop:size=3,ratio_min=0", {"ratios above 0"});
  refused("random_horizontal_flip:p=2", {"0 .. 1"});
}

const Dataset& images_50() {
  static const Dataset dataset = generate_split({.seed = 1, .train_images = 50}, Split::train);
  return dataset;
}

std::vector<Tensor> read_epoch(Loader& loader, std::int64_t epoch) {
  loader.start_epoch(epoch);
  std::vector<Tensor> images;
  for (Batch batch; loader.next(batch);) images.push_back(batch.images);
  return images;
}

TEST(Transform, RunsInTheLoaderBeforeTheStandardAugmentation) {
  LoaderOptions options{.batch_size = 50, .shuffle = false, .seed = 2, .augment = {4, PadMode::reflect}};
  Dataset inverted = images_50();
  inverted.images = inverted.images.clone();
  auto* bytes = inverted.images.mutable_data<std::uint8_t>();
  for (std::int64_t i = 0; i < inverted.images.numel(); ++i) bytes[i] = static_cast<std::uint8_t>(255 - bytes[i]);
  Loader plain(inverted, options);
  options.transforms = {make_transform("random_invert:p=1")};
  Loader loader(images_50(), options);
  EXPECT_EQ(read_epoch(loader, 1)[0].to_vector(), read_epoch(plain, 1)[0].to_vector());
}

TEST(Transform, ListsRunInOrderAndChangeTheSize) {
  const LoaderOptions options{.batch_size = 20,
                              .shuffle = false,
                              .transforms = {std::make_shared<const Enlarge>(NamedOptions{{"factor", 3}}),
                                             make_transform("random_invert:p=1"), std::make_shared<const Mark>()},
                              .augment = {.cutout = 100}};
  Loader loader(images_50(), options);
  EXPECT_EQ(read_epoch(loader, 0)[2].shape(), (Shape{10, 96, 96, 3}));
  expect_error<std::invalid_argument>([] { Loader(images_50(), {.augment = {.cutout = 100}}); }, {"cutout"});
}

TEST(Transform, DrawsBySeedEpochImageAndPlaceAlone) {
  const Transforms marks = {std::make_shared<const Mark>(), std::make_shared<const Mark>()};
  const auto first = [&](std::size_t count, const DrawPlace& place) {
    return apply_transforms({marks.begin(), marks.begin() + static_cast<std::ptrdiff_t>(count)}, Bytes{0}, {1, 1, 1},
                            place)[0];
  };
  std::set<std::vector<int>> seen;
  for (const DrawPlace& place : {DrawPlace{1, 2, 3}, DrawPlace{2, 2, 3}, DrawPlace{1, 3, 3}, DrawPlace{1, 2, 4}}) {
    EXPECT_EQ(first(1, place), first(1, place));
    EXPECT_NE(first(1, place), first(2, place));
    seen.insert({first(1, place), first(2, place)});
  }
  EXPECT_EQ(seen.size(), 4U);

  LoaderOptions options{.batch_size = 7, .seed = 7, .mixup = 0.3, .workers = 0};
  options.transforms = {std::make_shared<const Mark>(), make_transform("color_jitter:brightness=0.4"),
                        make_transform("random_grayscale:p=0.3")};
  options.augment = AugmentOptions::standard();
  Loader alone(images_50(), options);
  const std::vector<Tensor> want = read_epoch(alone, 2);
  for (const int workers : {1, 3}) {
    options.workers = workers;
    Loader loader(images_50(), options);
    read_epoch(loader, 0);
    const std::vector<Tensor> got = read_epoch(loader, 2);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t b = 0; b < got.size(); ++b) EXPECT_EQ(got[b].to_vector(), want[b].to_vector());
  }
}

TEST(Transform, LoaderRefusesWhatDoesNotFit) {
  const auto refused = [](std::shared_ptr<const Transform> transform, const std::vector<std::string>& parts) {
    expect_error<std::invalid_argument>([&] { Loader(images_50(), {.transforms = {std::move(transform)}}); }, parts);
  };
  refused(nullptr, {"[transforms]", "null"});
  refused(std::make_shared<const Widen>(), {"images of 3 channels", "32x32x4"});
  refused(std::make_shared<const Enlarge>(NamedOptions{{"factor", 0}}), {"any size x3"});
}

}  // namespace
}  // namespace striate
