#include "core/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/allocator.h"
#include "tests/support/errors.h"
#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

TEST(Tensor, IsAHandle) {
  Tensor a = Tensor::from({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  const Tensor b = a;
  a.mutable_data<float>()[0] = 9;
  EXPECT_EQ(b.data<float>()[0], 9);
  EXPECT_EQ(a.clone().data<float>()[5], 6);
  EXPECT_EQ(a.rank(), 2);
  EXPECT_EQ(a.size(-1), 3);
  EXPECT_EQ(a.bytes(), 24U);
  EXPECT_FALSE(Tensor().defined());
}

TEST(Tensor, MemoryIsAligned) {
  for (const std::int64_t size : {1, 3, 17, 1000, 100000}) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(Tensor::empty({size}, DType::u8).raw()) % 64, 0U);
  }
}

TEST(Tensor, VersionCountsWritesOfTheMemory) {
  Tensor a = Tensor::zeros({4});
  Tensor same = a.viewed_as({2, 2});
  const auto before = a.version();
  same.mutable_data<float>();
  EXPECT_EQ(a.version(), before + 1);
  EXPECT_NE(a.clone().raw(), a.raw());
  EXPECT_FALSE(a.unique());
  EXPECT_TRUE(a.clone().unique());
}

TEST(Tensor, ScalarsAndEmptyOnes) {
  EXPECT_EQ(Tensor::full({}, 3.5).item(), 3.5);
  EXPECT_EQ(Tensor::zeros({0, 4}).numel(), 0);
  EXPECT_TRUE(Tensor::zeros({0, 4}).to_vector().empty());
}

TEST(Tensor, Misuse) {
  const Tensor a = Tensor::zeros({2, 3});
  EXPECT_EQ(message_of<std::invalid_argument>([&] { static_cast<void>(a.data<double>()); }),
            "[tensor] expected data of f64, got (2,3) of f32");
  EXPECT_THROW(static_cast<void>(a.item()), ShapeError);
  EXPECT_THROW(static_cast<void>(a.size(2)), ShapeError);
  EXPECT_THROW(static_cast<void>(a.viewed_as({7})), ShapeError);
  EXPECT_THROW(static_cast<void>(Tensor::zeros({-1})), ShapeError);
  EXPECT_THROW(static_cast<void>(Tensor::zeros({1LL << 40, 1LL << 40})), ShapeError);
  EXPECT_THROW(static_cast<void>(Tensor::from({3}, std::vector<float>{1})), ShapeError);
  EXPECT_THROW(static_cast<void>(Tensor().shape()), std::invalid_argument);
  Tensor b = Tensor::zeros({3});
  EXPECT_THROW(b.copy_from(a), ShapeError);
}

TEST(BFloat16, RoundsToNearestEven) {
  const auto round = [](float value) { return static_cast<float>(bfloat16(value)); };
  EXPECT_EQ(round(1.0F), 1.0F);
  EXPECT_EQ(round(1.0F + 0x1p-8F), 1.0F);               // a tie, to the even mantissa below
  EXPECT_EQ(round(1.0F + 0x3p-8F), 1.0F + 0x1p-6F);     // a tie, to the even one above
  EXPECT_EQ(round(1.0F + 0x1.01p-8F), 1.0F + 0x1p-7F);  // just over a tie
  EXPECT_EQ(round(-3.0F), -3.0F);
  EXPECT_EQ(round(std::numeric_limits<float>::max()), std::numeric_limits<float>::infinity());
  EXPECT_EQ(round(-std::numeric_limits<float>::infinity()), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(round(std::numeric_limits<float>::quiet_NaN())));
  EXPECT_TRUE(std::isnan(round(std::bit_cast<float>(0x7f800001U))));
}

TEST(Tensor, ConvertsBetweenDtypes) {
  const Tensor from = Tensor::from({3}, std::vector<double>{1.5, -2, 1000.0625});
  Tensor low = Tensor::empty({3}, DType::bf16);
  low.copy_from(from);
  EXPECT_EQ(low.to_vector(), (std::vector<double>{1.5, -2, 1000}));
  Tensor whole = Tensor::empty({3}, DType::i64);
  whole.copy_from(from);
  EXPECT_EQ(whole.to_vector(), (std::vector<double>{1, -2, 1000}));
}

TEST(Tensor, SizesThatOverflowAreRefused) {
  constexpr std::int64_t huge = std::int64_t{1} << 62;
  for (const Shape& shape : {Shape{huge}, Shape{huge, huge}, Shape{huge, 0, huge}, Shape{0, huge, 4}}) {
    EXPECT_THROW(static_cast<void>(numel(shape)), ShapeError) << to_string(shape);
    EXPECT_THROW(Tensor::empty(shape), ShapeError) << to_string(shape);
  }
  EXPECT_EQ(numel({0, std::int64_t{1} << 59}), 0);
}

TEST(Tensor, MemoryThatThereIsNotIsNamed) {
  expect_error<OutOfMemory>([] { Tensor::empty({std::int64_t{1} << 55}); }, {"out of memory: 144115188075.9 MB"});
  expect_error<std::bad_alloc>([] { allocate_block(std::numeric_limits<std::size_t>::max()); }, {"out of memory"});
}

TEST(Tensor, WholeNumbersHoldTheNearest) {
  const Tensor wide = Tensor::from<double>({5}, {-1e300, 1e300, std::nan(""), 254.7, -3});
  Tensor bytes = Tensor::empty({5}, DType::u8);
  bytes.copy_from(wide);
  EXPECT_EQ(bytes.to_vector(), (std::vector<double>{0, 255, 0, 254, 0}));
  Tensor labels = Tensor::empty({5}, DType::i64);
  labels.copy_from(wide);
  const auto* values = labels.data<std::int64_t>();
  EXPECT_EQ(values[0], std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(values[1], std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(std::vector<std::int64_t>(values + 2, values + 5), (std::vector<std::int64_t>{0, 254, -3}));
  EXPECT_EQ(Tensor::full({1}, 1e9, DType::u8).item(), 255);
}

}  // namespace
}  // namespace striate
