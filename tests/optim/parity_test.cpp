// SGD's parameters after every step, and schedules, against PyTorch's: cases of tests/reference/optim.py.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "optim/schedule.h"
#include "optim/sgd.h"
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
  ScheduleOptions s{.kind = schedule_kind(o.text("kind")), .lr = o.number("lr"), .steps_per_epoch = 1};
  if (s.kind == ScheduleKind::step) s.step_size = o.integer("step_size");
  if (s.kind == ScheduleKind::multistep) s.milestones = o.integers("milestones");
  if (s.kind <= ScheduleKind::exponential) {
    s.gamma = o.number("gamma");
  } else {
    s.total_steps = o.integer("total_steps");
  }
  if (s.kind == ScheduleKind::poly) s.power = o.number("power");
  if (s.kind == ScheduleKind::poly || s.kind == ScheduleKind::cosine) s.min_lr = o.number("min_lr");
  if (s.kind == ScheduleKind::onecycle) {
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
  const bool ends = schedule.kind == ScheduleKind::poly || schedule.kind == ScheduleKind::cosine;
  for (std::size_t calls = ends ? 1 : 0; calls < theirs.size(); ++calls) {
    const std::size_t step = ends ? calls : calls + 1;
    EXPECT_NEAR(learning_rate(schedule, static_cast<std::int64_t>(step)), theirs[calls], 1e-14) << "step " << step;
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
    if (options.text("op") != "sgd") continue;
    check_sgd(file, name, options, DType::f64, 1e-14);
    // A few roundings a step, of values below 4.
    check_sgd(file, name, options, DType::f32, 8 * 4 * 4 * std::numeric_limits<float>::epsilon());
  }
  EXPECT_EQ(seen["sgd"], 7);
  EXPECT_EQ(seen["schedule"], 9);
}

}  // namespace
}  // namespace striate
