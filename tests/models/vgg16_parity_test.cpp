// Training VGG16 against PyTorch's numbers: tests/reference/vgg16.py describes the run and what is stored of it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/autograd.h"
#include "core/safetensors.h"
#include "core/state.h"
#include "layers/conv/kernels.h"
#include "layers/cross_entropy.h"
#include "models/vgg.h"
#include "optim/sgd.h"
#include "tests/support/conv_bounds.h"
#include "tests/support/hashed.h"

namespace striate {
namespace {

using testing_support::conv_geometry;
using testing_support::converted;
using testing_support::hashed;
using testing_support::hashed_below;
using testing_support::HashedStream;
using testing_support::typical_error;

constexpr std::int64_t batch = 64;
const std::string folder = STRIATE_SOURCE_DIR "/tests/reference/";

bool ends_with(const std::string& text, const std::string& tail) {
  return text.size() >= tail.size() && text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

/// He-uniform matrices (rounded to f32, so that both precisions start alike), norms around 1, biases around
/// 0.
Tensor first_value(const std::string& name, const Shape& file_shape) {
  Tensor value = hashed("vgg16." + name, file_shape);
  const bool norm = name.starts_with("features") && ends_with(name, "weight");
  const auto fan_in = static_cast<double>(value.numel()) / static_cast<double>(file_shape[0]);
  auto* at = value.mutable_data<double>();
  for (std::int64_t i = 0; i < value.numel(); ++i) {
    at[i] = file_shape.size() > 1 ? static_cast<double>(static_cast<float>(at[i] * std::sqrt(6 / fan_in)))
                                  : at[i] * 0.25 + (norm ? 1 : 0);
  }
  return value;
}

Tensor images(std::int64_t step, DType dtype, std::int64_t count) {
  const Tensor values = hashed("vgg16.x." + std::to_string(step), {count, 3, 32, 32});
  return from_file_layout(converted(values, dtype), {0, 3, 1, 2});
}

/// Parameters and buffers in file layout, in memory of their own.
FileState snapshot(const Module& module) {
  FileState state;
  for (const auto& [name, tensor] : state_of(module)) state.emplace_back(name, tensor.clone());
  return state;
}

/// The quarter-width network of the reference.
class ReferenceRun {
 public:
  explicit ReferenceRun(DType dtype) : dtype_(dtype) {
    model.to(dtype);
    FileState state = snapshot(model);
    for (auto& [name, tensor] : state) {
      const bool buffer = name.find("running_") != std::string::npos || ends_with(name, "tracked");
      if (!buffer) tensor = first_value(name, tensor.shape());
    }
    load_state(model, state);
  }

  /// Takes the steps first .. first + count - 1 and returns their losses.
  std::vector<double> train(std::int64_t first, std::int64_t count, std::int64_t n = batch) {
    Sgd sgd(model.parameters(), {.lr = 0.05, .momentum = 0.9, .weight_decay = 5e-4, .nesterov = true});
    model.train();
    std::vector<double> losses;
    for (std::int64_t step = first; step < first + count; ++step) {
      const Tensor labels = hashed_below("vgg16.labels." + std::to_string(step), n, 10);
      sgd.zero_grad();
      const Tensor loss = cross_entropy(model(images(step, dtype_, n)), labels, {.label_smoothing = 0.1});
      loss.backward();
      sgd.step();
      losses.push_back(loss.item());
    }
    return losses;
  }

  Tensor logits() {
    model.eval();
    const NoGradGuard no_grad;
    return model(images(0, dtype_, 8));
  }

  Vgg model{{.width_multiplier = 0.25}};

 private:
  DType dtype_;
};

/// The L2 norm of a - b.
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

/// Expects |ours - theirs| <= tolerance * max(1, largest |theirs|).
void expect_near(const std::vector<double>& ours, const std::vector<double>& theirs, double tolerance) {
  ASSERT_EQ(ours.size(), theirs.size());
  double scale = 1;
  for (const double value : theirs) scale = std::max(scale, std::abs(value));
  for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(ours[i], theirs[i], tolerance * scale) << "at " << i;
}

/// Expects the tensor's last value within 1e-9 of the length of its change from PyTorch's.
void expect_same_update(const TensorFile& reference, const std::string& name, const std::vector<double>& before,
                        const std::vector<double>& after) {
  const double norm = reference.find(name + ".norm").item();
  EXPECT_NEAR(distance(after, before), norm, 1e-9 * norm);

  // A difference d has products with random signs of mean square |d|^2: eight of them measure it.
  const std::vector<double> theirs = reference.find(name + ".projections").to_vector();
  double square = 0;
  for (std::size_t j = 0; j < theirs.size(); ++j) {
    const HashedStream signs(name + ".signs." + std::to_string(j));
    double ours = 0;
    for (std::size_t i = 0; i < after.size(); ++i) ours += signs.sign(i) * (after[i] - before[i]);
    square += (ours - theirs[j]) * (ours - theirs[j]) / static_cast<double>(theirs.size());
  }
  EXPECT_LE(std::sqrt(square), 1e-9 * norm);

  const std::vector<double> samples = reference.find(name + ".samples").to_vector();
  const Tensor places = hashed_below(name + ".places", static_cast<std::int64_t>(samples.size()),
                                     static_cast<std::int64_t>(after.size()));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto place = static_cast<std::size_t>(places.data<std::int64_t>()[i]);
    EXPECT_NEAR(after[place], samples[i], 1e-9 * norm) << "at " << place;
  }
}

TEST(Vgg16Parity, TenStepsInDoubleEqualPyTorch) {
  const TensorFile reference = read_safetensors(folder + "vgg16.safetensors");
  ReferenceRun run(DType::f64);
  const FileState before = snapshot(run.model);
  expect_near(run.logits().to_vector(), reference.find("logits.first").to_vector(), 1e-10);
  expect_near(run.train(0, 10), reference.find("losses").to_vector(), 1e-9);
  expect_near(run.logits().to_vector(), reference.find("logits.last").to_vector(), 1e-9);
  const FileState after = snapshot(run.model);
  ASSERT_EQ(after.size(), 13U * 6 + 2);
  for (std::size_t i = 0; i < after.size(); ++i) {
    const auto& [name, tensor] = after[i];
    SCOPED_TRACE(name);
    if (ends_with(name, "num_batches_tracked")) {
      EXPECT_EQ(tensor.item(), 10);
    } else {
      expect_same_update(reference, name, before[i].second.to_vector(), tensor.to_vector());
    }
  }
}

/// Expects one step in f32 to end at most `factor` times as far from f64 as PyTorch's NAME + kind says.
void expect_near_double(const TensorFile& reference, const std::string& kind, std::int64_t step, std::int64_t n,
                        double factor) {
  ReferenceRun exact(DType::f64);
  ReferenceRun fast(DType::f32);
  exact.train(step, 1, n);
  fast.train(step, 1, n);
  const FileState truth = snapshot(exact.model);
  const FileState state = snapshot(fast.model);
  ASSERT_EQ(state.size(), truth.size());
  for (std::size_t i = 0; i < state.size(); ++i) {
    const auto& [name, tensor] = state[i];
    if (ends_with(name, "num_batches_tracked")) {
      EXPECT_EQ(tensor.item(), 1) << name;
      continue;
    }
    const double theirs = reference.find(std::string(name).append(kind)).item();
    EXPECT_LE(distance(tensor.to_vector(), truth[i].second.to_vector()), factor * theirs) << name;
  }
}

// One activation that rounds to the other side of a ReLU or max pool moves gradients by percents of an
// update, so the yardstick is PyTorch's own distance. That our float64 is PyTorch's is shown above.
TEST(Vgg16Parity, OneStepInFloatIsAsNearToDoubleAsPyTorch) {
  expect_near_double(read_safetensors(folder + "vgg16.safetensors"), ".fp32", 0, batch, 3);
}

// A batch of four on which no activation is near such an edge, so that rounding alone is left.
constexpr std::int64_t clear_batch = 4;
std::int64_t clear_step(const TensorFile& reference) {
  return static_cast<std::int64_t>(reference.find("clear.batch").item());
}

TEST(Vgg16Parity, OneStepInFloatRoundsNoWorseThanPyTorch) {
  const ConvAlgorithmOverride direct(&conv_by::direct);  // as PyTorch's are
  const TensorFile reference = read_safetensors(folder + "vgg16.safetensors");
  expect_near_double(reference, ".clear", clear_step(reference), clear_batch, 3);
}

/// What one step in f64 makes of every tensor.
struct ExactStep {
  FileState before, after;

  ExactStep(std::int64_t step, std::int64_t n) {
    ReferenceRun run(DType::f64);
    before = snapshot(run.model);
    run.train(step, 1, n);
    after = snapshot(run.model);
  }
  /// The root mean square over all tensors of how far they are from this, distance(i), relative to their change.
  template <class F>
  double relative_error(F&& distance_of) const {
    double square = 0;
    for (std::size_t i = 0; i < after.size(); ++i) {
      const double change = distance(after[i].second.to_vector(), before[i].second.to_vector());
      square += std::pow(distance_of(i) / change, 2);
    }
    return std::sqrt(square / static_cast<double>(after.size()));
  }
};

/// The largest ratio of the errors that rounding may typically make in one of the network's convolutions, by the
/// algorithms that are chosen and directly.
double largest_growth(std::int64_t n) {
  struct Size {
    std::int64_t map, channels, filters;
  };
  double largest = 1;
  for (const Size& s : {Size{32, 3, 16},
                        {32, 16, 16},
                        {16, 16, 32},
                        {16, 32, 32},
                        {8, 32, 64},
                        {8, 64, 64},
                        {4, 64, 128},
                        {4, 128, 128},
                        {2, 128, 128}}) {
    const ConvGeometry g = conv_geometry(n, s.map, s.channels, 3, s.filters, 1, 1);
    for (const ConvDirection direction :
         {ConvDirection::forward, ConvDirection::backward_data, ConvDirection::backward_weights}) {
      const ConvAlgorithm& chosen = choose_conv(g, DType::f32, direction);
      if (s.channels == 3 && direction == ConvDirection::backward_data) continue;  // it is never computed
      largest = std::max(largest, typical_error(g, chosen, direction) / typical_error(g, conv_by::direct, direction));
    }
  }
  return largest;
}

// Winograd's transforms round more coarsely. One small tensor says little about that: the ten values of
// classifier.bias happen to end four times nearer in PyTorch than its other tensors, relative to their changes. All
// tensors together do: to first order their errors are linear in those of all convolutions, which are independent, so
// their mean square grows by at most what that of one convolution grows by. The yardstick is direct convolution,
// PyTorch's or ours, whichever is nearer.
TEST(Vgg16Parity, OneStepInFloatByWinogradRoundsNoWorseThanItsTransforms) {
  const TensorFile reference = read_safetensors(folder + "vgg16.safetensors");
  const std::int64_t step = clear_step(reference);
  const ExactStep exact(step, clear_batch);
  const auto error_by = [&](const ConvAlgorithm* algorithm) {
    const ConvAlgorithmOverride convolutions(algorithm);
    ReferenceRun run(DType::f32);
    run.train(step, 1, clear_batch);
    const FileState state = snapshot(run.model);
    return exact.relative_error(
        [&](std::size_t i) { return distance(state[i].second.to_vector(), exact.after[i].second.to_vector()); });
  };
  const double theirs = exact.relative_error([&](std::size_t i) {
    const std::string& name = exact.after[i].first;
    return ends_with(name, "num_batches_tracked") ? 0 : reference.find(name + ".clear").item();
  });
  const double direct = error_by(&conv_by::direct);
  const double chosen = error_by(nullptr);
  EXPECT_NE(chosen, direct);
  EXPECT_LE(chosen, largest_growth(clear_batch) * std::min(direct, theirs));
}

TEST(Vgg16Parity, PyTorchWeightsGiveItsLogits) {
  Vgg model({.width_multiplier = 1.0 / 16});
  load_state(model, read_safetensors(folder + "vgg16_weights.safetensors").tensors);
  model.eval();
  const NoGradGuard no_grad;
  const std::vector<double> ours = model(images(0, DType::f32, 8)).to_vector();
  expect_near(ours, read_safetensors(folder + "vgg16.safetensors").find("logits.weights").to_vector(), 1e-4);
  // Logits that vary show that the weights matter.
  const auto [low, high] = std::minmax_element(ours.begin(), ours.end());
  EXPECT_GT(*high - *low, 0.1);
}

}  // namespace
}  // namespace striate
