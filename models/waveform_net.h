#pragma once
// Nets that read sound sample by sample: M3, M5, M11 and M18 of Dai et al., "Very Deep Convolutional Neural Networks
// for Raw Waveforms" (2016), table 1. "m3" to "m18" in models/registry.h.

#include <cstdint>
#include <string>

#include "layers/dropout.h"
#include "layers/linear.h"
#include "layers/pool1d.h"
#include "layers/sequential.h"

namespace striate {

struct WaveformNetOptions {
  int depth = 5;                ///< layers with weights: 3, 5, 11 or 18
  double width_multiplier = 1;  ///< of all channel counts, rounded down, at least 1
  std::int64_t classes = 10;
  double dropout = 0;  ///< before the linear layer
  std::int64_t in_channels = 1;
  std::int64_t length = 8000;  ///< of the recordings, in samples, to refuse those that are too short
  /// Of the first convolution, which spans 80 samples: 10 ms of the paper's 8 kHz. PyTorch's tutorial has 16.
  std::int64_t stride = 4;
};

/// recordings (N,1,length,in_channels) -> logits (N,classes). A convolution of 80 samples, then groups of convolutions
/// of 3, each followed by batch norm and ReLU; a max pool of 4 after the first convolution and the next three groups;
/// the mean over what is left of the length, and a linear layer. Parameters are named as in a PyTorch model with
/// `features` (a Sequential of all but the last two) and `classifier`, and start as PyTorch's do.
class WaveformNet : public Layer {
 public:
  /// Throws std::invalid_argument for another depth, for recordings that are too short for the pools (M5's have 1024
  /// samples at least), and for sizes that no model can have.
  explicit WaveformNet(const WaveformNetOptions& options = {});
  WaveformNet(Module& parent, std::string name, const WaveformNetOptions& options = {});

  Tensor forward(const Tensor& x) override;
  [[nodiscard]] std::string kind() const override { return "WaveformNet"; }
  [[nodiscard]] std::string head() const override { return "classifier"; }

 private:
  std::int64_t build_features();  // gives its channels

  WaveformNetOptions options_;
  Sequential features_{*this, "features"};
  std::int64_t channels_ = build_features();
  AdaptiveAvgPool1d avgpool_{*this, "avgpool", 1};
  Dropout dropout_{*this, "dropout", options_.dropout};
  Linear classifier_{*this, "classifier", channels_, options_.classes};
};

}  // namespace striate
