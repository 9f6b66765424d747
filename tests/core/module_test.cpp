#include "core/module.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

struct Scale : Layer {
  Tensor factor, calls;
  Scale(Module& parent, std::string name) : Layer(parent, std::move(name)) {
    add_parameter("factor", factor, Tensor::full({1}, 2));
    add_buffer("calls", calls, Tensor::zeros({}, DType::i64));
  }
  Tensor forward(const Tensor& x) override {
    if (x.rank() != 1) shape_error("scale", "input must be (N): got " + to_string(x.shape()));
    return x;
  }
};

struct Pair : Layer {
  using Layer::Layer;
  Scale first{*this, "first"};
  Scale second{*this, "second"};
  Tensor forward(const Tensor& x) override { return second(first(x)); }
};

struct Net : Layer {
  Pair inner{*this, "inner"};
  Scale last{*this, "last"};
  Tensor forward(const Tensor& x) override { return last(inner(x)); }
};

std::vector<std::string> names(const std::vector<NamedTensor>& tensors) {
  std::vector<std::string> result;
  for (const NamedTensor& tensor : tensors) result.push_back(tensor.name);
  return result;
}

TEST(Module, DeclaringAMemberRegistersIt) {
  const Net net;
  EXPECT_EQ(names(net.parameters()),
            (std::vector<std::string>{"inner.first.factor", "inner.second.factor", "last.factor"}));
  EXPECT_EQ(names(net.buffers()), (std::vector<std::string>{"inner.first.calls", "inner.second.calls", "last.calls"}));
  EXPECT_EQ(net.inner.second.path(), "inner.second");
  EXPECT_EQ(names(net.inner.parameters()), (std::vector<std::string>{"first.factor", "second.factor"}));
}

TEST(Module, ModesReachAllChildren) {
  Net net;
  EXPECT_TRUE(net.inner.first.training());
  net.eval();
  EXPECT_FALSE(net.inner.first.training());
  net.train();
  EXPECT_TRUE(net.last.training());
}

TEST(Module, EvalGuardRestoresEveryModule) {
  Net net;
  net.inner.second.eval();
  {
    const EvalGuard guard(net);
    EXPECT_FALSE(net.training() || net.inner.first.training() || net.last.training());
  }
  EXPECT_TRUE(net.training() && net.inner.training() && net.inner.first.training() && net.last.training());
  EXPECT_FALSE(net.inner.second.training());
}

TEST(Module, ConvertsFloatingTensorsOnly) {
  Net net;
  net.to(DType::f64);
  EXPECT_EQ(net.last.factor.dtype(), DType::f64);
  EXPECT_EQ(net.last.factor.item(), 2);
  EXPECT_TRUE(net.last.factor.requires_grad());
  EXPECT_EQ(net.last.calls.dtype(), DType::i64);
  EXPECT_THROW(net.to(DType::u8), std::invalid_argument);
}

TEST(Module, ErrorsNameTheInnermostLayerOnce) {
  Net net;
  EXPECT_EQ(message_of<ShapeError>([&] {
              net(Tensor::zeros({2, 2}));
            }),
            "inner.first: [scale] input must be (N): got (2,2)");
}

TEST(Module, ObserverSeesInnerLayersFirst) {
  Net net;
  std::vector<std::string> seen;
  {
    const LayerObserver observer(
        [&](const Layer& layer, const Tensor&, const Tensor&) { seen.push_back(layer.path()); });
    net(Tensor::zeros({1}));
  }
  net(Tensor::zeros({1}));
  EXPECT_EQ(seen, (std::vector<std::string>{"inner.first", "inner.second", "inner", "last", ""}));
}

TEST(Module, NamesAreCheckedAndFailedChildrenForgotten) {
  Module root;
  EXPECT_THROW(Scale(root, ""), std::invalid_argument);
  EXPECT_THROW(Scale(root, "a.b"), std::invalid_argument);
  const auto kept = std::make_unique<Scale>(root, "kept");
  EXPECT_THROW(Scale(root, "kept"), std::invalid_argument);
  { const Scale gone(root, "gone"); }
  EXPECT_EQ(names(root.parameters()), (std::vector<std::string>{"kept.factor"}));
}

TEST(Module, ZeroGradClearsAll) {
  Net net;
  net.last.factor.set_grad(Tensor::full({1}, 1));
  net.zero_grad();
  EXPECT_FALSE(net.last.factor.grad().defined());
}

}  // namespace
}  // namespace striate
