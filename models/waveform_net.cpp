#include "models/waveform_net.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/reshape.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/conv1d.h"
#include "models/model_options.h"

namespace striate {
namespace {

constexpr std::int64_t kSpan = 80;     // of the first convolution
constexpr std::int64_t kPadding = 38;  // a length that 4 divides becomes a quarter of it, as in the paper

struct Group {
  std::int64_t channels;
  int convolutions;
};

// A first convolution, then those of 3 samples: columns of the paper's table 1.
std::vector<Group> groups_of(int depth) {
  std::vector<Group> groups;
  if (depth == 3) groups = {{256, 1}, {256, 1}};
  if (depth == 5) groups = {{128, 1}, {128, 1}, {256, 1}, {512, 1}};
  if (depth == 11) groups = {{64, 1}, {64, 2}, {128, 2}, {256, 3}, {512, 2}};
  if (depth == 18) groups = {{64, 1}, {64, 4}, {128, 4}, {256, 4}, {512, 4}};
  expect(!groups.empty(), "waveform_net", "a depth of 3, 5, 11 or 18", depth);
  return groups;
}

std::size_t pools_of(const std::vector<Group>& groups) { return std::min<std::size_t>(groups.size(), 4); }

const WaveformNetOptions& checked(const WaveformNetOptions& o) {
  const std::string name = "m" + std::to_string(o.depth);
  check_sizes(name, o.classes, o.in_channels, o.width_multiplier);
  expect(o.stride >= 1 && o.stride <= kSpan, name, "a stride of 1 .. 80", o.stride);
  std::int64_t left = 1;  // what the pools turn into one
  for (std::size_t pool = 0; pool < pools_of(groups_of(o.depth)); ++pool) left *= 4;
  expect(o.length >= (left - 1) * o.stride + kSpan - 2 * kPadding, name,
         "recordings of at least " + std::to_string((left - 1) * o.stride + kSpan - 2 * kPadding) + " samples",
         o.length);
  return o;
}

}  // namespace

WaveformNet::WaveformNet(const WaveformNetOptions& options) : options_(checked(options)) {}

WaveformNet::WaveformNet(Module& parent, std::string name, const WaveformNetOptions& options)
    : Layer(parent, std::move(name)), options_(checked(options)) {}

std::int64_t WaveformNet::build_features() {
  std::int64_t channels = options_.in_channels;
  Conv1dOptions conv{.kernel_size = kSpan, .stride = options_.stride, .padding = kPadding, .bias = false};
  const std::vector<Group> groups = groups_of(options_.depth);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::int64_t wider = scaled(groups[i].channels, options_.width_multiplier);
    for (int layer = 0; layer < groups[i].convolutions; ++layer) {
      features_.add<Conv1d>(std::exchange(channels, wider), wider, conv);
      features_.add<BatchNorm1d>(wider);
      features_.add<ReLU>();
      conv = {.kernel_size = 3, .padding = 1, .bias = false};
    }
    if (i < pools_of(groups)) features_.add<MaxPool1d>(MaxPool1dOptions{.kernel_size = 4});
  }
  return channels;
}

Tensor WaveformNet::forward(const Tensor& x) {
  if (x.rank() != 4 || x.size(1) != 1) {
    shape_error("waveform_net", "input must be recordings (N,1,L,C): got " + to_string(x.shape()));
  }
  const Tensor y = avgpool_(features_(reshape(x, {x.size(0), x.size(2), x.size(3)})));
  return classifier_(dropout_(reshape(y, {y.size(0), y.size(2)})));
}

}  // namespace striate
