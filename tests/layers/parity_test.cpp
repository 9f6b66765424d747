// Every case of layers.py, convolutions.py, norms.py, upsample.py and activations.py in tests/reference: outputs and
// gradients against PyTorch's in float64.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/safetensors.h"
#include "core/state.h"
#include "layers/activations.h"
#include "layers/avg_pool.h"
#include "layers/batch_norm.h"
#include "layers/conv1d.h"
#include "layers/conv2d.h"
#include "layers/conv_transpose2d.h"
#include "layers/cross_entropy.h"
#include "layers/flatten.h"
#include "layers/group_norm.h"
#include "layers/linear.h"
#include "layers/max_pool.h"
#include "layers/pad.h"
#include "layers/pool1d.h"
#include "layers/softmax.h"
#include "layers/squeeze_excitation.h"
#include "layers/upsample.h"
#include "tests/support/case_options.h"
#include "tests/support/hashed.h"

namespace striate {
namespace {

using testing_support::CaseOptions;
using testing_support::converted;
using testing_support::hashed;
using testing_support::hashed_below;

/// How a tensor's axes stand in PyTorch: axis i there is axis axes[i] here.
using Axes = std::vector<int>;
const Axes as_is = {};
const Axes images = {0, 3, 1, 2};
const Axes filters = {3, 2, 0, 1};
const Axes sequences = {0, 2, 1};
const Axes line_filters = {2, 1, 0};
const Axes matrix = {1, 0};

/// One case in one dtype: makes its inputs, and collects what is to be compared, in PyTorch's layout.
class CaseRun {
 public:
  CaseRun(std::string name, const std::string& text, DType dtype)
      : options(text), name_(std::move(name)), dtype_(dtype) {}

  /// Values of file shape, as an input of this run's dtype and striate's layout.
  [[nodiscard]] Tensor placed(const Tensor& values, const Axes& axes) const {
    return from_file_layout(converted(values, dtype_), axes);
  }
  [[nodiscard]] Tensor values(const std::string& key, Shape shape, double scale = 1, double offset = 0) const {
    Tensor result = hashed(name_ + "." + key, std::move(shape));
    auto* at = result.mutable_data<double>();
    for (std::int64_t i = 0; i < result.numel(); ++i) at[i] = at[i] * scale + offset;
    return result;
  }
  /// An input whose gradient is compared as CASE.dKEY.
  Tensor leaf(const std::string& key, const Tensor& values, const Axes& axes) {
    Tensor tensor = placed(values, axes);
    tensor.set_requires_grad();
    leaves_.push_back({key, tensor, axes});
    return tensor;
  }
  /// The same of a layer's parameter, which becomes those values.
  void leaf(const std::string& key, const Tensor& values, NamedTensor& parameter) {
    parameter.value.copy_from(placed(values, parameter.file_axes));
    leaves_.push_back({key, parameter.value, parameter.file_axes});
  }
  Tensor leaf(const std::string& key, const Axes& axes) { return leaf(key, values(key, options.integers(key)), axes); }
  [[nodiscard]] Tensor labels(std::int64_t n, std::int64_t k) const { return hashed_below(name_ + ".target", n, k); }
  void compare(const std::string& key, const Tensor& tensor) { results[key] = tensor; }

  /// The output: compared, and sent back with the hashed gradient.
  void finish(const Tensor& y, const Axes& axes) {
    const Tensor in_file = to_file_layout(y.detach(), axes);
    results["y"] = in_file;
    y.backward(placed(hashed(name_ + ".dy", in_file.shape()), axes));
    for (const Leaf& leaf : leaves_) results["d" + leaf.key] = to_file_layout(leaf.tensor.grad(), leaf.axes);
  }

  [[nodiscard]] const std::string& name() const { return name_; }

  CaseOptions options;
  std::map<std::string, Tensor> results;

 private:
  struct Leaf {
    std::string key;
    Tensor tensor;
    Axes axes;
  };

  std::string name_;
  DType dtype_;
  std::vector<Leaf> leaves_;
};

Extent2d extent(const CaseOptions& options, const std::string& key) {
  const std::vector<std::int64_t> sizes = options.integers(key);
  return {sizes.at(0), sizes.at(1)};
}

void run_conv2d(CaseRun& run) {
  const CaseOptions& o = run.options;
  const Shape filter = o.integers("w");
  const Tensor x = run.leaf("x", images);
  const Tensor w = run.leaf("w", filters);
  const Tensor b = o.flag("bias") ? run.leaf("b", run.values("b", {filter[0]}), as_is) : Tensor();
  const Tensor y = conv2d(x, w, b,
                          {.kernel_size = {filter[2], filter[3]},
                           .stride = extent(o, "stride"),
                           .padding = extent(o, "padding"),
                           .dilation = extent(o, "dilation"),
                           .groups = o.integer("groups"),
                           .bias = o.flag("bias")});
  run.finish(y, images);
}

PaddingMode padding_mode(const std::string& name) {
  const std::map<std::string, PaddingMode> modes = {{"zeros", PaddingMode::zeros},
                                                    {"reflect", PaddingMode::reflect},
                                                    {"replicate", PaddingMode::replicate},
                                                    {"circular", PaddingMode::circular}};
  return modes.at(name);
}

/// A convolution by the layer of PyTorch's name, with f(x, w, b).
void run_conv(CaseRun& run, const std::function<Tensor(const Tensor&, const Tensor&, const Tensor&)>& f) {
  const CaseOptions& o = run.options;
  const Shape filter = o.integers("w");
  const bool line = filter.size() == 3;
  const Tensor x = run.leaf("x", line ? sequences : images);
  const Tensor w = run.leaf("w", line ? line_filters : filters);
  const std::int64_t outputs = o.text("op").starts_with("ConvTranspose") ? filter[1] * o.integer("groups") : filter[0];
  const Tensor b = o.flag("bias") ? run.leaf("b", run.values("b", {outputs}), as_is) : Tensor();
  run.finish(f(x, w, b), line ? sequences : images);
}

void run_conv_layer(CaseRun& run) {
  const CaseOptions& o = run.options;
  const bool same = o.text("padding") == "same";
  run_conv(run, [&](const Tensor& x, const Tensor& w, const Tensor& b) {
    return conv2d(x, w, b,
                  {.stride = extent(o, "stride"),
                   .padding = same ? Padding::same() : extent(o, "padding"),
                   .dilation = extent(o, "dilation"),
                   .groups = o.integer("groups"),
                   .padding_mode = padding_mode(o.text("padding_mode"))});
  });
}

void run_conv1d(CaseRun& run) {
  const CaseOptions& o = run.options;
  const bool same = o.text("padding") == "same";
  run_conv(run, [&](const Tensor& x, const Tensor& w, const Tensor& b) {
    return conv1d(x, w, b,
                  {.stride = o.integer("stride"),
                   .padding = same ? Padding::same() : Padding(o.integer("padding")),
                   .dilation = o.integer("dilation"),
                   .groups = o.integer("groups"),
                   .padding_mode = padding_mode(o.text("padding_mode"))});
  });
}

void run_conv_transpose2d(CaseRun& run) {
  const CaseOptions& o = run.options;
  run_conv(run, [&](const Tensor& x, const Tensor& w, const Tensor& b) {
    return conv_transpose2d(x, w, b,
                            {.stride = extent(o, "stride"),
                             .padding = extent(o, "padding"),
                             .output_padding = extent(o, "output_padding"),
                             .dilation = extent(o, "dilation"),
                             .groups = o.integer("groups")});
  });
}

void run_conv_transpose1d(CaseRun& run) {
  const CaseOptions& o = run.options;
  run_conv(run, [&](const Tensor& x, const Tensor& w, const Tensor& b) {
    return conv_transpose1d(x, w, b,
                            {.stride = o.integer("stride"),
                             .padding = o.integer("padding"),
                             .output_padding = o.integer("output_padding"),
                             .dilation = o.integer("dilation"),
                             .groups = o.integer("groups")});
  });
}

void run_batch_norm1d(CaseRun& run) {
  const Shape channels = {run.options.integers("x").at(1)};
  const Tensor x = run.leaf("x", sequences);
  const Tensor w = run.leaf("w", run.values("w", channels), as_is);
  const Tensor b = run.leaf("b", run.values("b", channels), as_is);
  run.finish(batch_norm(x, w, b, {}, {}, {.training = true}), sequences);
}

void run_batch_norm(CaseRun& run) {
  const CaseOptions& o = run.options;
  const Shape channels = {o.integers("x").at(1)};
  const Tensor x = run.leaf("x", images);
  const Tensor w = run.leaf("w", run.values("w", channels, 0.5, 1), as_is);
  const Tensor b = run.leaf("b", run.values("b", channels), as_is);
  const Tensor mean = run.placed(run.values("mean", channels), as_is);
  const Tensor var = run.placed(run.values("var", channels, 0.5, 1), as_is);
  const BatchNormOptions options{.training = o.flag("train"), .momentum = o.number("momentum"), .eps = o.number("eps")};
  run.finish(batch_norm(x, w, b, mean, var, options), images);
  run.compare("mean", mean);
  run.compare("var", var);
}

void run_group_norm(CaseRun& run) {
  const CaseOptions& o = run.options;
  const Tensor x = run.leaf("x", run.values("x", o.integers("x"), 2, 3), images);
  const Shape sizes = x.shape();
  const bool layer = o.text("op") == "LayerNorm";
  const bool whole = layer && o.integer("axes") == 3;
  const Shape affine = whole ? Shape{sizes[3], sizes[1], sizes[2]} : Shape{sizes[3]};
  const Axes axes = whole ? Axes{2, 0, 1} : as_is;
  const Tensor w = o.flag("affine") ? run.leaf("w", run.values("w", affine, 0.5, 1), axes) : Tensor();
  const Tensor b = o.flag("affine") ? run.leaf("b", run.values("b", affine), axes) : Tensor();
  const Shape normalized = whole ? Shape{sizes[1], sizes[2], sizes[3]} : Shape{sizes[3]};
  const double eps = o.number("eps");
  run.finish(layer ? layer_norm(x, normalized, w, b, eps) : group_norm(x, o.integer("groups"), w, b, eps), images);
}

/// Ops of one input; where the case is coarse it has zeros and ties.
void run_unary(CaseRun& run, const Axes& in, const Axes& out, const std::function<Tensor(const Tensor&)>& f) {
  Tensor x = run.values("x", run.options.integers("x"));
  if (run.options.flag("coarse")) {
    auto* at = x.mutable_data<double>();
    for (std::int64_t i = 0; i < x.numel(); ++i) at[i] = std::nearbyint(at[i] * 4) / 4;
  }
  run.finish(f(run.leaf("x", x, in)), out);
}

void run_max_pool(CaseRun& run) {
  const CaseOptions& o = run.options;
  const MaxPool2dOptions options{.kernel_size = extent(o, "kernel"),
                                 .stride = extent(o, "stride"),
                                 .padding = extent(o, "padding"),
                                 .dilation = extent(o, "dilation"),
                                 .ceil_mode = o.flag("ceil")};
  run_unary(run, images, images, [&](const Tensor& x) { return max_pool2d(x, options); });
}

void run_avg_pool(CaseRun& run) {
  const CaseOptions& o = run.options;
  AvgPool2dOptions options{.kernel_size = extent(o, "kernel"),
                           .stride = extent(o, "stride"),
                           .padding = extent(o, "padding"),
                           .ceil_mode = o.flag("ceil"),
                           .count_include_pad = o.flag("include_pad")};
  if (o.integer("divisor") != 0) options.divisor_override = o.integer("divisor");
  run_unary(run, images, images, [&](const Tensor& x) { return avg_pool2d(x, options); });
}

void run_pad(CaseRun& run) {
  const std::vector<std::int64_t> sides = run.options.integers("borders");  // PyTorch's order
  const Borders borders{.top = sides.at(2), .bottom = sides.at(3), .left = sides.at(0), .right = sides.at(1)};
  run_unary(run, images, images,
            [&](const Tensor& x) { return pad(x, borders, padding_mode(run.options.text("mode"))); });
}

void run_upsample(CaseRun& run) {
  const CaseOptions& o = run.options;
  UpsampleOptions options{.mode = o.text("mode") == "nearest" ? UpsampleMode::nearest : UpsampleMode::bilinear,
                          .align_corners = o.flag("align_corners")};
  if (o.integers("size").at(0) != 0) {
    options.size = extent(o, "size");
  } else {
    const std::vector<double> factors = o.numbers("factor");
    options.scale_factor = ScaleFactor(factors.at(0), factors.at(1));
  }
  run_unary(run, images, images, [&](const Tensor& x) { return interpolate(x, options); });
}

void run_max_pool1d(CaseRun& run) {
  const CaseOptions& o = run.options;
  run_unary(run, sequences, sequences, [&](const Tensor& x) {
    return max_pool1d(x, {.kernel_size = o.integer("kernel"),
                          .stride = o.integer("stride"),
                          .padding = o.integer("padding"),
                          .dilation = o.integer("dilation"),
                          .ceil_mode = o.flag("ceil")});
  });
}

void run_avg_pool1d(CaseRun& run) {
  const CaseOptions& o = run.options;
  run_unary(run, sequences, sequences, [&](const Tensor& x) {
    return avg_pool1d(x, {.kernel_size = o.integer("kernel"),
                          .stride = o.integer("stride"),
                          .padding = o.integer("padding"),
                          .ceil_mode = o.flag("ceil"),
                          .count_include_pad = o.flag("include_pad")});
  });
}

void run_squeeze_excitation(CaseRun& run) {
  const CaseOptions& o = run.options;
  const Tensor x = run.leaf("x", run.values("x", o.integers("x"), 1, 0.5), images);
  Module root;
  SqueezeExcitation layer(
      root, "se", x.size(3), o.integer("squeezed"),
      o.flag("hard") ? SqueezeExcitationOptions{hardswish, hardsigmoid} : SqueezeExcitationOptions{});
  root.to(x.dtype());
  for (NamedTensor& parameter : layer.parameters()) {
    const Shape shape = to_file_layout(parameter.value, parameter.file_axes).shape();
    run.leaf(parameter.name, run.values(parameter.name, shape, 2), parameter);
  }
  run.finish(layer(x), images);
}

void run_linear(CaseRun& run) {
  const CaseOptions& o = run.options;
  const Tensor x = run.leaf("x", run.values("x", {o.integer("n"), o.integer("c")}), as_is);
  const Tensor w = run.leaf("w", run.values("w", {o.integer("k"), o.integer("c")}), matrix);
  const Tensor b = o.flag("bias") ? run.leaf("b", run.values("b", {o.integer("k")}), as_is) : Tensor();
  run.finish(linear(x, w, b), as_is);
}

const std::map<std::string, Reduction> reductions = {
    {"mean", Reduction::mean}, {"sum", Reduction::sum}, {"none", Reduction::none}};

void run_cross_entropy(CaseRun& run) {
  const CaseOptions& o = run.options;
  const std::int64_t n = o.integer("n");
  const std::int64_t k = o.integer("k");
  const Tensor x = run.leaf("x", run.values("x", {n, k}, 4), as_is);
  const Tensor target =
      o.flag("probabilities") ? run.placed(run.values("target", {n, k}, 1, 1), as_is) : run.labels(n, k);
  const Tensor loss =
      cross_entropy(x, target,
                    {.label_smoothing = o.number("smoothing"),
                     .reduction = reductions.at(o.text("reduction")),
                     .ignore_index = o.integer("ignore"),
                     .weight = o.flag("weighted") ? run.placed(run.values("weight", {k}, 0.5, 1), as_is) : Tensor()});
  run.finish(loss, as_is);
}

void run_cross_entropy_of_pixels(CaseRun& run) {
  const CaseOptions& o = run.options;
  const std::int64_t n = o.integer("n"), k = o.integer("k"), h = o.integer("h"), w = o.integer("w");
  const Tensor x = run.leaf("x", run.values("x", {n, k, h, w}, 4), images);
  const Tensor loss =
      cross_entropy(x, run.labels(n * h * w, k).viewed_as({n, h, w}),
                    {.label_smoothing = o.number("smoothing"),
                     .reduction = reductions.at(o.text("reduction")),
                     .ignore_index = 2,
                     .weight = o.flag("weighted") ? run.placed(run.values("weight", {k}, 0.5, 1), as_is) : Tensor()});
  run.finish(loss, as_is);
}

void run_activation(CaseRun& run) {
  static const std::map<std::string, std::function<Tensor(const Tensor&)>> ops = {
      {"sigmoid", sigmoid},
      {"tanh", tanh},
      {"leaky_relu", [](const Tensor& x) { return leaky_relu(x); }},
      {"leaky_relu_slope", [](const Tensor& x) { return leaky_relu(x, 0.25); }},
      {"relu6", relu6},
      {"silu", silu},
      {"gelu", [](const Tensor& x) { return gelu(x); }},
      {"gelu_tanh", [](const Tensor& x) { return gelu(x, GeluApproximation::tanh); }},
      {"elu", [](const Tensor& x) { return elu(x); }},
      {"elu_alpha", [](const Tensor& x) { return elu(x, 0.5); }},
      {"softplus", [](const Tensor& x) { return softplus(x); }},
      {"softplus_beta", [](const Tensor& x) { return softplus(x, 2, 3); }},
      {"hardsigmoid", hardsigmoid},
      {"hardswish", hardswish}};
  const Tensor x = run.leaf("x", run.values("x", run.options.integers("x"), 6), images);
  run.finish(ops.at(run.name())(x), images);
}

const std::map<std::string, std::function<void(CaseRun&)>> runners = {
    {"activation", run_activation},
    {"conv2d", run_conv2d},
    {"batch_norm", run_batch_norm},
    {"GroupNorm", run_group_norm},
    {"LayerNorm", run_group_norm},
    {"relu", [](CaseRun& run) { run_unary(run, images, images, relu); }},
    {"flatten", [](CaseRun& run) { run_unary(run, images, as_is, flatten); }},
    {"softmax", [](CaseRun& run) { run_unary(run, as_is, as_is, softmax); }},
    {"log_softmax", [](CaseRun& run) { run_unary(run, as_is, as_is, log_softmax); }},
    {"max_pool", run_max_pool},
    {"avg_pool", run_avg_pool},
    {"adaptive_avg_pool",
     [](CaseRun& run) {
       const Extent2d size = extent(run.options, "size");
       run_unary(run, images, images, [&](const Tensor& x) { return adaptive_avg_pool2d(x, size); });
     }},
    {"Conv2d", run_conv_layer},
    {"ConvTranspose2d", run_conv_transpose2d},
    {"Conv1d", run_conv1d},
    {"ConvTranspose1d", run_conv_transpose1d},
    {"pad", run_pad},
    {"Upsample", run_upsample},
    {"BatchNorm1d", run_batch_norm1d},
    {"MaxPool1d", run_max_pool1d},
    {"AvgPool1d", run_avg_pool1d},
    {"AdaptiveMaxPool2d",
     [](CaseRun& run) {
       const Extent2d size = extent(run.options, "size");
       run_unary(run, images, images, [&](const Tensor& x) { return adaptive_max_pool2d(x, size); });
     }},
    {"AdaptiveAvgPool1d",
     [](CaseRun& run) {
       const std::int64_t size = run.options.integer("size");
       run_unary(run, sequences, sequences, [&](const Tensor& x) { return adaptive_avg_pool1d(x, size); });
     }},
    {"SqueezeExcitation", run_squeeze_excitation},
    {"linear", run_linear},
    {"cross_entropy", run_cross_entropy},
    {"cross_entropy_of_pixels", run_cross_entropy_of_pixels},
};

/// Expects |ours - theirs| <= tolerance * max(1, largest |theirs|).
void expect_equal(const std::string& what, const Tensor& ours, const Tensor& theirs, double tolerance) {
  ASSERT_EQ(ours.shape(), theirs.shape()) << what;
  const std::vector<double> a = ours.to_vector();
  const std::vector<double> b = theirs.to_vector();
  double scale = 1;
  for (const double value : b) scale = std::max(scale, std::abs(value));
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double apart = std::abs(a[i] - b[i]);
    worst = apart <= worst ? worst : apart;  // a NaN stays
  }
  EXPECT_LE(worst, tolerance * scale) << what;
}

/// Runs all cases of a file in one dtype; tolerance(terms) is for the longest sum of a case.
void check_file(const std::string& name, DType dtype, const std::function<double(double terms)>& tolerance) {
  const TensorFile file = read_safetensors(STRIATE_SOURCE_DIR "/tests/reference/" + name);
  ASSERT_GE(file.metadata.size(), 7U);
  std::size_t compared = 0;
  for (const auto& [name, text] : file.metadata) {
    SCOPED_TRACE(testing::Message() << name << ": " << text);
    CaseRun run(name, text, dtype);
    const auto runner = runners.find(run.options.text("op"));
    ASSERT_NE(runner, runners.end());
    runner->second(run);
    for (const auto& [key, ours] : run.results) {
      const std::string what = std::string(name).append(".").append(key);
      const Tensor theirs = file.find(what);
      ASSERT_TRUE(theirs.defined()) << what;
      expect_equal(what, ours, theirs, tolerance(run.options.number("terms")));
      ++compared;
    }
  }
  EXPECT_EQ(compared, file.tensors.size());
}

void check_all(DType dtype, const std::function<double(double terms)>& tolerance) {
  check_file("layers.safetensors", dtype, tolerance);
  check_file("convolutions.safetensors", dtype, tolerance);
  check_file("norms.safetensors", dtype, tolerance);
  check_file("upsample.safetensors", dtype, tolerance);
  check_file("activations.safetensors", dtype, tolerance);
}

TEST(LayerParity, DoubleEqualsPyTorch) {
  check_all(DType::f64, [](double) { return 1e-12; });
}

TEST(LayerParity, FloatStaysWithinRounding) {
  check_all(DType::f32, [](double terms) { return (terms + 16) * std::numeric_limits<float>::epsilon(); });
}

}  // namespace
}  // namespace striate
