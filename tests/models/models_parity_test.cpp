// AlexNet, the MobileNets and U-Net against PyTorch's and torchvision's numbers: see tests/reference/models.py.

#include <gtest/gtest.h>

#include <string>

#include "models/registry.h"
#include "tests/support/errors.h"
#include "tests/support/net_parity.h"

namespace striate {
namespace {

using namespace testing_support;

void expect_model(const std::string& name, double width, std::int64_t side) {
  const TensorFile reference = read_safetensors(STRIATE_SOURCE_DIR "/tests/reference/models.safetensors");
  const auto model =
      make_model(name, {.height = side, .width = side, .options = {{"width_multiplier", width}, {"dropout", 0.0}}});
  expect_net(*model, reference, name, side);
}

TEST(ModelsParity, AlexNetEqualsPyTorch) { expect_model("alexnet", 1.0 / 16, 79); }

TEST(ModelsParity, MobileNetsEqualPyTorch) {
  expect_model("mobilenet_v1", 1.0 / 8, 40);
  expect_model("mobilenet_v2", 0.25, 40);
}

// Sides that four pools do not divide.
TEST(ModelsParity, UnetsEqualPyTorch) {
  const TensorFile reference = read_safetensors(STRIATE_SOURCE_DIR "/tests/reference/models.safetensors");
  expect_net(*make_model("unet:width_multiplier=0.03125", {.classes = 2}), reference, "unet", 23);
  expect_net(*make_model("unet:width_multiplier=0.0625,bilinear=true", {.classes = 2}), reference, "unet_bilinear", 19);
}

TEST(ModelsParity, UnetTakesAnySizeFrom16) {
  const auto model = make_model("unet", {.classes = 3, .in_channels = 1, .options = {{"width_multiplier", 0.03}}});
  model->eval();  // a single value a channel is too few for a norm in training
  for (const Shape& shape : {Shape{1, 16, 16, 1}, {2, 17, 31, 1}, {1, 40, 23, 1}}) {
    const Tensor y = (*model)(Tensor::zeros(shape));
    EXPECT_EQ(y.shape(), (Shape{shape[0], shape[1], shape[2], 3}));
  }
  EXPECT_THROW((*model)(Tensor::zeros({1, 15, 32, 1})), ShapeError);
  EXPECT_THROW(make_model("unet:width_multiplier=0"), std::invalid_argument);
}

// As milesial/Pytorch-UNet counts: of convolutions 9 c k or 4 c k + k, of norms 2 k, of the last 64 + 1.
TEST(ModelsParity, UnetParameterCounts) {
  for (const auto& [name, expected] : {std::pair{"unet", 31037633}, {"unet:bilinear=true", 17262977}}) {
    std::int64_t count = 0;
    for (const NamedTensor& parameter : make_model(name, {.classes = 1})->parameters())
      count += parameter.value.numel();
    EXPECT_EQ(count, expected) << name;
  }
}

// torchvision's counts, and for V1 the 4.2 million of the paper's table 6.
TEST(ModelsParity, ParameterCounts) {
  for (const auto& [name, expected] :
       {std::pair{"alexnet", 61100840}, {"mobilenet_v1", 4231976}, {"mobilenet_v2", 3504872}}) {
    std::int64_t count = 0;
    const auto model = make_model(name, {.classes = 1000, .height = 224, .width = 224});
    for (const NamedTensor& parameter : model->parameters()) count += parameter.value.numel();
    EXPECT_EQ(count, expected) << name;
  }
}

TEST(ModelsParity, AlexNetSaysWhatIsTooSmall) {
  expect_error<std::invalid_argument>([] { make_model("alexnet", {.height = 32, .width = 32}); },
                                      {"at least 63x63", "32x32", "--image-size"});
}

}  // namespace
}  // namespace striate
