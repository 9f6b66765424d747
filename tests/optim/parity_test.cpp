// Optimisers' parameters, with groups, clipping and schedules, and the schedules' rates against PyTorch's: cases of
// tests/reference/optim.py.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "core/state.h"
#include "layers/batch_norm.h"
#include "layers/conv2d.h"
#include "layers/linear.h"
#include "optim/adamw.h"
#include "optim/groups.h"
#include "optim/schedule.h"
#include "optim/sgd.h"
#include "optim/update.h"
#include "tests/support/case_options.h"
#include "tests/support/hashed.h"

namespace striate {
namespace {

using testing_support::CaseOptions;
using testing_support::converted;
using testing_support::hashed;

constexpr std::int64_t count = 7;

void check_sgd(const TensorFile& file, const std::string& name, const CaseOptions& o, DType dtype, double tolerance) {
  std::vector<NamedTensor> parameters;
  for (const char* key : {"a", "b"}) {
    Tensor value = converted(hashed(name + "." + key, {count}), dtype);
    parameters.push_back({key, value.set_requires_grad(), {}});
  }
  Sgd sgd(parameters, {.lr = o.number("lr"),
                       .momentum = o.number("momentum"),
                       .dampening = o.number("dampening"),
                       .weight_decay = o.number("weight_decay"),
                       .nesterov = o.flag("nesterov")});
  for (std::int64_t step = 0; step < o.integer("steps"); ++step) {
    sgd.zero_grad();
    for (NamedTensor& p : parameters) {
      if (step == 0 && p.name == "b") continue;
      const std::string stream = name + "." + p.name + ".grad." + std::to_string(step);
      p.value.set_grad(converted(hashed(stream, {count}), dtype));
    }
    sgd.step();
    for (const NamedTensor& p : parameters) {
      const std::vector<double> theirs = file.find(name + "." + p.name).to_vector();
      const std::vector<double> ours = p.value.to_vector();
      for (std::size_t i = 0; i < ours.size(); ++i) {
        const auto at = static_cast<std::size_t>(step) * ours.size() + i;
        EXPECT_NEAR(ours[i], theirs.at(at), tolerance) << p.name << "[" << i << "] after step " << step;
      }
    }
  }
}

ScheduleOptions schedule_of(const CaseOptions& o) {
  ScheduleOptions s{.kind = o.text("kind"), .lr = o.number("lr"), .steps_per_epoch = 1};
  if (s.kind == "step") s.step_size = o.integer("step_size");
  if (s.kind == "multistep") s.milestones = o.integers("milestones");
  if (s.kind == "step" || s.kind == "multistep" || s.kind == "exponential") {
    s.gamma = o.number("gamma");
  } else {
    s.total_steps = o.integer("total_steps");
  }
  if (s.kind == "poly") s.power = o.number("power");
  if (s.kind == "poly" || s.kind == "cosine") s.min_lr = o.number("min_lr");
  if (s.kind == "onecycle") {
    s.pct_start = o.number("pct_start");
    s.div_factor = o.number("div_factor");
    s.final_div_factor = o.number("final_div_factor");
  }
  return s;
}

void check_schedule(const TensorFile& file, const std::string& name, const CaseOptions& o) {
  const std::vector<double> theirs = file.find(name + ".lr").to_vector();
  const ScheduleOptions schedule = schedule_of(o);
  // Step 1 takes PyTorch's first rate, except that poly and cosine are at 1/T already, to reach their end.
  const bool ends = schedule.kind == "poly" || schedule.kind == "cosine";
  for (std::size_t calls = ends ? 1 : 0; calls < theirs.size(); ++calls) {
    const std::size_t step = ends ? calls : calls + 1;
    EXPECT_NEAR(learning_rate(schedule, static_cast<std::int64_t>(step)), theirs[calls], 1e-14) << "step " << step;
  }
}

/// The parameters of GROUPS in tests/reference/optim.py, with its first values.
struct Net : Module {
  Conv2d conv{*this, "conv", 1, 2, {.kernel_size = 3}};
  BatchNorm2d norm{*this, "norm", 2};
  Linear fc{*this, "fc", 2, 3};

  Net(const std::string& name, DType dtype) {
    to(dtype);
    for (NamedTensor& parameter : parameters()) parameter.value.copy_from(hashed_like(parameter, name + ".", ""));
  }
  /// hashed(prefix + the parameter's name + suffix) in the parameter's own layout.
  static Tensor hashed_like(const NamedTensor& parameter, const std::string& prefix, const std::string& suffix) {
    const Shape shape = to_file_layout(parameter.value, parameter.file_axes).shape();
    return from_file_layout(hashed(prefix + parameter.name + suffix, shape), parameter.file_axes);
  }
  [[nodiscard]] std::vector<ParameterGroup> groups(double weight_decay) const {
    return make_groups(
        *this,
        {.weight_decay = weight_decay, .no_bias_decay = true, .head = "fc", .head_lr_scale = 10, .norm_lr_scale = 4});
  }
  void set_gradients(const std::string& name, std::int64_t step, double share_of_values) {
    for (NamedTensor& parameter : parameters()) {
      const Tensor fixed = hashed_like(parameter, name + ".", ".grad." + std::to_string(step));
      std::vector<double> sum = fixed.to_vector();
      const std::vector<double> values = parameter.value.to_vector();
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += values[i] * share_of_values;
      parameter.value.set_grad(converted(Tensor::from(fixed.shape(), sum), parameter.value.dtype()));
    }
  }
  /// Against the rows of the file's tensors, one a time that was recorded.
  void expect_values(const TensorFile& file, const std::string& name, std::size_t row, double tolerance) const {
    for (const NamedTensor& parameter : parameters()) {
      const std::vector<double> theirs = file.find(name + "." + parameter.name).to_vector();
      const std::vector<double> ours = to_file_layout(parameter.value, parameter.file_axes).to_vector();
      for (std::size_t i = 0; i < ours.size(); ++i) {
        EXPECT_NEAR(ours[i], theirs.at(row * ours.size() + i), tolerance) << parameter.name << "[" << i << "] " << row;
      }
    }
  }
};

// A few roundings a step, of values below 8, in a rate of at most 0.5.
void check_groups(const TensorFile& file, const std::string& name, const CaseOptions& o) {
  Net net(name, DType::f64);
  Sgd sgd(net.groups(o.number("weight_decay")), {.momentum = o.number("momentum"), .nesterov = o.flag("nesterov")});
  for (std::int64_t step = 0; step < o.integer("steps"); ++step) {
    net.set_gradients(name, step, 0);
    sgd.set_lr(o.number("lr") / static_cast<double>(step + 1));
    sgd.step();
  }
  net.expect_values(file, name, 0, 5 * 4 * 8 * std::numeric_limits<double>::epsilon());
}

void check_adamw(const TensorFile& file, const std::string& name, const CaseOptions& o, DType dtype, double tolerance) {
  Net net(name, dtype);
  AdamW adamw(net.groups(o.number("weight_decay")),
              {.beta1 = o.number("beta1"), .beta2 = o.number("beta2"), .eps = o.number("eps")});
  Update update(adamw, net.parameters(), {.clip_norm = o.number("clip_norm")});
  const ScheduleOptions cosine{.kind = "cosine", .lr = o.number("lr"), .total_steps = o.integer("steps")};
  for (std::int64_t step = 0; step < o.integer("steps"); ++step) {
    update.begin(learning_rate(cosine, step + 1));
    net.set_gradients(name, step, 0.25);
    update.apply();
    if (step % 10 == 9) net.expect_values(file, name, static_cast<std::size_t>(step / 10), tolerance);
  }
}

TEST(OptimParity, EqualsPyTorch) {
  const TensorFile file = read_safetensors(STRIATE_SOURCE_DIR "/tests/reference/optim.safetensors");
  std::map<std::string, int> seen;
  for (const auto& [name, text] : file.metadata) {
    SCOPED_TRACE(testing::Message() << name << ": " << text);
    const CaseOptions options(text);
    ++seen[options.text("op")];
    if (options.text("op") == "schedule") {
      check_schedule(file, name, options);
      continue;
    }
    if (options.text("op") == "groups") check_groups(file, name, options);
    if (options.text("op") == "adamw") {
      check_adamw(file, name, options, DType::f64, 1e-12);
      // A few roundings a step, of values below 4.
      check_adamw(file, name, options, DType::f32, 100 * 4 * std::numeric_limits<float>::epsilon());
    }
    if (options.text("op") != "sgd") continue;
    check_sgd(file, name, options, DType::f64, 1e-14);
    // A few roundings a step, of values below 4.
    check_sgd(file, name, options, DType::f32, 8 * 4 * 4 * std::numeric_limits<float>::epsilon());
  }
  EXPECT_EQ(seen["sgd"], 7);
  EXPECT_EQ(seen["groups"], 1);
  EXPECT_EQ(seen["adamw"], 3);
  EXPECT_EQ(seen["schedule"], 9);
}

}  // namespace
}  // namespace striate
