#pragma once
// Where the time of a training step goes: for `bench --layers` (apps/cli/bench.cpp). The times come from
// core/profile.h.

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/module.h"

namespace striate::cli {

/// One direction of one layer, or a part of the step that is no layer (`kind` empty).
struct TimedPart {
  std::string name;       ///< the layer's path
  std::string kind;       ///< "Conv2d"; "BatchNorm2d+ReLU" for layers computed in one go
  std::string direction;  ///< "forward", "backward", "backward-data", "backward-weights"
  std::string algorithm;  ///< of convolutions
  double milliseconds;    ///< the median over steps
  double gflops = 0;      ///< GFLOP/s of direct convolution's work; 0 where a layer has no products
};

struct StepTimes {
  std::vector<TimedPart> parts;  ///< layers in the order in which they run, then what is no layer
  double step = 0;               ///< ms, the median; parts add up to it but for the difference of medians
  double loader = 0;             ///< ms to load and augment a batch on one thread, beside the step
  double peak = 0;               ///< GFLOP/s, measured; 0 where there is no measure
  [[nodiscard]] double sum() const;
};

/// Times `steps` calls of `step`, a training step on images like `input`.
StepTimes time_parts(Layer& model, const Tensor& input, std::int64_t steps, const std::function<void()>& step);

/// Milliseconds (median) in which one thread makes a batch of images of this shape (N,H,W,C) as `train` does: from
/// bytes in memory, with its default augmentation.
double loader_milliseconds(const Shape& images, DType dtype);

/// A table, a row per part.
std::string format_times(const StepTimes& times);

/// Adds "layers", "other", "step_ms", "sum_ms", "loader_ms" and "peak_gflops" to `result`.
void add_times(const StepTimes& times, nlohmann::json& result);

}  // namespace striate::cli
