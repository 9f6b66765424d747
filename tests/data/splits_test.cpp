#include "data/splits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::TempFolder;

/// Images of one pixel, whose grey is their place, in two classes of 10 and 3.
Dataset thirteen() {
  Dataset dataset{.images = Tensor::empty({13, 1, 1, 1}, DType::u8),
                  .labels = Tensor::empty({13}, DType::i64),
                  .class_names = {"many", "few"}};
  for (std::int64_t i = 0; i < 13; ++i) {
    dataset.images.mutable_data<std::uint8_t>()[i] = static_cast<std::uint8_t>(i);
    dataset.labels.mutable_data<std::int64_t>()[i] = i < 10 ? 0 : 1;
  }
  return dataset;
}

TEST(Splits, HoldsOutAPartOfEveryClass) {
  const auto held = [](const SplitOptions& options) {
    Splits splits{.train = thirteen()};
    hold_out(splits, options);
    std::vector<double> all = splits.train.images.to_vector();
    const std::vector<double> out = splits.validation.images.to_vector();
    EXPECT_EQ(std::count_if(out.begin(), out.end(), [](double grey) { return grey >= 10; }), 1);
    all.insert(all.end(), out.begin(), out.end());
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, thirteen().images.to_vector());  // none is lost, none is in both
    return out;
  };
  const std::vector<double> first = held({.validation = 0.2, .seed = 1});
  EXPECT_EQ(first.size(), 3U);
  EXPECT_EQ(held({.validation = 0.2, .seed = 1}), first);
  EXPECT_NE(held({.validation = 0.2, .seed = 2}), first);
  Splits whole{.train = thirteen()};
  hold_out(whole, {});
  EXPECT_FALSE(whole.validation.labels.defined());
  EXPECT_EQ(whole.train.size(), 13);
  expect_error<std::invalid_argument>([&] { hold_out(whole, {.validation = 1}); }, {"less than 1", "got 1"});
  whole.train.class_names.emplace_back("lone");
  whole.train.labels.mutable_data<std::int64_t>()[12] = 2;
  expect_error<std::invalid_argument>([&] { hold_out(whole, {.validation = 0.5}); }, {"two images", "lone"});
  Splits used = whole;
  hold_out(used, {.validation = 0.5, .classes = {"few", "many"}});
  EXPECT_EQ(used.train.labels.to_vector().back(), 2);
  EXPECT_EQ(used.validation.size(), 6);
}

TEST(Splits, MeasuresTheNormalizationOfAllPixels) {
  Dataset dataset = thirteen();
  const Normalization measured = measured_normalization(dataset);
  EXPECT_DOUBLE_EQ(measured.mean[0], 6.0 / 255);
  EXPECT_DOUBLE_EQ(measured.std[0], std::sqrt(14.0) / 255);  // (13^2 - 1) / 12
  dataset.images = Tensor::zeros({13, 1, 1, 1}, DType::u8);
  EXPECT_GT(measured_normalization(dataset).std[0], 0);
}

TEST(Splits, TestImagesAreNormalisedAsTheTrainingImages) {
  const TempFolder folder;
  folder.write("train/a/1.ppm", "P6 1 1 255\n" + std::string(3, '\x10'));
  folder.write("train/a/2.ppm", "P6 1 1 255\n" + std::string(3, '\x30'));
  folder.write("val/a/1.ppm", "P6 1 1 255\n" + std::string(3, '\x70'));
  const Splits splits = load_splits(folder.path());
  EXPECT_EQ(splits.train.normalization.mean, std::vector<double>(3, 32.0 / 255));
  EXPECT_EQ(splits.test.normalization, splits.train.normalization);
  EXPECT_EQ(splits.test.size(), 1);
  EXPECT_EQ(load_splits(folder.path(), "", {}, {.measure_normalization = false}).train.normalization, Normalization{});
}

}  // namespace
}  // namespace striate
