#include "data/generated.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "core/autograd.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/random.h"
#include "data/cifar.h"
#include "data/loader.h"
#include "data/verify.h"
#include "layers/activations.h"
#include "layers/avg_pool.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/cross_entropy.h"
#include "layers/flatten.h"
#include "layers/linear.h"
#include "layers/max_pool.h"
#include "optim/schedule.h"
#include "optim/sgd.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::TempFolder;

TEST(Generated, WritesTheSameBytesForASeedWithAnyNumberOfThreads) {
  TempFolder folder;
  const int before = num_threads();
  const GenerateOptions options{.seed = 4, .train_images = 203, .test_images = 50};
  set_num_threads(1);
  generate_folder(folder.path() / "one", options);
  set_num_threads(3);
  generate_folder(folder.path() / "new/three", options);
  set_num_threads(before);
  for (const char* name : {"data_batch_1.bin", "data_batch_5.bin", "test_batch.bin", "batches.meta.txt"}) {
    EXPECT_EQ(read_bytes(folder.path() / "one" / name), read_bytes(folder.path() / "new/three" / name)) << name;
  }
  GenerateOptions other = options;
  other.seed = 5;
  generate_folder(folder.path() / "one", other);
  EXPECT_NE(read_bytes(folder.path() / "one/test_batch.bin"), read_bytes(folder.path() / "new/three/test_batch.bin"));
}

TEST(Generated, IsAGoodFolderThatLoadsAsItWasDrawn) {
  TempFolder folder;
  const GenerateOptions options{.seed = 2, .train_images = 202, .test_images = 50};
  generate_folder(folder.path(), options);
  const DatasetReport report = verify_dataset(folder.path());
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.class_names[1], "spotted disc");
  for (const std::int64_t count : report.train.class_counts) EXPECT_TRUE(count == 20 || count == 21);
  EXPECT_EQ(report.test.class_counts, std::vector<std::int64_t>(10, 5));
  const Dataset drawn = generate_split(options, Split::train);
  const Dataset loaded = load_dataset(folder.path(), Split::train);
  EXPECT_EQ(loaded.images.to_vector(), drawn.images.to_vector());
  EXPECT_EQ(loaded.labels.to_vector(), drawn.labels.to_vector());
  EXPECT_EQ(loaded.class_names, drawn.class_names);
}

TEST(Generated, RefusesBadOptionsAndPlaces) {
  expect_error<std::invalid_argument>([] { generate_split({.train_images = 4}, Split::train); },
                                      {"at least 5", "got 4"});
  TempFolder folder;
  const auto file = folder.write("file", "x");
  expect_error<FileError>([&] { generate_folder(file, {}); }, {file.string()});
  expect_error<FileError>([&] { generate_folder(file / "below", {}); }, {file.string()});
}

TEST(Generated, ColoursTellNothing) {
  const Dataset set = generate_split({.seed = 1, .train_images = 4000}, Split::train);
  std::array<std::array<double, 3>, 10> means{};
  const auto* bytes = set.images.data<std::uint8_t>();
  for (std::int64_t i = 0; i < set.images.numel(); ++i) {
    means[static_cast<std::size_t>(set.labels.data<std::int64_t>()[i / 3072])][static_cast<std::size_t>(i % 3)] +=
        bytes[i] / (400.0 * 1024);
  }
  // An image's mean colour deviates by at most 75 or so; that of 400 images by less than 4.
  for (const auto& mean : means) {
    for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(mean[c], 127, 5 * 4);
  }
}

struct Softmax : Layer {
  Flatten flat{*this, "flat"};
  Linear linear{*this, "linear", 3072, 10};
  Tensor forward(const Tensor& x) override { return linear(flat(x)); }
};

struct Block : Layer {
  Block(Module& parent, std::string name, std::int64_t in, std::int64_t out)
      : Layer(parent, std::move(name)),
        conv{*this, "conv", in, out, {.kernel_size = 3, .padding = 1, .bias = false}},
        norm{*this, "norm", out} {}
  Conv2d conv;
  BatchNorm2d norm;
  Tensor forward(const Tensor& x) override { return relu(norm(conv(x))); }
};

struct SmallCnn : Layer {
  Block a{*this, "a", 3, 16};
  Block b{*this, "b", 16, 32};
  Block c{*this, "c", 32, 64};
  Block d{*this, "d", 64, 64};
  Linear linear{*this, "linear", 64, 10};
  Tensor forward(const Tensor& x) override {
    Tensor y = max_pool2d(a(x), {.kernel_size = 2});
    y = max_pool2d(b(y), {.kernel_size = 2});
    return linear(flatten(adaptive_avg_pool2d(d(c(y)), 1)));
  }
};

double accuracy(Layer& model, const Dataset& set) {
  const NoGradGuard guard;
  model.eval();
  Loader loader(set, {.batch_size = 250, .shuffle = false});
  loader.start_epoch(0);
  std::int64_t correct = 0;
  for (Batch batch; loader.next(batch);) correct += count_correct(model(batch.images), batch.labels);
  model.train();
  return static_cast<double>(correct) / static_cast<double>(set.size());
}

// Trainings are a matter of numbers alone; sanitizers would take minutes over them.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

/// Test accuracy after training on the default set's 10,000 images.
double train(Layer& model, std::int64_t epochs, const SgdOptions& options) {
  const GenerateOptions generate;
  const Dataset set = generate_split(generate, Split::train);
  Loader loader(set, {.batch_size = 64});
  Sgd sgd(model.parameters(), options);
  const ScheduleOptions schedule{
      .kind = "onecycle", .lr = options.lr, .total_steps = epochs * loader.batches_per_epoch()};
  std::int64_t step = 0;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    loader.start_epoch(epoch);
    for (Batch batch; loader.next(batch);) {
      sgd.set_lr(learning_rate(schedule, ++step));
      sgd.zero_grad();
      cross_entropy(model(batch.images), batch.labels).backward();
      sgd.step();
    }
  }
  return accuracy(model, generate_split(generate, Split::test));
}

TEST(Generated, IsTooHardForALinearClassifier) {
  manual_seed(0);
  Softmax model;
  EXPECT_LT(train(model, 5, {.lr = 0.003, .momentum = 0.9, .weight_decay = 1e-3, .nesterov = true}), 0.6);
}

TEST(Generated, IsNotTooHardForASmallCnn) {
  if (kSanitized) GTEST_SKIP() << "trains for too long under a sanitizer";
  manual_seed(0);
  SmallCnn model;
  EXPECT_GT(train(model, 4, {.lr = 0.2, .momentum = 0.9, .weight_decay = 5e-4, .nesterov = true}), 0.95);
}

}  // namespace
}  // namespace striate
