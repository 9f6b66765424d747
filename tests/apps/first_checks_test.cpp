// What a Trainer refuses before the first step, since it would stop or spoil the run later.

#include <gtest/gtest.h>

#include "apps/training/trainer.h"
#include "core/random.h"
#include "data/generated.h"
#include "models/registry.h"
#include "tests/support/errors.h"
#include "tests/support/small_run.h"

namespace striate {
namespace {

using namespace testing_support;

const Dataset& images(Split split) {
  static const GenerateOptions options{.seed = 3, .train_images = 100, .test_images = 20};
  static const Dataset train = generate_split(options, Split::train);
  static const Dataset test = generate_split(options, Split::test);
  return split == Split::train ? train : test;
}

// ResNet-18 makes 1x1 maps of 32x32 images.
std::unique_ptr<Layer> small_resnet(std::int64_t classes = 10) {
  return make_model("resnet18", {.classes = classes, .options = {{"width_multiplier", 0.125}}});
}

void make_trainer(Layer& model, const TrainerOptions& options, const Dataset& train = images(Split::train),
                  const Dataset& test = images(Split::test)) {
  Trainer(model, train, test, options);
}

TrainerOptions in_batches_of(std::int64_t size) {
  TrainerOptions options;
  options.loader.batch_size = size;
  return options;
}

// The first `count` images.
Dataset part(const Dataset& dataset, std::int64_t count) {
  Dataset result = dataset;
  Shape shape = dataset.images.shape();
  shape[0] = count;
  result.images = Tensor::empty(shape, DType::u8);
  std::copy_n(dataset.images.data<std::uint8_t>(), result.images.numel(), result.images.mutable_data<std::uint8_t>());
  result.labels = Tensor::empty({count}, DType::i64);
  std::copy_n(dataset.labels.data<std::int64_t>(), count, result.labels.mutable_data<std::int64_t>());
  return result;
}

TEST(FirstChecks, ALastBatchOfOneImageBeforeABatchNorm) {
  const auto model = small_resnet();
  const auto refused = [&](const TrainerOptions& options, const std::vector<std::string>& parts) {
    expect_error<std::invalid_argument>([&] { make_trainer(*model, options); }, parts);
  };
  refused(in_batches_of(11), {"batch norm layer4.", "100 images in batches of 11", "--drop-last"});
  refused(in_batches_of(1), {"100 images in batches of 1; take another batch size"});
  make_trainer(*model, in_batches_of(10));
  TrainerOptions dropping = in_batches_of(11);
  dropping.loader.drop_last = true;
  make_trainer(*model, dropping);
  TrainerOptions frozen = in_batches_of(11);
  frozen.groups.frozen = {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4"};
  make_trainer(*model, frozen);
  // Larger maps have more than one value a channel.
  const auto vgg = make_model("vgg11", {.options = {{"width_multiplier", 0.0625}}});
  make_trainer(*vgg, in_batches_of(11));
}

TEST(FirstChecks, ChangeNothing) {
  manual_seed(4);
  const auto model = small_resnet();
  const std::uint64_t draws = default_generator().draws;
  std::vector<std::vector<double>> before;
  for (const NamedTensor& buffer : model->buffers()) before.push_back(buffer.value.to_vector());
  make_trainer(*model, in_batches_of(10));
  EXPECT_EQ(default_generator().draws, draws);
  EXPECT_TRUE(model->training());
  std::vector<std::vector<double>> after;
  for (const NamedTensor& buffer : model->buffers()) after.push_back(buffer.value.to_vector());
  EXPECT_EQ(before, after);
}

TEST(FirstChecks, NetworksThatDoNotFitTheData) {
  const auto other = small_resnet(7);
  expect_error<std::invalid_argument>([&] { make_trainer(*other, {}); },
                                      {"a model with an output for each of the 10 classes", "(1,7)"});
  const auto model = small_resnet();
  TrainerOptions options;
  options.objective.distillation.teacher = small_resnet(7);
  expect_error<std::invalid_argument>([&] { make_trainer(*model, options); },
                                      {"a teacher with an output for each of the 10 classes", "(1,7)"});
  const auto grey = make_model("lenet", {.in_channels = 1, .height = 28, .width = 28});
  expect_error<ShapeError>([&] { make_trainer(*grey, {}); }, {"the model cannot take images of 32x32x3: ", "conv1"});
  options.objective.distillation.teacher = make_model("lenet", {.in_channels = 1, .height = 28, .width = 28});
  expect_error<ShapeError>([&] { make_trainer(*model, options); }, {"the teacher cannot take images of 32x32x3"});
}

TEST(FirstChecks, SetsThatDoNotBelongTogether) {
  const auto model = small_resnet();
  const auto refused = [&](const Dataset& train, const Dataset& test, const std::vector<std::string>& parts) {
    expect_error<std::invalid_argument>([&] { make_trainer(*model, {}, train, test); }, parts);
  };
  Dataset named = images(Split::test);
  named.class_names[0] = "caf\xe9";
  refused(images(Split::train), named, {"test classes", "caf\\xe9"});
  refused(part(named, 10), part(named, 5), {"UTF-8", "caf\\xe9"});
  refused(images(Split::train), part(images(Split::test), 0), {"test set"});
}

TEST(FirstChecks, ClassesWithoutImages) {
  Dataset train = images(Split::train);
  Dataset test = images(Split::test);
  for (Dataset* set : {&train, &test}) set->class_names.emplace_back("x\x1b");
  auto model = small_resnet(11);
  const auto warnings = [&] { return Trainer(*model, train, test, in_batches_of(10)).warnings(); };
  ASSERT_EQ(warnings().size(), 2U);
  EXPECT_TRUE(warnings()[0].starts_with("no training image of 1 of 11 classes (x\\x1b)")) << warnings()[0];
  EXPECT_TRUE(warnings()[1].starts_with("no test image of 1 of 11 classes (x\\x1b)")) << warnings()[1];
  for (Dataset* set : {&train, &test}) {
    set->class_names = {"only"};
    set->labels = Tensor::zeros(set->labels.shape(), DType::i64);
  }
  model = small_resnet(1);
  ASSERT_EQ(warnings().size(), 1U);
  EXPECT_EQ(warnings()[0], "there is a single class, and so nothing to learn");
}

TEST(FirstChecks, SchedulesThatDoNotFitTheRun) {
  const auto model = small_resnet();
  TrainerOptions options = in_batches_of(50);
  options.epochs = 2;
  options.warmup_epochs = 5;
  expect_error<std::invalid_argument>([&] { make_trainer(*model, options); },
                                      {"a warmup within the run's 4 steps, got 10"});
  const auto warnings = [&](const TrainerOptions& of) {
    return Trainer(*model, images(Split::train), images(Split::test), of).warnings();
  };
  options.warmup_epochs = 2;
  EXPECT_TRUE(warnings(options).empty());
  options = in_batches_of(100);
  options.epochs = 1;
  ASSERT_EQ(warnings(options).size(), 1U);
  EXPECT_TRUE(warnings(options)[0].starts_with("the run's only update learns (almost) nothing"));
  options.schedule.kind = "constant";
  EXPECT_TRUE(warnings(options).empty());
}

// As the command says it: nothing is trained, and nothing is left that a second try would stumble over.
TEST(FirstChecks, OfTheProgram) {
  const TempFolder folder;
  const auto run = folder.path() / "run";
  for (const auto& [flags, part] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--model", "resnet18", "--width-multiplier", "0.125", "--batch-size", "23"}, "--drop-last"},
           {{"--epochs", "2", "--warmup-epochs", "5"}, "warmup"}}) {
    const Outcome outcome = striate(small_train(run, flags));
    EXPECT_NE(outcome.status, 0);
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(run / "weights.safetensors"));
    EXPECT_FALSE(std::filesystem::exists(run / "checkpoint.safetensors"));
  }
  const Outcome once = striate(small_train(run, {"--epochs", "1", "--batch-size", "300"}));
  EXPECT_EQ(once.status, 0);
  EXPECT_NE(once.out.find("warning: the run's only update learns (almost) nothing"), std::string::npos) << once.out;
}

}  // namespace
}  // namespace striate
