#include "layers/init.h"

#include <cmath>
#include <utility>

#include "core/parallel.h"
#include "core/random.h"

namespace striate {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

/// tensor[i] = value(i) for every i, in the tensor's dtype.
template <class F>
void fill(Tensor& tensor, const F& value) {
  dispatch_floating("init", tensor.dtype(), [&]<class T>(T) {
    T* out = tensor.mutable_data<T>();
    parallel_for(tensor.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) out[i] = static_cast<T>(value(static_cast<std::uint64_t>(i)));
    });
  });
}

double deviation_of(const Tensor& weight, FanMode mode, double gain) {
  const Fan fan = fan_of(weight.shape());
  return gain / std::sqrt(static_cast<double>(mode == FanMode::in ? fan.in : fan.out));
}

}  // namespace

void uniform_(Tensor tensor, double low, double high) {
  const RandomStream stream = default_generator().next();
  fill(tensor, [&](std::uint64_t i) { return low + (high - low) * stream.uniform(i); });
}

void normal_(Tensor tensor, double mean, double deviation) {
  const RandomStream stream = default_generator().next();
  fill(tensor, [&](std::uint64_t i) { return mean + deviation * stream.normal(i); });
}

void constant_(Tensor tensor, double value) {
  fill(tensor, [&](std::uint64_t) { return value; });
}

Fan fan_of(const Shape& weight) {
  static_cast<void>(numel(weight));  // refuses sizes whose products overflow
  if (weight.size() < 2 || weight.size() > 4) {
    shape_error("fan_of", "weight must be (R,S,C/groups,K), (S,C/groups,K) or (C,K): got " + to_string(weight));
  }
  std::int64_t positions = 1;
  for (std::size_t i = 0; i + 2 < weight.size(); ++i) positions *= weight[i];
  return {positions * weight[weight.size() - 2], positions * weight.back()};
}

double leaky_relu_gain(double slope) { return std::sqrt(2 / (1 + slope * slope)); }

void kaiming_uniform_(Tensor weight, FanMode mode, double gain) {
  const double bound = std::sqrt(3.0) * deviation_of(weight, mode, gain);
  uniform_(std::move(weight), -bound, bound);
}

void kaiming_normal_(Tensor weight, FanMode mode, double gain) {
  const double deviation = deviation_of(weight, mode, gain);
  normal_(std::move(weight), 0, deviation);
}

void xavier_uniform_(Tensor weight, double gain) {
  const Fan fan = fan_of(weight.shape());
  const double bound = gain * std::sqrt(6 / static_cast<double>(fan.in + fan.out));
  uniform_(std::move(weight), -bound, bound);
}

void default_init_(Tensor weight, Tensor bias) {
  const double bound = deviation_of(weight, FanMode::in, 1);
  uniform_(std::move(weight), -bound, bound);
  if (bias.defined()) uniform_(std::move(bias), -bound, bound);
}

}  // namespace striate
