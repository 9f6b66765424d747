// A network of one's own, trained by Trainer: trainer DATA EPOCHS FOLDER. Stopped in any way, it goes on when the same
// command is given again. The loop by hand: apps/examples/custom_model.cpp.
#include "apps/training/trainer.h"

#include <cstdio>
#include <string>

#include "core/random.h"
#include "core/reduce.h"
#include "data/splits.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/linear.h"
using namespace striate;

struct Net : Layer {
  Conv2d conv1{*this, "conv1", 3, 16, {.kernel_size = 3, .padding = 1, .bias = false}};
  BatchNorm2d norm1{*this, "norm1", 16};
  Conv2d conv2{*this, "conv2", 16, 32, {.kernel_size = 3, .stride = 2, .padding = 1, .bias = false}};
  BatchNorm2d norm2{*this, "norm2", 32};
  Linear fc;
  explicit Net(std::int64_t classes) : fc(*this, "fc", 32, classes) {}
  Tensor forward(const Tensor& x) override {
    const Tensor features = relu(norm2(conv2(relu(norm1(conv1(x))))));
    return fc(mean(features, {Axis::height, Axis::width}));
  }
};

int main(int argc, char** argv) try {
  if (argc != 4) throw std::invalid_argument("usage: trainer DATA EPOCHS FOLDER");
  const Splits data = load_splits(argv[1]);
  manual_seed(1);
  Net model(data.train.classes());
  Trainer trainer(model, data.train, data.test,
                  {.epochs = std::stoi(argv[2]),
                   .loader = {.batch_size = 64, .seed = 1, .augment = AugmentOptions::standard()},
                   .optimizer = "adamw",
                   .groups = {.weight_decay = 0.01},
                   .schedule = {.kind = "cosine", .lr = 0.003},
                   .warmup_epochs = 0.5,
                   .out = RunFolder(argv[3]),
                   .resume = true});
  trainer.on_epoch([](const EpochResult& epoch) {
    std::printf("epoch %d loss %.4f test accuracy %.4f\n", int(epoch.epoch), epoch.metrics.loss(), epoch.test.accuracy);
  });
  return trainer.run() == Ending::finished ? 0 : 1;
} catch (const std::exception& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
