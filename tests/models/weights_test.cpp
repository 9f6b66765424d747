// Weights files: cards that come back, that are missing, and that cannot be true.

#include "models/weights.h"

#include <gtest/gtest.h>

#include "core/allocator.h"
#include "core/error.h"
#include "core/reshape.h"
#include "core/safetensors.h"
#include "core/text.h"
#include "layers/conv1d.h"
#include "layers/conv2d.h"
#include "layers/flatten.h"
#include "layers/linear.h"
#include "models/registry.h"
#include "tests/support/errors.h"
#include "tests/support/random_tensor.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::message_of;
using testing_support::random_tensor;

// A model without a width, with an option of its own.
struct Plain : Layer {
  explicit Plain(const ModelOptions& o)
      : conv(*this, "conv", o.in_channels, o.options.integer("channels", 4), {.kernel_size = 3, .stride = 2}),
        last(*this, "last", conv.bias.size(0) * ((o.height - 1) / 2) * ((o.width - 1) / 2), o.classes) {}
  Tensor forward(const Tensor& x) override { return last(flatten(conv(x))); }
  [[nodiscard]] std::string head() const override { return "last"; }
  Conv2d conv;
  Linear last;
};

// Of sounds (N,1,L,C).
struct Line : Layer {
  explicit Line(const ModelOptions& o)
      : conv(*this, "conv", o.in_channels, 4, {.kernel_size = 3}), last(*this, "last", 4 * (o.width - 2), o.classes) {}
  Tensor forward(const Tensor& x) override {
    return last(flatten(conv(reshape(x, {x.size(0), x.size(2), x.size(3)}))));
  }
  [[nodiscard]] std::string head() const override { return "last"; }
  Conv1d conv;
  Linear last;
};

class Weights : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    register_model("line", [](const ModelOptions& options) { return std::make_unique<Line>(options); });
    register_model("plain", [](const ModelOptions& options) { return std::make_unique<Plain>(options); });
  }
  // Writes a file of a fresh model of this card.
  std::unique_ptr<Layer> save(const ModelCard& card) {
    auto model = make_model(card);
    model->eval();
    save_weights(file_, *model, card);
    return model;
  }
  // The same tensors with other metadata.
  void rewrite(const Metadata& metadata) const {
    TensorFile file = read_safetensors(file_);
    file.metadata = metadata;
    write_safetensors(file_, file);
  }
  void rewrite(const std::string& key, const std::string& value) const {
    Metadata metadata = read_safetensors_metadata(file_);
    metadata[key] = value;
    rewrite(metadata);
  }
  static void expect_same(Layer& model, const LoadedModel& loaded) {
    const Shape shape = {2, loaded.card.height, loaded.card.width, loaded.card.channels};
    const Tensor images = random_tensor(shape, 1, DType::f32);
    EXPECT_EQ(model(images).to_vector(), (*loaded.model)(images).to_vector());
  }
  [[nodiscard]] std::string failure(const LoadOptions& options = {}) const {
    return message_of<FileError>([&] { load_weights(file_, options); });
  }
  static std::vector<std::string> names(int count) {
    std::vector<std::string> all;
    for (int i = 0; i < count; ++i) all.push_back("class " + std::to_string(i));
    return all;
  }

  testing_support::TempFolder folder_;
  std::filesystem::path file_ = folder_.path() / "weights.safetensors";
};

TEST_F(Weights, TheCardComesBack) {
  const ModelCard card{.model = "plain",
                       .options = {{"channels", 6}},
                       .class_names = {"cat", "a \"dog\""},
                       .precision = "bf16",
                       .channels = 2,
                       .height = 9,
                       .width = 7,
                       .normalization = {{0.1, 1.0 / 3}, {0.2, 0.7}}};
  const auto model = save(card);
  const LoadedModel loaded = load_weights(file_);
  EXPECT_EQ(to_metadata(loaded.card), to_metadata(card));
  EXPECT_EQ(loaded.card.normalization, card.normalization);
  EXPECT_EQ(loaded.precision, precision_of("bf16"));
  EXPECT_FALSE(loaded.model->training());
  expect_same(*model, loaded);
}

TEST_F(Weights, WhatWasHeldOutComesBack) {
  save(
      {.model = "plain", .class_names = {"cat", "dog"}, .held_out = {0.1, 18446744073709551615U, "5 images, xxh3 1f"}});
  const HeldOut held = load_weights(file_).card.held_out;
  EXPECT_EQ(held.part, 0.1);
  EXPECT_EQ(held.seed, 18446744073709551615U);
  EXPECT_EQ(held.images, "5 images, xxh3 1f");
  rewrite("val_split_seed", "first");
  EXPECT_NE(failure().find("a number as val_split_seed, got first"), std::string::npos) << failure();
  rewrite("val_split", "1");
  EXPECT_NE(failure().find("above 0 and below 1"), std::string::npos) << failure();
}

TEST_F(Weights, FilesOfEarlierVersions) {
  const auto model = save({.model = "vgg11", .options = {{"width_multiplier", 0.1}}, .class_names = {"a", "b", "c"}});
  rewrite(
      {{"model", "vgg11"}, {"width_multiplier", "0.1"}, {"class_names", R"(["a","b","c"])"}, {"precision", "fp32"}});
  const LoadedModel loaded = load_weights(file_);
  EXPECT_EQ(loaded.card.class_names, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(loaded.card.normalization, default_normalization(3));
  expect_same(*model, loaded);
}

TEST_F(Weights, WithoutACardTheShapesTell) {
  for (const double width : {0.5, 0.3}) {
    // The head has more rows than any other layer.
    const auto model = save({.model = "resnet20",
                             .options = {{"width_multiplier", width}},
                             .class_names = names(70),
                             .channels = 1,
                             .normalization = {{0}, {1}}});
    rewrite({});
    EXPECT_NE(failure().find("name the model"), std::string::npos);
    const LoadedModel loaded = load_weights(file_, {.model = "resnet20"});
    EXPECT_EQ(loaded.card.class_names, names(70));
    EXPECT_EQ(loaded.card.channels, 1);
    EXPECT_EQ(loaded.card.normalization, default_normalization(1));
    expect_same(*model, loaded);
    expect_same(*model, load_weights(file_, {.model = "resnet20", .options = {{"width_multiplier", width}}}));
  }
}

// A filter of sounds has three axes in files, and they tell the channels.
TEST_F(Weights, WithoutACardOfSounds) {
  const auto model = save({.model = "line", .class_names = names(3), .channels = 2, .height = 1, .width = 9});
  EXPECT_EQ(read_safetensors(file_).find("conv.weight").shape(), (Shape{4, 2, 3}));
  rewrite({{"model", "line"}, {"height", "1"}, {"width", "9"}});
  const LoadedModel loaded = load_weights(file_);
  EXPECT_EQ(loaded.card.channels, 2);
  EXPECT_EQ(loaded.card.class_names, names(3));
  expect_same(*model, loaded);
}

TEST_F(Weights, WithoutACardAndWithoutAWidth) {
  const auto model = save({.model = "plain",
                           .options = {{"channels", 5}},
                           .class_names = names(3),
                           .channels = 1,
                           .height = 12,
                           .width = 9});
  rewrite({{"model", "plain"}});
  const LoadedModel loaded = load_weights(file_, {.model = "plain:channels=5", .input = Shape{12, 9, 1}});
  EXPECT_EQ(loaded.card.class_names, names(3));
  expect_same(*model, loaded);
  EXPECT_NE(failure().find("conv.weight"), std::string::npos) << failure();
  EXPECT_NE(failure({.input = Shape{12, 9}}).find("height, width and channels, got (12,9)"), std::string::npos);
  EXPECT_NE(failure({.options = {{"depth", 3}}}).find("plain has no option depth"), std::string::npos);
}

TEST_F(Weights, OptionsWinOverTheCard) {
  save({.model = "vgg11", .options = {{"width_multiplier", 0.1}}, .class_names = names(10)});
  EXPECT_EQ(load_weights(file_, {.model = "vgg11:dropout=0.5"}).card.options.real("dropout", 0), 0.5);
  EXPECT_EQ(load_weights(file_, {.precision = "fp64"}).model->parameters()[0].value.dtype(), DType::f64);
  EXPECT_NE(failure({.model = "vgg13"}).find("features.3.weight"), std::string::npos);
  EXPECT_NE(failure({.model = "vgg99"}).find("did you mean"), std::string::npos);
  EXPECT_NE(failure({.options = {{"width_multiplier", 0.2}}}).find("features.0.weight"), std::string::npos);
}

TEST_F(Weights, ACardThatCannotBe) {
  save({.model = "vgg11", .options = {{"width_multiplier", 0.05}}, .class_names = names(10)});
  const Metadata good = read_safetensors_metadata(file_);
  for (const auto& [key, value, part] :
       std::vector<std::array<std::string, 3>>{{"options", "width_multiplier=1000000", "width_multiplier"},
                                               {"options", "width_multiplier=nan", "width_multiplier"},
                                               {"options", "width_multiplier", "width_multiplier"},
                                               {"options", "depth=3", "depth"},
                                               {"width_multiplier", "wide", "width_multiplier"},
                                               {"class_names", "[1", "JSON"},
                                               {"class_names", "{}", "JSON"},
                                               {"height", "1000000000", "height"},
                                               {"channels", "0", "channels"},
                                               {"mean", "[0.5]", "a mean and a std"},
                                               {"std", "[0,1,1]", "std"},
                                               {"precision", "fp8", "fp16"},
                                               {"model", "vgg99", "vgg"}}) {
    rewrite(good);
    rewrite(key, value);
    const std::string message = failure();
    EXPECT_NE(message.find(file_.string()), std::string::npos) << key << " " << message;
    EXPECT_NE(message.find(part), std::string::npos) << key << " " << message;
  }
}

// VGG11 at 64 times the width has 4e10 parameters, LeNet's fc1 for 5000x5000 images 3e9.
TEST_F(Weights, ACardCannotAskForMoreMemoryThanItsTensors) {
  save({.model = "vgg11", .options = {{"width_multiplier", 0.05}}, .class_names = names(10)});
  reset_peak_bytes();
  const std::size_t before = allocator_stats().peak_bytes;
  rewrite("options", "width_multiplier=64");
  EXPECT_NE(failure().find("is a larger model than these weights are for, "), std::string::npos) << failure();
  Metadata lenet = read_safetensors_metadata(file_);
  lenet["model"] = "lenet";
  lenet["options"] = "";
  lenet["height"] = lenet["width"] = "5000";
  rewrite(lenet);
  EXPECT_NE(failure().find("is a larger model than these weights are for, "), std::string::npos) << failure();
  EXPECT_LT(allocator_stats().peak_bytes - before, 64U << 20U);
}

TEST_F(Weights, InitFromKeepsAHeadForOtherClasses) {
  const auto model = save({.model = "plain", .class_names = {"a", "b"}});
  const auto make = [](std::int64_t classes) { return make_model("plain", {.classes = classes}); };
  const auto bias = [](const Layer& layer, std::size_t place) { return layer.parameters()[place].value.to_vector(); };
  const auto same = make(2);
  EXPECT_EQ(init_from(file_, *same, {"a", "b"}).skipped_head, "");
  EXPECT_EQ(bias(*same, 3), bias(*model, 3));
  for (const auto& classes : {std::vector<std::string>{"a", "c"}, std::vector<std::string>{"a", "b", "c"}}) {
    const auto other = make(static_cast<std::int64_t>(classes.size()));
    const auto before = bias(*other, 3);
    EXPECT_EQ(init_from(file_, *other, classes).skipped_head, "last");
    EXPECT_EQ(bias(*other, 1), bias(*model, 1));
    EXPECT_EQ(bias(*other, 3), before);
  }
}

// As PyTorch's DataParallel and torch.compile write them, with and without a card.
TEST_F(Weights, APrefixOfAllNamesIsTakenOff) {
  const ModelCard card{.model = "vgg11", .options = {{"width_multiplier", 0.1}}, .class_names = names(3)};
  const auto model = save(card);
  const TensorFile plain = read_safetensors(file_);
  for (const std::string prefix : {"module.", "_orig_mod.module.", "features."}) {
    for (const bool with_card : {true, false}) {
      TensorFile file = plain;
      for (auto& [name, tensor] : file.tensors) name.insert(0, prefix);
      if (!with_card) file.metadata = {{"model", "vgg11"}};
      write_safetensors(file_, file);
      const LoadedModel loaded = load_weights(file_);
      expect_same(*model, loaded);
      EXPECT_EQ(loaded.card.class_names, names(3));
      EXPECT_EQ(loaded.note, file_.string() + ": \"" + prefix + "\" was taken off the beginning of all names");
      const auto other = make_model(card);
      other->eval();
      EXPECT_EQ(init_from(file_, *other, names(3)).note, loaded.note);
      expect_same(*other, loaded);
    }
  }
  write_safetensors(file_, plain);
  EXPECT_EQ(load_weights(file_).note, "");
}

TEST_F(Weights, CountersMayBeMissing) {
  const auto model = save({.model = "vgg11", .options = {{"width_multiplier", 0.1}}, .class_names = names(3)});
  TensorFile file = read_safetensors(file_);
  std::erase_if(file.tensors, [](const auto& named) { return named.first.ends_with(".num_batches_tracked"); });
  file.metadata = {{"model", "vgg11"}};
  write_safetensors(file_, file);
  expect_same(*model, load_weights(file_));
}

// Tensors without values may have any shape, and stand for nothing.
TEST_F(Weights, ShapesOfEmptyTensorsAreNotBelieved) {
  save({.model = "vgg11", .options = {{"width_multiplier", 0.05}}, .class_names = names(10)});
  for (const auto& [name, shape] :
       std::vector<std::pair<std::string, Shape>>{{"classifier.weight", {std::int64_t{1} << 50, 0}},
                                                  {"features.0.weight", {std::int64_t{1} << 50, 3, 3, 0}}}) {
    write_safetensors(file_, {.tensors = {{name, Tensor::empty(shape)}, {"classifier.bias", Tensor::empty(shape)}},
                              .metadata = {{"model", "vgg11"}}});
    EXPECT_NE(failure(), "");
  }
  write_safetensors(file_, {.tensors = {{"conv1.weight", Tensor::zeros({3})}}, .metadata = {{"model", "vgg11"}}});
  EXPECT_NE(failure().find("has no head of a vgg11 to count classes by; they may be of another model"),
            std::string::npos)
      << failure();
}

TEST_F(Weights, TextOfAFileIsFitForATerminal) {
  save({.model = "vgg11", .options = {{"width_multiplier", 0.05}}, .class_names = names(10)});
  const Metadata good = read_safetensors_metadata(file_);
  for (const char* key : {"model", "options", "class_names", "precision", "height", "mean"}) {
    rewrite(good);
    rewrite(key, "\x1b[2J=\x07");
    const std::string message = failure();
    EXPECT_EQ(message.find_first_of("\x1b\x07"), std::string::npos) << key;
  }
}

TEST(ModelCard, ClassesAreComparedByNameAndPlace) {
  const ModelCard card{.model = "vgg11", .class_names = {"cat", "dog"}};
  check_classes(card, {"cat", "dog"});
  check_classes({.model = "vgg11", .class_names = {"class 0", "class 1"}}, {"alpha", "beta"});
  for (const std::vector<std::string>& names :
       std::vector<std::vector<std::string>>{{"dog", "cat"}, {"alpha", "beta"}, {"cat", "dog", "cow"}, {"cat"}}) {
    expect_error<std::invalid_argument>([&] { check_classes(card, names); }, {"2 (cat, dog), got", joined(names)});
  }
  EXPECT_THROW(check_classes({.model = "vgg11", .class_names = {"class 0"}}, {"a", "b"}), std::invalid_argument);
  expect_error<std::invalid_argument>([] { to_metadata({.model = "vgg11", .class_names = {"caf\xe9"}}); },
                                      {"class names in UTF-8", "caf\\xe9"});
}

}  // namespace
}  // namespace striate
