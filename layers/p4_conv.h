#pragma once
// Convolutions that are equivariant to rotations by 90 degrees: Cohen and Welling, "Group Equivariant Convolutional
// Networks" (2016), for the group p4 of translations and rotations. Feature maps have an axis of four orientations;
// filters are expanded to all four, and conv2d does the rest. Rotating the input turns every feature map and moves it
// to the next orientation, as long as strides and pools meet the same positions from both sides.
//
// Feature maps are (N,H,W,4*K), orientation by orientation, the one of o quarter turns first at channel o*K: as
// (N,H,4*W,K) without a copy they are maps of K channels, which is how norms share what is learnt among orientations.

#include <string>

#include "core/module.h"
#include "layers/batch_norm.h"
#include "layers/window.h"

namespace striate {

/// Of square kernels; padding is zeros on all sides.
struct P4ConvOptions {
  std::int64_t kernel_size = 1;
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  bool bias = true;
};

/// What the two layers share: a weight, expanded to four orientations at each call.
class P4Conv : public Layer {
 public:
  Tensor forward(const Tensor& x) override;
  [[nodiscard]] LayerGeometry geometry(const Shape& input, const Shape& output) const override;

  Tensor weight;
  Tensor bias;  ///< (K), the same for all orientations; undefined without bias

 protected:
  /// Of input maps in `orientations`, 1 or 4.
  P4Conv(Module& parent, std::string name, std::int64_t orientations, std::int64_t in_channels,
         std::int64_t out_channels, const P4ConvOptions& options);

 private:
  P4ConvOptions options_;
  Tensor places_;       // of the expanded weight's elements in weight: (R,R,orientations*C,4*K)
  Tensor bias_places_;  // (4*K)
};

/// The lifting layer: an image (N,H,W,C) -> (N,P,Q,4*K), its correlation with each filter turned by o quarters
/// (counter-clockwise). Weight (R,R,C,K), in files (K,C,R,R); starts as Conv2d's. P as there.
class P4ConvZ2 : public P4Conv {
 public:
  P4ConvZ2(Module& parent, std::string name, std::int64_t in_channels, std::int64_t out_channels,
           const P4ConvOptions& options)
      : P4Conv(parent, std::move(name), 1, in_channels, out_channels, options) {}
  [[nodiscard]] std::string kind() const override { return "P4ConvZ2"; }
};

/// The group convolution: (N,H,W,4*C) -> (N,P,Q,4*K). Output orientation o correlates input orientation i with the
/// filter for (i - o) mod 4, turned by o quarters: equation 12 of the paper. Weight (R,R,4,C,K), in files (K,C,4,R,R).
class P4ConvP4 : public P4Conv {
 public:
  P4ConvP4(Module& parent, std::string name, std::int64_t in_channels, std::int64_t out_channels,
           const P4ConvOptions& options)
      : P4Conv(parent, std::move(name), 4, in_channels, out_channels, options) {}
  [[nodiscard]] std::string kind() const override { return "P4ConvP4"; }
};

/// Batch norm of K features whose statistics and parameters all orientations share: (N,H,W,4*K) of the same shape.
class P4BatchNorm2d : public BatchNorm2d {
 public:
  using BatchNorm2d::BatchNorm2d;
  Tensor forward(const Tensor& x) override;
  [[nodiscard]] std::string kind() const override { return "P4BatchNorm2d"; }
};

/// The largest value over the orientations: (N,H,W,4*K) -> (N,H,W,K), which turns with the input, and after a global
/// pool does not change when the input turns.
Tensor p4_max_pool(const Tensor& x);

}  // namespace striate
