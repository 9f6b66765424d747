#pragma once
// Norms that need no batch: group normalisation (Wu and He, 2018), and layer normalisation (Ba, Kiros and Hinton,
// 2016), which is the same for each position by itself and all its channels as one group.

#include <cstdint>
#include <string>

#include "core/module.h"

namespace striate {

/// y = (x - mean) / sqrt(var + eps) * weight + bias, with the mean and the biased variance over all positions of an
/// image and the C/num_groups channels of a group. x (N,...,C), weight and bias (C), each undefined where there is
/// none; they are f64 for f64 inputs and f32 for f32, bf16 and f16. Sums are f64. Throws
/// ShapeError, and std::invalid_argument for a negative eps or other dtypes.
Tensor group_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

/// The same with the mean and variance over the last axes of x, whose sizes are normalized_shape; weight and bias have
/// that shape. With (C), each position is normalised by itself, as in ConvNeXt.
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;
};

class GroupNorm : public Layer {
 public:
  GroupNorm(Module& parent, std::string name, std::int64_t num_groups, std::int64_t num_channels,
            GroupNormOptions options = {});
  Tensor forward(const Tensor& x) override;
  [[nodiscard]] std::string kind() const override { return "GroupNorm"; }
  [[nodiscard]] LayerGeometry geometry(const Shape& /*input*/, const Shape& /*output*/) const override {
    return {.merges_into_previous = true};
  }

  Tensor weight;  ///< (C), 1 at first; undefined without affine
  Tensor bias;    ///< (C), 0 at first

 private:
  std::int64_t num_groups_;
  std::int64_t num_channels_;
  double eps_;
};

struct LayerNormOptions {
  double eps = 1e-5;
  bool elementwise_affine = true;
  bool bias = true;
};

class LayerNorm : public Layer {
 public:
  LayerNorm(Module& parent, std::string name, const Shape& normalized_shape, LayerNormOptions options = {});
  Tensor forward(const Tensor& x) override { return layer_norm(x, normalized_shape_, weight, bias, eps_); }
  [[nodiscard]] std::string kind() const override { return "LayerNorm"; }
  [[nodiscard]] LayerGeometry geometry(const Shape& /*input*/, const Shape& /*output*/) const override {
    return {.merges_into_previous = true};
  }

  Tensor weight;  ///< normalized_shape, 1 at first; undefined without elementwise_affine. In files channels come first.
  Tensor bias;    ///< the same, 0 at first

 private:
  Shape normalized_shape_;
  double eps_;
};

}  // namespace striate
