// A residual network of one's own and the loop that trains it: custom_model DATA EPOCHS
#include <cstdio>
#include <string>

#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/reduce.h"
#include "data/loader.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/cross_entropy.h"
#include "layers/linear.h"
#include "optim/sgd.h"
using namespace striate;

struct Block : Layer {
  std::int64_t in, out, stride;
  Conv2d conv1{*this, "conv1", in, out, {.kernel_size = 3, .stride = stride, .padding = 1, .bias = false}};
  BatchNorm2d norm1{*this, "norm1", out};
  Conv2d conv2{*this, "conv2", out, out, {.kernel_size = 3, .padding = 1, .bias = false}};
  BatchNorm2d norm2{*this, "norm2", out};
  Conv2d skip{*this, "skip", in, out, {.stride = stride}};
  Block(Module& net, std::string name, int i, int o, int s) : Layer(net, std::move(name)), in(i), out(o), stride(s) {}
  Tensor forward(const Tensor& x) override { return relu(skip(x) + norm2(conv2(relu(norm1(conv1(x)))))); }
};

struct ResNet : Layer {
  Block low{*this, "low", 3, 16, 1}, mid{*this, "mid", 16, 32, 2}, top{*this, "top", 32, 64, 2};
  Linear fc;
  explicit ResNet(std::int64_t classes) : fc(*this, "fc", 64, classes) {}
  Tensor forward(const Tensor& x) override { return fc(mean(top(mid(low(x))), {Axis::height, Axis::width})); }
};

int main(int argc, char** argv) try {
  if (argc != 3) throw std::invalid_argument("usage: custom_model DATA EPOCHS");
  const Dataset data = load_dataset(argv[1], Split::train), test = load_dataset(argv[1], Split::test);
  Loader loader(data, {.batch_size = 128, .augment = AugmentOptions::standard()}), tests(test, {.shuffle = false});
  ResNet model(data.classes());
  Sgd sgd(model.parameters(), {.lr = 0.05, .momentum = 0.9, .weight_decay = 5e-4, .nesterov = true});
  for (int epoch = 1; epoch <= std::stoi(argv[2]); ++epoch) {
    double loss_sum = 0, correct = 0;
    model.train();
    loader.start_epoch(epoch);
    for (Batch batch; loader.next(batch);) {
      sgd.zero_grad();
      const Tensor loss = cross_entropy(model(batch.images), batch.labels);
      loss.backward();
      sgd.step();
      loss_sum += loss.item() / double(loader.batches_per_epoch());
    }
    model.eval();
    tests.start_epoch(epoch);
    const NoGradGuard no_grad;
    for (Batch batch; tests.next(batch);) correct += double(count_correct(model(batch.images), batch.labels));
    std::printf("epoch %d loss %.4f test accuracy %.4f\n", epoch, loss_sum, correct / double(test.size()));
  }
} catch (const std::exception& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
