// A program outside the tree: trains a small network on two kinds of stripes and exits 0 where it has learnt
// them.
#include <cstdio>

#include "core/random.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/cross_entropy.h"
#include "layers/flatten.h"
#include "layers/linear.h"
#include "layers/max_pool.h"
#include "layers/relu.h"
#include "models/registry.h"
#include "optim/sgd.h"

using namespace striate;

struct Net : Layer {
  Conv2d conv{*this, "conv", 1, 4, {.kernel_size = 3, .padding = 1, .bias = false}};
  BatchNorm2d norm{*this, "norm", 4};
  MaxPool2d pool{*this, "pool", {.kernel_size = 2}};
  Flatten flatten{*this, "flatten"};
  Linear head{*this, "head", 64, 2};
  Tensor forward(const Tensor& x) override { return head(flatten(pool(relu(norm(conv(x)))))); }
};

// Image i of 16 has label i % 2 and, after its noise, stripes of that direction.
Tensor stripes() {
  Tensor images = Tensor::empty({16, 8, 8, 1});
  const RandomStream noise = random_stream(1, RandomUse::test);
  float* pixel = images.mutable_data<float>();
  for (std::int64_t i = 0; i < images.numel(); ++i) {
    const std::int64_t along = (i / 64) % 2 == 0 ? i / 8 % 8 : i % 8;
    pixel[i] = static_cast<float>(along % 2) + static_cast<float>(noise.normal(static_cast<std::uint64_t>(i))) / 4;
  }
  return images;
}

int main() {
  manual_seed(1);
  Net net;
  Sgd sgd(net.parameters(), {.lr = 0.05, .momentum = 0.9, .nesterov = true});
  const Tensor images = stripes();
  const Tensor labels = Tensor::from<std::int64_t>({16}, {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1});
  double first = 0;
  double last = 0;
  for (int step = 0; step < 30; ++step) {
    const Tensor loss = cross_entropy(net(images), labels);
    sgd.zero_grad();
    loss.backward();
    sgd.step();
    last = loss.item();
    if (step == 0) first = last;
  }
  std::printf("loss %.4f -> %.4f; the library knows %zu models\n", first, last, model_names().size());
  return last < 0.1 && first > 0.3 && make_model("vgg11", {.options = {{"width_multiplier", 0.125}}}) != nullptr ? 0
                                                                                                                 : 1;
}
