// AlexNet and the MobileNets against PyTorch's and torchvision's numbers: see tests/reference/models.py.

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
