#include "models/registry.h"

#include <gtest/gtest.h>

#include "models/vgg.h"

namespace striate {
namespace {

std::string failure(const std::string& name) {
  try {
    make_model(name);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(Registry, BuildsEveryModelWithItsOptions) {
  const ModelOptions options{.width_multiplier = 0.05, .classes = 4, .dropout = 0.1, .in_channels = 1};
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

TEST(Registry, TakesNewModels) {
  const auto tiny = [](const ModelOptions& options) {
    return std::make_unique<Vgg>(VggOptions{.depth = 11, .width_multiplier = 0.02, .classes = options.classes});
  };
  EXPECT_THROW(register_model("vgg16", tiny), std::invalid_argument);
  EXPECT_THROW(register_model("", tiny), std::invalid_argument);
  const std::size_t before = model_names().size();
  register_model("tiny_for_the_test", tiny);
  EXPECT_EQ(model_names().size(), before + 1);
  EXPECT_EQ(model_names().back(), "tiny_for_the_test");
  const auto model = make_model("tiny_for_the_test", {.classes = 3});
  EXPECT_EQ((*model)(Tensor::zeros({1, 32, 32, 3})).shape(), (Shape{1, 3}));
}

}  // namespace
}  // namespace striate
