#include "data/subset.h"

#include <gtest/gtest.h>

#include "tests/support/errors.h"

namespace striate {
namespace {

using testing_support::expect_error;
using Values = std::vector<double>;

/// Images of 1x1 whose red is their place; labels 0 1 2 0 1 2 0 2 2.
Dataset places() {
  const std::vector<std::int64_t> labels = {0, 1, 2, 0, 1, 2, 0, 2, 2};
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    bytes.insert(bytes.end(), {static_cast<std::uint8_t>(i), 7, static_cast<std::uint8_t>(100 + i)});
  }
  return {Tensor::from({9, 1, 1, 3}, bytes), Tensor::from({9}, labels), {"cat", "dog", "frog"}, {{0, 0, 1}, {1, 1, 2}}};
}

Values places_in(const Dataset& dataset) {
  Values reds;
  const Values values = dataset.images.to_vector();
  for (std::size_t i = 0; i < values.size(); i += 3) {
    EXPECT_EQ(values[i + 2], 100 + values[i]);
    reds.push_back(values[i]);
  }
  return reds;
}

TEST(ChooseClasses, KeepsTheImagesOrderAndNumbersLabelsAnew) {
  const Dataset chosen = choose_classes(places(), {"frog", "cat"});
  EXPECT_EQ(places_in(chosen), (Values{0, 2, 3, 5, 6, 7, 8}));
  EXPECT_EQ(chosen.labels.to_vector(), (Values{1, 0, 1, 0, 1, 0, 0}));
  EXPECT_EQ(chosen.class_names, (std::vector<std::string>{"frog", "cat"}));
  EXPECT_EQ(chosen.images.shape(), (Shape{7, 1, 1, 3}));
  EXPECT_EQ(chosen.normalization, places().normalization);
}

TEST(ChooseClasses, LeavesTheDataSetAsItWas) {
  const Dataset all = places();
  choose_classes(all, {"dog"}).labels.mutable_data<std::int64_t>()[0] = 5;
  EXPECT_EQ(all.labels.to_vector(), places().labels.to_vector());
}

TEST(ChooseClasses, SaysWhatItCannotFind) {
  expect_error<std::invalid_argument>(
      [] {
        choose_classes(places(), {"cat", "fog"});
      },
      {"no class fog", "did you mean dog?", "cat, dog, frog"});
  expect_error<std::invalid_argument>([] { choose_classes(places(), {"cat", "cat"}); }, {"cat twice"});
  expect_error<std::invalid_argument>([] { choose_classes(places(), {}); }, {"got none", "cat, dog, frog"});
}

TEST(ImagesAt, ImagesKeepTheirNames) {
  EXPECT_EQ(image_name(places(), 4), "image 4");
  const Dataset frogs = choose_classes(places(), {"frog"});
  EXPECT_EQ(image_name(frogs, 3), "image 8");
  EXPECT_EQ(image_name(images_at(frogs, {3, 1}), 1), "image 5");
}

TEST(ImagesAt, ChecksPlacesAndLabels) {
  expect_error<std::invalid_argument>([] { images_at(places(), {9}); }, {"places 0 .. 8", "got 9"});
  expect_error<std::invalid_argument>([] { images_at(places(), {-1}); }, {"got -1"});
  Dataset wrong = places();
  wrong.class_names = {"cat", "dog"};
  expect_error<std::invalid_argument>([&] { first_per_class(wrong, 1); }, {"labels 0 .. 1", "got 2"});
  expect_error<std::invalid_argument>([&] { choose_classes(wrong, {"cat"}); }, {"labels 0 .. 1", "got 2"});
}

TEST(SampleImages, GivesEveryClassItsShare) {
  Dataset many;
  many.class_names = {"often", "seldom"};
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < 120; ++i) labels.push_back(i < 90 ? 0 : 1);
  many.labels = Tensor::from({120}, labels);
  many.images = Tensor::empty({120, 1, 1, 1}, DType::u8);
  for (std::int64_t i = 0; i < 120; ++i) many.images.mutable_data<std::uint8_t>()[i] = static_cast<std::uint8_t>(i);
  const Dataset some = sample_images(many, 40);
  ASSERT_EQ(some.size(), 40);
  const Values chosen = some.images.to_vector();
  EXPECT_TRUE(std::is_sorted(chosen.begin(), chosen.end()));
  const Values drawn = some.labels.to_vector();
  EXPECT_EQ(std::count(drawn.begin(), drawn.end(), 1), 10);
  EXPECT_NE(chosen[39], 39);  // not the first ones
  EXPECT_EQ(sample_images(many, 40).images.to_vector(), chosen);
  EXPECT_NE(sample_images(many, 40, 1).images.to_vector(), chosen);
  EXPECT_EQ(sample_images(many, 1).size(), 1);
  EXPECT_EQ(sample_images(many, 119).size(), 119);
  EXPECT_EQ(places_in(sample_images(places(), 100)), places_in(places()));
  expect_error<std::invalid_argument>([] { sample_images(places(), 0); }, {"at least 1, got 0"});
}

TEST(FirstPerClass, TakesTheFirstOfEveryClass) {
  const Dataset two = first_per_class(places(), 2);
  EXPECT_EQ(places_in(two), (Values{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(two.labels.to_vector(), (Values{0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(two.class_names, places().class_names);
  EXPECT_EQ(places_in(first_per_class(places(), 3)), (Values{0, 1, 2, 3, 4, 5, 6, 7}));  // of dogs, all
  EXPECT_EQ(places_in(first_per_class(places(), 100)), places_in(places()));
  expect_error<std::invalid_argument>([] { first_per_class(places(), 0); }, {"at least 1, got 0"});
}

}  // namespace
}  // namespace striate
