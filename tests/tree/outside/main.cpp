// A program outside the tree that brings a model, an optimiser, a data set and a transform of its own, and has all of
// striate for them: docs/adding.md quotes it, tests/tree/outside_test.sh runs it.

#include <algorithm>

#include "apps/cli/run.h"
#include "core/reduce.h"
#include "data/dataset.h"
#include "data/transform.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/linear.h"
#include "models/registry.h"
#include "optim/registry.h"

using namespace striate;

// A model: no width multiplier, one option of its own, --model tiny:channels=16.
struct Tiny : Layer {
  explicit Tiny(const ModelOptions& o)
      : inputs(o.in_channels), channels(o.options.integer("channels", 8)), classes(o.classes) {}
  std::int64_t inputs, channels, classes;
  Conv2d conv{*this, "conv", inputs, channels, {.kernel_size = 3, .padding = 1, .bias = false}};
  BatchNorm2d norm{*this, "norm", channels};
  Linear fc{*this, "fc", channels, classes};
  Tensor forward(const Tensor& x) override { return fc(mean(relu(norm(conv(x))), {Axis::height, Axis::width})); }
};

// An optimiser: "Symbolic Discovery of Optimization Algorithms", Chen et al. 2023. --optimizer lion:beta1=0.95.
struct Lion : Optimizer {
  Lion(std::vector<ParameterGroup> groups, const NamedOptions& o)
      : Optimizer("lion", std::move(groups), {"exp_avg"}, o),
        beta1(o.real("beta1", 0.9)),
        beta2(o.real("beta2", 0.99)) {}
  void update(const ParameterGroup& group, Tensor value, const Tensor& gradient, ParameterState& state) override {
    const auto body = [=, this, lr = group.lr, decay = group.weight_decay]<class T>(T& w, T g, T& m) {
      const T c = T(beta1) * m + T(1 - beta1) * g;
      w = w * T(1 - lr * decay) - T(lr) * T((c > 0) - (c < 0));
      m = T(beta2) * m + T(1 - beta2) * g;
    };
    for_each_element(body, value, gradient, state.slots[0]);
  }
  double beta1, beta2;
};

// A data set without files: grey images of stripes under noise, lying (class 0) or standing (class 1).
Dataset stripes(const std::filesystem::path& /*unused*/, Split split, const NamedOptions& o) {
  const std::int64_t count = o.integer("images", 128);
  const RandomStream noise = random_stream(split == Split::train ? 1 : 2, RandomUse::test);
  Dataset data{.class_names = {"lying", "standing"}, .normalization = {.mean = {0.5}, .std = {0.25}}};
  data.images = Tensor::empty({count, 8, 8, 1}, DType::u8);
  data.labels = Tensor::empty({count}, DType::i64);
  for (std::int64_t i = 0; i < count * 64; ++i) {
    const std::int64_t along = i / 64 % 2 == 0 ? i / 8 % 8 : i % 8;
    data.images.mutable_data<std::uint8_t>()[i] = std::uint8_t(100 * (along % 2) + noise.below(std::uint64_t(i), 156));
    data.labels.mutable_data<std::int64_t>()[i / 64] = i / 64 % 2;
  }
  return data;
}

// A transform: an image gets brighter by a random amount. --transform brighten:most=20.
struct Brighten : Transform {
  explicit Brighten(const NamedOptions& o) : most(o.integer("most", 40)) {}
  void apply(std::span<const std::uint8_t> image, const ImageShape& /*shape*/, std::span<std::uint8_t> out,
             RandomSequence& random) const override {
    const std::int64_t more = random.below(most + 1);
    std::transform(image.begin(), image.end(), out.begin(), [=](auto value) { return std::min(value + more, 255L); });
  }
  std::int64_t most;
};

int main(int argc, char** argv) {
  register_model<Tiny>("tiny");
  register_optimizer<Lion>("lion");
  register_dataset("stripes", {.load = stripes});
  register_transform<Brighten>("brighten");
  return striate::run(argc, argv);
}
