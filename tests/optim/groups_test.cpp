#include "optim/groups.h"

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/linear.h"
#include "tests/support/errors.h"

namespace striate {
namespace {

using testing_support::expect_error;

struct Net : Module {
  Conv2d conv{*this, "conv", 1, 2, {.kernel_size = 3}};
  BatchNorm2d norm{*this, "norm", 2};
  Linear fc{*this, "fc", 2, 3};
};

std::vector<std::string> names_of(const ParameterGroup& group) {
  std::vector<std::string> names;
  for (const NamedTensor& parameter : group.parameters) names.push_back(parameter.name);
  return names;
}

using Names = std::vector<std::string>;

TEST(IsBelow, ComparesWholeComponents) {
  EXPECT_TRUE(is_below("features.0.weight", "features.0"));
  EXPECT_TRUE(is_below("features.0", "features.0"));
  EXPECT_TRUE(is_below("features.0.weight", "features"));
  EXPECT_FALSE(is_below("features.01.weight", "features.0"));
  EXPECT_FALSE(is_below("features.0", "features.0.weight"));
  EXPECT_FALSE(is_below("features.0", "features."));
  EXPECT_FALSE(is_below("features.0", ""));
}

TEST(MakeGroups, IsOneGroupByDefault) {
  const Net net;
  const std::vector<ParameterGroup> groups = make_groups(net, {.lr = 0.3, .weight_decay = 0.1});
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(names_of(groups[0]),
            (Names{"conv.weight", "conv.bias", "norm.weight", "norm.bias", "fc.weight", "fc.bias"}));
  EXPECT_EQ(groups[0].lr, 0.3);
  EXPECT_EQ(groups[0].weight_decay, 0.1);
  EXPECT_EQ(groups[0].lr_scale, 1);
}

TEST(MakeGroups, LeavesBiasesAndNormsWithoutDecay) {
  const Net net;
  const std::vector<ParameterGroup> groups = make_groups(net, {.weight_decay = 0.1, .no_bias_decay = true});
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(names_of(groups[0]), (Names{"conv.weight", "fc.weight"}));
  EXPECT_EQ(names_of(groups[1]), (Names{"conv.bias", "norm.weight", "norm.bias", "fc.bias"}));
  EXPECT_EQ(groups[0].weight_decay, 0.1);
  EXPECT_EQ(groups[1].weight_decay, 0);
}

TEST(MakeGroups, ScalesTheHeadAndNormsAndLeavesOutWhatIsFrozen) {
  const Net net;
  const std::vector<ParameterGroup> groups = make_groups(net, {.lr = 0.5,
                                                               .weight_decay = 0.1,
                                                               .frozen = {"conv.weight"},
                                                               .head = "fc",
                                                               .head_lr_scale = 10,
                                                               .norm_lr_scale = 4});
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(names_of(groups[0]), Names{"conv.bias"});
  EXPECT_EQ(names_of(groups[1]), (Names{"norm.weight", "norm.bias"}));
  EXPECT_EQ(names_of(groups[2]), (Names{"fc.weight", "fc.bias"}));
  EXPECT_EQ(groups[1].lr_scale, 4);
  EXPECT_EQ(groups[1].lr, 2);
  EXPECT_EQ(groups[2].lr_scale, 10);
  EXPECT_EQ(groups[2].lr, 5);
  EXPECT_EQ(groups[2].weight_decay, 0.1);
  // Both scales at once, for a norm in the head.
  EXPECT_EQ(make_groups(net, {.lr = 1, .head = "norm", .head_lr_scale = 10, .norm_lr_scale = 4})[1].lr_scale, 40);
}

TEST(MakeGroups, RefusesWhatCannotBeMeant) {
  const Net net;
  expect_error<std::invalid_argument>(
      [&] {
        make_groups(net, {.frozen = {"conv", "nrom"}});
      },
      {"[groups]", "\"nrom\"", "nearest is \"norm\""});
  expect_error<std::invalid_argument>([&] { make_groups(net, {.head = "classifier"}); }, {"\"classifier\""});
  expect_error<std::invalid_argument>(
      [&] {
        make_groups(net, {.frozen = {"conv", "norm", "fc"}});
      },
      {"none that is not frozen"});
  expect_error<std::invalid_argument>([&] { make_groups(net, {.head_lr_scale = -1}); }, {"head_lr_scale >= 0, got -1"});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  expect_error<std::invalid_argument>([&] { make_groups(net, {.norm_lr_scale = nan}); }, {"norm_lr_scale >= 0"});
}

TEST(SetFrozen, TurnsGradientsOffAndModulesToEvaluation) {
  Net net;
  set_frozen(net, {"conv.bias", "norm"});
  EXPECT_TRUE(net.conv.weight.requires_grad());
  EXPECT_FALSE(net.conv.bias.requires_grad());
  EXPECT_FALSE(net.norm.weight.requires_grad());
  EXPECT_TRUE(net.conv.training()) << "a frozen parameter does not freeze its module";
  EXPECT_FALSE(net.norm.training());
  EXPECT_TRUE(net.fc.training());
  net.train();
  EXPECT_TRUE(net.norm.training());
  set_frozen(net, {"conv.bias", "norm"});
  EXPECT_FALSE(net.norm.training());
  net.to(DType::f64);
  EXPECT_FALSE(net.norm.weight.requires_grad());
  EXPECT_TRUE(net.fc.weight.requires_grad());
  net.zero_grad();
}

TEST(SetFrozen, RefusesAPrefixThatMatchesNothing) {
  Net net;
  expect_error<std::invalid_argument>(
      [&] {
        set_frozen(net, {"conv", "norm.wieght"});
      },
      {"\"norm.wieght\"", "nearest is \"norm.weight\""});
  EXPECT_TRUE(net.conv.weight.requires_grad());
  EXPECT_TRUE(net.conv.training());
  EXPECT_THROW(set_frozen(net, {""}), std::invalid_argument);
  EXPECT_THROW(set_frozen(net, {"conv."}), std::invalid_argument);
  EXPECT_THROW(set_frozen(net, {"con"}), std::invalid_argument);
}

}  // namespace
}  // namespace striate
