#pragma once
// Where the time of a training step goes: for `bench --layers` (apps/cli/bench.cpp). The times come from
// core/profile.h.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/module.h"

namespace striate::cli {

/// One direction of one layer, or a part of the step outside all layers (`kind` empty).
struct TimedPart {
  std::string name;       ///< the layer's path
  std::string kind;       ///< "Conv2d"; "BatchNorm2d+ReLU" for fused layers
  std::string direction;  ///< "forward", "backward", "backward-data", "backward-weights"
  std::string algorithm;  ///< of convolutions
  double milliseconds;    ///< the median over steps
  double gflops = 0;      ///< GFLOP/s, counting direct convolution's operations; 0 for layers without products
};

/// Wall time of each of so many calls.
template <class Call>
std::vector<double> seconds_of(std::int64_t calls, const Call& call) {
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < calls; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return seconds;
}

/// Of one value or more.
inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct StepTimes {
  std::vector<TimedPart> parts;  ///< layers in the order in which they run, then the rest of the step
  double step = 0;               ///< ms, the median; the parts add up to it up to the difference between medians
  double loader = 0;             ///< ms to load and augment a batch on one thread, beside the step
  double peak = 0;               ///< GFLOP/s, measured; 0: unknown
  [[nodiscard]] double sum() const;
};

/// Times `steps` calls of `step`, a training step on images like `input`.
StepTimes time_parts(Layer& model, const Tensor& input, std::int64_t steps, const std::function<void()>& step);

/// Milliseconds (median) in which one thread makes a batch of images of this shape (N,H,W,C) as `train` does: from
/// bytes in memory, with its default augmentation.
double loader_milliseconds(const Shape& images, DType dtype);

/// GFLOP/s of multiply-adds on registers alone, all threads together, measured in about a fifth of a second: what every
/// layer's GFLOP/s are held against. For f32; for bf16 of products of bf16 pairs where the build has vdpbf16ps, else
/// the f32 figure, since bf16 is then computed in f32, as f16 is in every build. 0 for other dtypes.
double measured_peak(DType operands);

/// A table, a row per part.
std::string format_times(const StepTimes& times);

/// Adds "layers", "other", "step_ms", "sum_ms", "loader_ms" and "peak_gflops" to `result`.
void add_times(const StepTimes& times, nlohmann::json& result);

}  // namespace striate::cli
