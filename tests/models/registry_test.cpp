// Models by name and their options.

#include "models/registry.h"

#include <gtest/gtest.h>

#include "models/vgg.h"

namespace striate {
namespace {

std::string failure(const std::string& name, const ModelOptions& options = {}) {
  try {
    make_model(name, options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(Registry, BuildsEveryModelWithItsOptions) {
  const ModelOptions options{.classes = 4, .in_channels = 1, .options = {{"width_multiplier", 0.05}, {"dropout", 0.1}}};
  const std::vector<std::string> names = {"vgg11",      "vgg13",      "vgg16",      "vgg19",
                                          "vgg11_nobn", "vgg13_nobn", "vgg16_nobn", "vgg19_nobn"};
  for (const std::string& name : names) {
    const auto model = make_model(name, options);
    EXPECT_EQ((*model)(Tensor::zeros({1, 32, 32, 1})).shape(), (Shape{1, 4})) << name;
    EXPECT_EQ(model->buffers().empty(), name.ends_with("_nobn")) << name;
  }
  EXPECT_EQ(make_model("vgg11", options)->parameters().size(), 8U * 3U + 2U);
  EXPECT_EQ(make_model("vgg19", options)->parameters().size(), 16U * 3U + 2U);
}

TEST(Registry, AnUnknownNameGetsTheNearestOneAndTheList) {
  const std::string message = failure("vgg-16");
  EXPECT_NE(message.find("unknown model 'vgg-16': did you mean 'vgg16'?"), std::string::npos) << message;
  for (const std::string& name : model_names()) EXPECT_NE(message.find(name), std::string::npos) << name;
}

TEST(Registry, OptionsComeWithTheNameToo) {
  const auto rows = [](const Layer& model) { return model.parameters().front().value.size(-1); };
  EXPECT_EQ(rows(*make_model("vgg11:width_multiplier=0.25,dropout=0.5")), 16);
  EXPECT_EQ(rows(*make_model("vgg11:dropout=0.5", {.options = {{"width_multiplier", 0.5}}})), 32);
  EXPECT_EQ(rows(*make_model("vgg11:width_multiplier=0.25", {.options = {{"width_multiplier", 0.5}}})), 16);
}

TEST(Registry, AnOptionThatTheModelDoesNotReadIsRefused) {
  const ModelOptions zero_gamma{.options = {{"zero_gamma", true}, {"width_multiplier", 0.05}}};
  EXPECT_EQ(failure("resnet20", zero_gamma), "");
  // That another model read it does not count.
  EXPECT_NE(failure("vgg11", zero_gamma).find("vgg11 has no option zero_gamma"), std::string::npos);
  EXPECT_NE(failure("vgg11:width_multiplyer=0.05").find("did you mean width_multiplier?"), std::string::npos);
  EXPECT_NE(failure("vgg11:dropout=high").find("option dropout must be a number"), std::string::npos);
}

// A model that has no width, and an option of its own.
TEST(Registry, AModelMayHaveOtherOptions) {
  register_model("fixed_for_the_test", [](const ModelOptions& o) {
    return std::make_unique<Vgg>(
        VggOptions{.depth = static_cast<int>(o.options.integer("depth", 11)), .width_multiplier = 0.02});
  });
  EXPECT_EQ(make_model("fixed_for_the_test:depth=13")->parameters().size(), 10U * 3U + 2U);
  EXPECT_EQ(failure("fixed_for_the_test"), "");
  EXPECT_NE(failure("fixed_for_the_test", {.options = {{"width_multiplier", 1}}}).find("no option width_multiplier"),
            std::string::npos);
}

TEST(Registry, TakesNewModels) {
  const auto tiny = [](const ModelOptions& options) {
    return std::make_unique<Vgg>(VggOptions{.depth = 11, .width_multiplier = 0.02, .classes = options.classes});
  };
  EXPECT_THROW(register_model("vgg16", tiny), std::invalid_argument);
  EXPECT_THROW(register_model("", tiny), std::invalid_argument);
  EXPECT_THROW(register_model("vgg:16", tiny), std::invalid_argument);
  const std::size_t before = model_names().size();
  register_model("tiny_for_the_test", tiny);
  EXPECT_EQ(model_names().size(), before + 1);
  EXPECT_EQ(model_names().back(), "tiny_for_the_test");
  const auto model = make_model("tiny_for_the_test", {.classes = 3});
  EXPECT_EQ((*model)(Tensor::zeros({1, 32, 32, 3})).shape(), (Shape{1, 3}));
}

}  // namespace
}  // namespace striate
