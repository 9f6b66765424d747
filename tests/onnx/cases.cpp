// onnx_cases DIR [NAME...]: exports every registered model, and nets of what those do not have, with images and the
// logits that striate gives for them, channels first: DIR/NAME.onnx and DIR/NAME.safetensors with x1, y1 (one image)
// and x7, y7. compare.py beside this file asks other programs for the same.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/file.h"
#include "core/matmul.h"
#include "core/reduce.h"
#include "core/reshape.h"
#include "core/safetensors.h"
#include "core/trace.h"
#include "layers/activations.h"
#include "layers/avg_pool.h"
#include "layers/batch_norm.h"
#include "layers/conv1d.h"
#include "layers/conv2d.h"
#include "layers/conv_transpose2d.h"
#include "layers/flatten.h"
#include "layers/group_norm.h"
#include "layers/linear.h"
#include "layers/max_pool.h"
#include "layers/p4_conv.h"
#include "layers/pool1d.h"
#include "layers/sequential.h"
#include "layers/softmax.h"
#include "layers/squeeze_excitation.h"
#include "layers/upsample.h"
#include "models/onnx.h"
#include "models/registry.h"
#include "tests/support/random_tensor.h"

namespace striate {
namespace {

using testing_support::random_tensor;

struct Case {
  Shape image;
  std::function<std::unique_ptr<Layer>()> make;
  OnnxOptions options = {};
};

// A net of three layers around what a case is about.
struct Net : Layer {
  using Body = std::function<Tensor(const Tensor&)>;
  explicit Net(Body f) : body(std::move(f)) {}
  Conv2d conv{*this, "conv", 3, 8, {.kernel_size = 3, .padding = 1}};
  BatchNorm2d norm{*this, "norm", 8};
  Body body;
  Tensor forward(const Tensor& x) override { return body(norm(conv(x))); }
};

std::function<std::unique_ptr<Layer>()> net(const Net::Body& body) {
  return [=] { return std::make_unique<Net>(body); };
}

// For functions of one tensor, side by side in the output.
Tensor beside(const std::vector<Tensor>& parts) { return concat(parts, Axis::channels); }

struct Excited : Layer {
  Conv2d conv{*this, "conv", 3, 8, {.kernel_size = 3}};
  SqueezeExcitation se{*this, "se", 8, 2};
  SqueezeExcitation hard{*this, "hard", 8, 4, {.scale_activation = hardsigmoid}};
  Tensor forward(const Tensor& x) override { return mean(hard(se(conv(x))), {Axis::height, Axis::width}); }
};

struct P4Net : Layer {
  P4ConvZ2 lift{*this, "lift", 3, 4, {.kernel_size = 3, .bias = false}};
  P4BatchNorm2d norm{*this, "norm", 4};
  P4ConvP4 conv{*this, "conv", 4, 5, {.kernel_size = 3, .padding = 1}};
  AdaptiveAvgPool2d pool{*this, "pool", 1};
  Tensor forward(const Tensor& x) override { return flatten(pool(p4_max_pool(conv(relu(norm(lift(x))))))); }
};

template <class Norm>
struct Normed : Layer {
  template <class... Arguments>
  explicit Normed(Arguments... arguments) : norm(*this, "norm", arguments...) {}
  Conv2d conv{*this, "conv", 3, 8, {.kernel_size = 3}};
  Norm norm;
  Tensor forward(const Tensor& x) override {
    const Tensor y = norm(conv(x));
    return concat({flatten(gelu(y)), flatten(gelu(y, GeluApproximation::tanh))}, Axis::channels);
  }
};

struct Convolutions : Layer {
  Conv2d conv{*this, "conv", 3, 8, {.kernel_size = 3, .stride = 2, .padding = 1, .padding_mode = PaddingMode::reflect}};
  ConvTranspose2d up{*this, "up", 8, 6, {.kernel_size = 3, .stride = 2, .padding = 1, .output_padding = 1}};
  Conv2d same{*this, "same", 6, 6, {.kernel_size = {4, 2}, .padding = Padding::same(), .dilation = 2, .groups = 3}};
  Tensor forward(const Tensor& x) override { return same(up(conv(x))); }
};

struct Sequence : Layer {
  Conv1d conv{*this, "conv", 3, 8, {.kernel_size = 5, .stride = 2, .padding = 2}};
  BatchNorm1d norm{*this, "norm", 8};
  Linear fc{*this, "fc", 8, 5};
  Tensor forward(const Tensor& x) override {
    const Tensor y = relu(norm(conv(reshape(x, {x.size(0), x.size(1) * x.size(2), 3}))));
    return fc(mean(avg_pool1d(max_pool1d(y, {.kernel_size = 3, .stride = 2}), {.kernel_size = 2}), {Axis::width}));
  }
};

struct SequenceUp : Layer {
  ConvTranspose1d up{*this, "up", 3, 4, {.kernel_size = 4, .stride = 2, .padding = 1}};
  Tensor forward(const Tensor& x) override { return up(reshape(x, {x.size(0), x.size(1) * x.size(2), 3})); }
};

// An op of a user's own, as docs/adding.md has it.
Tensor sine(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  for (std::int64_t i = 0; i < x.numel(); ++i) y.mutable_data<float>()[i] = std::sin(x.data<float>()[i]);
  record("sine", y, {x}, [](Backward&) {});
  traced(y, [&](Trace& t) { return t.add("Sin", {t.value(x)}); });
  return y;
}

std::map<std::string, Case> cases() {
  std::map<std::string, Case> all;
  for (const std::string& name : model_names()) {
    const bool sound = name[0] == 'm' && name[1] != 'o';
    Shape image = {32, 32, 3};
    if (sound) image = {1, 2048, 1};
    if (name == "alexnet" || name.starts_with("mobilenet") || name.starts_with("resnet50")) image = {64, 64, 3};
    if (name == "lenet") image = {28, 28, 1};
    if (name == "unet") image = {48, 32, 3};
    const std::string narrow = name == "lenet" ? name : name + ":width_multiplier=0.25";
    const auto make = [=](const std::string& model, const Shape& size) {
      return [=] { return make_model(model, {.in_channels = size[2], .height = size[0], .width = size[1]}); };
    };
    all[name] = {image, make(narrow, image)};
    all[name + "+folded"] = {image, make(narrow, image), {.fold_batch_norm = true}};
    const auto more = [&](const std::string& label, const std::string& options, const Shape& size,
                          const OnnxOptions& onnx = {}) {
      all[name + label] = {size, make(narrow + options, size), onnx};
    };
    if (name == "unet") more("+odd", "", {37, 45, 3});
    if (name == "unet") more("+bilinear", ",bilinear=true", {48, 32, 3});
    if (name == "unet") more("+bilinear,odd", ",bilinear=true", {37, 45, 3});
    if (name == "resnet50d" || name == "resnet29d") more("+odd", "", {57, 65, 3});
    if (name == "alexnet") more("+odd", "", {95, 120, 3});
    if (name == "vgg11" || name == "lenet" || name == "m3") {
      more("+normalized", "", image, {.fold_batch_norm = true, .normalization = Normalization{}});
    }
    if (name == "vgg11" || name == "resnet20") more("+batch7", "", image, {.batch = 7});
  }
  const Shape small = {12, 10, 3};
  all["squeeze-excitation"] = {small, [] { return std::make_unique<Excited>(); }};
  all["squeeze-excitation+batch7"] = {small, [] { return std::make_unique<Excited>(); }, {.batch = 7}};
  all["p4"] = {small, [] { return std::make_unique<P4Net>(); }};
  all["group-norm"] = {small, [] { return std::make_unique<Normed<GroupNorm>>(4, 8); }};
  all["layer-norm"] = {small, [] { return std::make_unique<Normed<LayerNorm>>(Shape{8}); }};
  all["convolutions"] = {small, [] { return std::make_unique<Convolutions>(); }};
  all["conv-transpose1d"] = {small, [] { return std::make_unique<SequenceUp>(); }};
  all["conv-transpose-groups"] = {small, net([](const Tensor& x) {
                                    const Tensor w = random_tensor({3, 3, 4, 8}, 6, DType::f32);
                                    return conv_transpose2d(x, w, {}, {.stride = 2, .groups = 2});
                                  })};
  all["sequence"] = {small, [] { return std::make_unique<Sequence>(); }};
  all["activations"] = {small, net([](const Tensor& x) {
                          return beside({relu6(x * 4), sigmoid(x), tanh(x), leaky_relu(x, 0.1), silu(x), elu(x, 0.7),
                                         softplus(x, 2), hardsigmoid(x * 3), hardswish(x * 3)});
                        })};
  all["pools"] = {
      small, net([](const Tensor& x) {
        return beside({flatten(max_pool2d(x, {.kernel_size = 3, .stride = 2, .padding = 1, .ceil_mode = true})),
                       flatten(avg_pool2d(x, {.kernel_size = 3, .stride = 2, .padding = 1})),
                       flatten(avg_pool2d(x, {.kernel_size = 3, .stride = 2, .ceil_mode = true})),
                       flatten(avg_pool2d(x, {.kernel_size = 3, .padding = 1, .count_include_pad = false})),
                       flatten(avg_pool2d(x, {.kernel_size = {2, 3}, .stride = Extent2d(3, 1)})),
                       flatten(adaptive_avg_pool2d(x, {5, 4})), flatten(adaptive_avg_pool2d(x, {6, 5})),
                       flatten(adaptive_max_pool2d(x, 1))});
      })};
  all["resizing"] = {
      small, net([](const Tensor& x) {
        using enum UpsampleMode;
        return beside({flatten(interpolate(x, {.scale_factor = 2})),
                       flatten(interpolate(x, {.scale_factor = ScaleFactor(3, 1)})),
                       flatten(interpolate(x, {.size = Extent2d(17, 23)})),
                       flatten(interpolate(x, {.scale_factor = 2, .mode = bilinear})),
                       flatten(interpolate(x, {.size = Extent2d(7, 25), .mode = bilinear})),
                       flatten(interpolate(x, {.scale_factor = 2, .mode = bilinear, .align_corners = true}))});
      })};
  all["shapes"] = {small, net([](const Tensor& x) {
                     const Tensor turned = reshape(x, {x.size(0) * 12, 5, 16});
                     const Tensor rows = reshape(turned, {x.size(0) * 120, 8});
                     const Tensor product = matmul(rows, random_tensor({8, 3}, 4, DType::f32));
                     return beside({reshape(product, {x.size(0), 360}), mean(x, {Axis::height, Axis::width}),
                                    flatten(slice(x, Axis::width, 2, 7)), flatten(softmax(x)),
                                    flatten(pad(x, {.top = 1, .left = 2}, PaddingMode::replicate))});
                   })};
  all["sums"] = {small, net([](const Tensor& x) {
                   return beside({sum(x, {Axis::height, Axis::channels}), mean(x, {Axis::height, Axis::channels}),
                                  flatten(mean(x, {Axis::width}, true)), flatten(sum(x, {Axis::channels}))});
                 })};
  all["elementwise"] = {small, net([](const Tensor& x) {
                          return beside({exp(x * 0.3), sqrt(x * x), log(x * x + 1), x / (x * x + 0.5) - x});
                        })};
  all["broadcasting"] = {
      small, net([](const Tensor& x) {
        return beside({x * random_tensor({8}, 3, DType::f32), x + random_tensor({10, 8}, 4, DType::f32)});
      })};
  all["dilated-pool"] = {small, net([](const Tensor& x) {
                           return max_pool2d(x, {.kernel_size = {2, 3}, .dilation = {2, 1}});
                         })};
  all["own-op"] = {small, net([](const Tensor& x) { return mean(sine(x), {Axis::height, Axis::width}); })};
  return all;
}

Tensor with_channels_first(const Tensor& x) {
  if (x.rank() < 3) return x;
  const std::int64_t images = x.size(0), channels = x.size(-1), places = x.numel() / images / channels;
  Shape shape = x.shape();
  std::rotate(shape.begin() + 1, shape.end() - 1, shape.end());
  return reshape(flatten(reshape(x, {images, places, channels})), shape);
}

// Statistics and scales as after training: values stay in range, and no channel is dead, which would be enlarged.
void settle(Layer& model, const Shape& image) {
  std::vector<BatchNorm2d*> norms;
  std::vector<Module*> open = {&model};
  while (!open.empty()) {
    Module* module = open.back();
    open.pop_back();
    open.insert(open.end(), module->children().begin(), module->children().end());
    auto* norm = dynamic_cast<BatchNorm2d*>(module);
    if (norm == nullptr) continue;
    norms.push_back(norm);
    norm->set_momentum(std::nullopt);
    norm->weight.copy_from(random_tensor(norm->weight.shape(), open.size(), DType::f32, 0.3, 1));
    norm->bias.copy_from(random_tensor(norm->bias.shape(), open.size() + 1, DType::f32, -0.3, 0.3));
  }
  model.train();
  model(random_tensor({8, image[0], image[1], image[2]}, 9, DType::f32));
  model.eval();
  for (BatchNorm2d* norm : norms) {
    auto* variances = norm->running_var.mutable_data<float>();
    std::for_each_n(variances, norm->running_var.numel(),
                    [](float& variance) { variance = std::max(variance, 1e-3F); });
  }
}

void write(const std::filesystem::path& folder, const std::string& name, const Case& each) {
  const NoGradGuard no_grad;
  default_generator() = Generator{.seed = 1};
  const auto model = each.make();
  settle(*model, each.image);
  write_atomically(folder / (name + ".onnx"), export_onnx(*model, each.image, each.options));
  TensorFile file;
  for (const std::int64_t count : {1, 7}) {
    if (each.options.batch != 0 && each.options.batch != count) continue;
    Tensor x = random_tensor({count, each.image[0], each.image[1], each.image[2]}, 100, DType::f32);
    const std::string number = std::to_string(count);
    file.tensors.emplace_back("y" + number, with_channels_first((*model)(x)));
    if (each.options.normalization) {
      const Normalization n = each.options.normalization->for_channels(each.image[2]);
      for (std::int64_t i = 0; i < x.numel(); ++i) {
        float& value = x.mutable_data<float>()[i];
        const auto channel = static_cast<std::size_t>(i % each.image[2]);
        value = static_cast<float>(each.options.unit * (value * n.std[channel] + n.mean[channel]));
      }
    }
    file.tensors.emplace_back("x" + number, with_channels_first(x));
  }
  write_safetensors(folder / (name + ".safetensors"), file);
}

}  // namespace
}  // namespace striate

int main(int argc, char** argv) {
  try {
    const auto all = striate::cases();
    const std::vector<std::string> chosen(argv + std::min(argc, 2), argv + argc);
    for (const auto& [name, each] : all) {
      if (chosen.empty() || std::find(chosen.begin(), chosen.end(), name) != chosen.end()) {
        striate::write(argc > 1 ? argv[1] : ".", name, each);
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "onnx_cases: %s\n", error.what());
    return 1;
  }
}
