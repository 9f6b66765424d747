#pragma once
// Batch normalisation (Ioffe and Szegedy, 2015). Its sums over channels: layers/channel_sums.h.

#include <cstdint>
#include <optional>
#include <string>

#include "core/module.h"

namespace striate {

struct BatchNormOptions {
  bool training = false;  ///< normalise by the batch and update the running statistics, else use the latter
  double momentum = 0.1;  ///< running = (1 - momentum) * running + momentum * batch
  double eps = 1e-5;
};

/// y = (x - mean) / sqrt(var + eps) * weight + bias for every channel. x (N,H,W,C), (N,L,C), (N,C) or anything that
/// ends in channels; weight, bias, running_mean and running_var (C), each undefined where there is none. The
/// batch is normalised by its biased variance; running_var takes in the unbiased one. Parameters and running
/// statistics are f64 for f64 inputs and f32 for f32, bf16 and f16.
/// Fused with a relu after it and, in evaluation without gradients, a conv2d before it (core/deferred.h).
/// Throws ShapeError, also for one value per channel when training, and std::invalid_argument for other
/// dtypes.
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor running_mean, Tensor running_var,
                  const BatchNormOptions& options);

struct BatchNorm2dOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< nullopt: running statistics are plain averages over all batches
  bool affine = true;
  bool track_running_stats = true;  ///< false: the batch's statistics serve in evaluation too
};

class BatchNorm2d : public Layer {
 public:
  BatchNorm2d(Module& parent, std::string name, std::int64_t features, BatchNorm2dOptions options = {});
  Tensor forward(const Tensor& x) override;
  [[nodiscard]] std::string kind() const override { return "BatchNorm2d"; }
  [[nodiscard]] LayerGeometry geometry(const Shape& input, const Shape& output) const override;

  /// Of the running statistics, as in the options.
  [[nodiscard]] std::optional<double> momentum() const { return options_.momentum; }
  void set_momentum(std::optional<double> momentum) { options_.momentum = momentum; }

  Tensor weight;               ///< (C), 1 at first; undefined without affine
  Tensor bias;                 ///< (C), 0 at first
  Tensor running_mean;         ///< (C), 0 at first; undefined without track_running_stats
  Tensor running_var;          ///< (C), 1 at first
  Tensor num_batches_tracked;  ///< i64, shape ()

 private:
  BatchNorm2dOptions options_;
};

/// Of sequences (N,L,C) and of rows (N,C). The same arithmetic, and the same state.
struct BatchNorm1d : BatchNorm2d {
  using BatchNorm2d::BatchNorm2d;
  [[nodiscard]] std::string kind() const override { return "BatchNorm1d"; }
};

}  // namespace striate
