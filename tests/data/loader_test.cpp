#include "data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "core/allocator.h"
#include "data/generated.h"
#include "data/mixing.h"
#include "data/normalize.h"
#include "tests/support/errors.h"

namespace striate {
namespace {

using testing_support::expect_error;

const Dataset& images_103() {
  static const Dataset dataset = generate_split({.seed = 1, .train_images = 103}, Split::train);
  return dataset;
}

LoaderOptions busy_options(int workers) {
  return {.batch_size = 10,
          .seed = 7,
          .augment = {4, PadMode::reflect, FlipMode::alternating, 6},
          .mixup = 0.4,
          .cutmix = 1,
          .workers = workers};
}

std::vector<Batch> read_epoch(Loader& loader, std::int64_t epoch, std::int64_t first = 0) {
  loader.start_epoch(epoch, first);
  std::vector<Batch> batches;
  for (Batch batch; loader.next(batch);) batches.push_back(batch);
  return batches;
}

void expect_same(const Batch& a, const Batch& b) {
  EXPECT_EQ(a.index, b.index);
  EXPECT_EQ(a.labels.to_vector(), b.labels.to_vector());
  EXPECT_EQ(a.images.to_vector(), b.images.to_vector());
  ASSERT_EQ(a.targets.defined(), b.targets.defined());
  if (a.targets.defined()) {
    EXPECT_EQ(a.targets.to_vector(), b.targets.to_vector());
  }
}

TEST(Loader, ReadsInOrderWithoutShuffling) {
  Loader loader(images_103(), {.batch_size = 25, .shuffle = false});
  EXPECT_EQ(loader.batches_per_epoch(), 5);
  const std::vector<Batch> batches = read_epoch(loader, 0);
  ASSERT_EQ(batches.size(), 5U);
  EXPECT_EQ(batches[4].images.shape(), (Shape{3, 32, 32, 3}));
  const std::vector<double> all = normalized(images_103().images, images_103().normalization).to_vector();
  const std::vector<double> labels = images_103().labels.to_vector();
  std::size_t pixel = 0;
  std::size_t image = 0;
  for (const Batch& batch : batches) {
    EXPECT_FALSE(batch.targets.defined());
    for (const double value : batch.images.to_vector()) ASSERT_EQ(value, all[pixel++]);
    for (const double label : batch.labels.to_vector()) ASSERT_EQ(label, labels[image++]);
  }
  EXPECT_EQ(image, 103U);
}

TEST(Loader, DropsTheLastPartialBatchOnlyWhenAsked) {
  EXPECT_EQ(Loader(images_103(), {.batch_size = 25, .drop_last = true}).batches_per_epoch(), 4);
  EXPECT_EQ(Loader(images_103(), {.batch_size = 103, .drop_last = true}).batches_per_epoch(), 1);
  EXPECT_EQ(Loader(images_103(), {.batch_size = 103}).batches_per_epoch(), 1);
  Loader wide(images_103(), {.batch_size = 200, .drop_last = true});
  EXPECT_TRUE(read_epoch(wide, 0).empty());
}

TEST(Loader, ShufflesEachEpochAnew) {
  Dataset numbered = images_103();
  std::vector<std::int64_t> labels(103);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i);
  numbered.labels = Tensor::from({103}, labels);
  Loader loader(numbered, {.batch_size = 20, .seed = 3});
  const auto order = [&](std::int64_t epoch) {
    std::vector<double> seen;
    for (const Batch& batch : read_epoch(loader, epoch)) {
      for (const double label : batch.labels.to_vector()) seen.push_back(label);
    }
    return seen;
  };
  std::vector<double> first = order(0);
  EXPECT_EQ(first, order(0));
  EXPECT_NE(first, order(1));
  std::sort(first.begin(), first.end());
  for (std::size_t i = 0; i < first.size(); ++i) ASSERT_EQ(first[i], static_cast<double>(i));
}

TEST(Loader, AnyNumberOfWorkersAndAnyStartGiveTheSameBits) {
  Loader alone(images_103(), busy_options(0));
  const std::vector<Batch> want = read_epoch(alone, 3);
  ASSERT_EQ(want.size(), 11U);
  for (const int workers : {1, 2, 4}) {
    for (const int prefetch : {1, 4}) {
      LoaderOptions options = busy_options(workers);
      options.prefetch = prefetch;
      Loader loader(images_103(), options);
      read_epoch(loader, 0);
      for (const std::int64_t first : {0, 4, 10, 11}) {
        const std::vector<Batch> got = read_epoch(loader, 3, first);
        ASSERT_EQ(got.size(), want.size() - static_cast<std::size_t>(first));
        for (std::size_t i = 0; i < got.size(); ++i) expect_same(got[i], want[i + static_cast<std::size_t>(first)]);
      }
    }
  }
}

TEST(Loader, TakesAnyNumberOfChannels) {
  for (const std::int64_t channels : {1, 2, 3}) {
    Dataset part = images_103();
    part.images = Tensor::empty({103, 32, 32, channels}, DType::u8);
    const auto* all = images_103().images.data<std::uint8_t>();
    auto* bytes = part.images.mutable_data<std::uint8_t>();
    for (std::int64_t i = 0; i < part.images.numel(); ++i) bytes[i] = all[i / channels * 3 + i % channels];
    part.normalization = {};
    for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
      part.normalization.mean.push_back(images_103().normalization.mean[c]);
      part.normalization.std.push_back(images_103().normalization.std[c]);
    }
    Loader some(part, busy_options(2));
    Loader every(images_103(), busy_options(0));
    const std::vector<Batch> got = read_epoch(some, 1);
    const std::vector<Batch> want = read_epoch(every, 1);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t b = 0; b < got.size(); ++b) {
      const auto values = got[b].images.span<float>();
      const auto wanted = want[b].images.span<float>();
      const auto n = static_cast<std::size_t>(channels);
      for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], wanted[i / n * 3 + i % n]);
    }
  }
}

TEST(Loader, AugmentsByEpochAndByTheImagesPlaceInTheDataSet) {
  const LoaderOptions in_order{.batch_size = 103, .shuffle = false, .seed = 9, .augment = AugmentOptions::standard()};
  Loader loader(images_103(), in_order);
  const Tensor first = read_epoch(loader, 0)[0].images;
  EXPECT_NE(first.to_vector(), read_epoch(loader, 1)[0].images.to_vector());
  LoaderOptions smaller = in_order;
  smaller.batch_size = 1;
  Loader single(images_103(), smaller);
  const Tensor image = read_epoch(single, 0, 50)[0].images;
  EXPECT_TRUE(std::equal(image.data<float>(), image.data<float>() + 3072, first.data<float>() + 50 * 3072));
}

TEST(Loader, MixesWithTheBatchsOwnNumbers) {
  LoaderOptions options{.batch_size = 40, .seed = 5, .mixup = 0.5, .dtype = DType::f64};
  Loader mixed(images_103(), options);
  options.mixup = 0;
  Loader plain(images_103(), options);
  const std::vector<Batch> got = read_epoch(mixed, 2);
  const std::vector<Batch> raw = read_epoch(plain, 2);
  for (std::size_t b = 0; b < 3; ++b) {
    const Mixing mixing = draw_mixup(5, 2, b, raw[b].size(), 0.5);
    EXPECT_EQ(got[b].labels.to_vector(), raw[b].labels.to_vector());
    EXPECT_EQ(got[b].images.to_vector(), mix_images(raw[b].images, mixing).to_vector());
    EXPECT_EQ(got[b].targets.to_vector(), mix_labels(raw[b].labels, mixing, 10, DType::f64).to_vector());
  }
}

TEST(Loader, CutsWithTheBatchsOwnNumbersAndTakesTurnsWithMixup) {
  LoaderOptions options{.batch_size = 10, .seed = 5, .dtype = DType::f64};
  Loader plain(images_103(), options);
  options.cutmix = 0.8;
  Loader cut(images_103(), options);
  options.mixup = 0.5;
  Loader both(images_103(), options);
  options.cutmix = 0;
  Loader mixed(images_103(), options);
  const std::vector<Batch> raw = read_epoch(plain, 2);
  const std::vector<Batch> cuts = read_epoch(cut, 2);
  const std::vector<Batch> mixes = read_epoch(mixed, 2);
  const std::vector<Batch> got = read_epoch(both, 2);
  ASSERT_EQ(got.size(), 11U);
  std::set<bool> seen;
  for (std::size_t b = 0; b < got.size(); ++b) {
    const Mixing drawn = draw_cutmix(5, 2, b, raw[b].images.shape(), 0.8);
    EXPECT_EQ(cuts[b].labels.to_vector(), raw[b].labels.to_vector());
    EXPECT_EQ(cuts[b].images.to_vector(), mix_images(raw[b].images, drawn).to_vector());
    EXPECT_EQ(cuts[b].targets.to_vector(), mix_labels(raw[b].labels, drawn, 10, DType::f64).to_vector());
    seen.insert(draw_cut(5, 2, b));
    expect_same(got[b], draw_cut(5, 2, b) ? cuts[b] : mixes[b]);
  }
  EXPECT_EQ(seen.size(), 2U);
}

TEST(Loader, AlternatingFlipMirrorsEveryImageInTheNextEpoch) {
  Loader loader(images_103(), {.batch_size = 103, .shuffle = false, .augment = {.flip = FlipMode::alternating}});
  const Tensor even = read_epoch(loader, 4)[0].images;
  const Tensor odd = read_epoch(loader, 5)[0].images;
  for (std::int64_t row = 0; row < 103 * 32; ++row) {
    for (std::int64_t x = 0; x < 32; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        ASSERT_EQ(odd.data<float>()[(row * 32 + x) * 3 + c], even.data<float>()[(row * 32 + 31 - x) * 3 + c]);
      }
    }
  }
  EXPECT_EQ(read_epoch(loader, 6)[0].images.to_vector(), even.to_vector());
}

TEST(Loader, StopsInTheMiddleAndLeavesNothing) {
  const Dataset data = images_103();
  const std::size_t before = allocator_stats().live_bytes;
  for (int round = 0; round < 30; ++round) {
    Loader loader(data, busy_options(3));
    Batch batch;
    for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
      loader.start_epoch(epoch);
      for (int i = 0; i < round % 5; ++i) ASSERT_TRUE(loader.next(batch));
    }
  }
  EXPECT_EQ(allocator_stats().live_bytes, before);
}

TEST(Loader, PreparesNoMoreThanThePrefetch) {
  LoaderOptions options{.batch_size = 10, .workers = 3, .prefetch = 2};
  const Dataset data = images_103();
  Loader loader(data, options);
  const std::size_t before = allocator_stats().live_bytes;
  loader.start_epoch(0);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_LE(allocator_stats().live_bytes - before, 2U * (10 * 3072 * 4 + 10 * 8 + 256));
}

TEST(Loader, ThrowsInNextWhatAWorkerThrew) {
  Dataset bad = images_103();
  bad.labels = bad.labels.clone();
  bad.labels.mutable_data<std::int64_t>()[25] = 12;  // mixup refuses it
  for (const int workers : {0, 1, 3}) {
    Loader loader(bad, {.batch_size = 10, .shuffle = false, .mixup = 1, .workers = workers});
    for (int round = 0; round < 2; ++round) {
      loader.start_epoch(0);
      Batch batch;
      EXPECT_TRUE(loader.next(batch));
      EXPECT_TRUE(loader.next(batch));
      expect_error<std::invalid_argument>([&] { loader.next(batch); }, {"got 12"});
      EXPECT_FALSE(loader.next(batch));
    }
  }
}

TEST(Loader, HasNoBatchesBeforeAnEpochStarts) {
  Loader loader(images_103(), {});
  Batch batch;
  EXPECT_FALSE(loader.next(batch));
}

TEST(Loader, RefusesBadOptions) {
  const auto make = [](LoaderOptions options) { return [options] { Loader(images_103(), options); }; };
  expect_error<std::invalid_argument>(make({.batch_size = 0}), {"[loader]", "batch size", "got 0"});
  expect_error<std::invalid_argument>(make({.workers = -1}), {"workers", "got -1"});
  expect_error<std::invalid_argument>(make({.workers = 1 << 30}), {"1024 workers"});
  expect_error<std::invalid_argument>(make({.prefetch = 0}), {"prefetch", "got 0"});
  expect_error<std::invalid_argument>(make({.prefetch = 1 << 30}), {"prefetch"});
  expect_error<std::invalid_argument>(make({.mixup = -0.5}), {"mixup", "-0.5"});
  expect_error<std::invalid_argument>(make({.cutmix = -1}), {"cutmix", "-1"});
  expect_error<std::invalid_argument>(make({.dtype = DType::bf16}), {"f32 or f64", "bf16"});
  expect_error<std::invalid_argument>(make({.augment = {.crop_padding = -4}}), {"crop padding", "-4"});
  Dataset odd = images_103();
  odd.labels = Tensor::zeros({5}, DType::i64);
  expect_error<ShapeError>([&] { Loader(odd, {}); }, {"(103,32,32,3)", "(5)"});
  Loader loader(images_103(), {.batch_size = 50});
  expect_error<std::invalid_argument>([&] { loader.start_epoch(0, 4); }, {"first batch of 0 .. 3", "got 4"});
  expect_error<std::invalid_argument>([&] { loader.start_epoch(-1); }, {"epoch", "-1"});
}

}  // namespace
}  // namespace striate
