#pragma once
// U-Net, which gives every pixel a class. Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical
// Image Segmentation" (2015), with padded convolutions and batch norm, as is usual now. "unet" in models/registry.h.

#include <cstdint>
#include <memory>
#include <string>

#include "layers/conv2d.h"
#include "layers/conv_transpose2d.h"
#include "layers/sequential.h"

namespace striate {

struct UnetOptions {
  double width_multiplier = 1;  ///< of all channels, 64 to 1024
  std::int64_t classes = 10;
  std::int64_t in_channels = 3;
  bool bilinear = false;  ///< upsampling by interpolation, with fewer channels at the bottom, not by ConvTranspose2d
};

/// images (N,H,W,in_channels) of any size from 16x16 -> logits (N,H,W,classes). Four times, two 3x3 convolutions and a
/// pool halve the sides, rounded down; on the way up the maps are enlarged to the size of those of the way down, a row
/// or column of zeros added where that was odd, and joined to them. Parameters are named and first values drawn as in
/// the usual PyTorch code (milesial/Pytorch-UNet): "inc.double_conv.0", "down1.maxpool_conv.1.double_conv.0", "up1.up",
/// "up1.conv.double_conv.0", "outc.conv"; 31,037,633 parameters for one class.
class Unet : public Layer {
 public:
  /// Throws std::invalid_argument for channels, classes or a width_multiplier that no model can have.
  explicit Unet(const UnetOptions& options = {});
  Unet(Module& parent, std::string name, const UnetOptions& options = {});

  Tensor forward(const Tensor& x) override;
  [[nodiscard]] std::string kind() const override { return "Unet"; }
  [[nodiscard]] std::string head() const override { return "outc"; }

 private:
  struct DoubleConv : Layer {
    DoubleConv(Module& parent, std::string name, std::int64_t in, std::int64_t middle, std::int64_t out);
    Sequential double_conv{*this, "double_conv"};
    Tensor forward(const Tensor& x) override { return double_conv(x); }
  };
  struct Down : Layer {
    Down(Module& parent, std::string name, std::int64_t in, std::int64_t out);
    Sequential maxpool_conv{*this, "maxpool_conv"};
    Tensor forward(const Tensor& x) override { return maxpool_conv(x); }
  };
  struct Up : Module {
    Up(Module& parent, std::string name, std::int64_t in, std::int64_t out, bool bilinear);
    /// x (N,h,w,in) of the map below, skip (N,H,W,in/2) -> (N,H,W,out).
    Tensor operator()(const Tensor& x, const Tensor& skip);
    std::unique_ptr<ConvTranspose2d> up;  // null: bilinear
    DoubleConv conv;
  };
  struct Out : Layer {
    Out(Module& parent, std::string name, std::int64_t in, std::int64_t out);
    Conv2d conv;
    Tensor forward(const Tensor& x) override { return conv(x); }
  };

  /// Of the maps of a level, 0 to 4 from the top.
  [[nodiscard]] std::int64_t channels(int level) const;
  /// What comes up to a level.
  [[nodiscard]] std::int64_t channels_up(int level) const;

  UnetOptions options_;
  DoubleConv inc_{*this, "inc", options_.in_channels, channels(0), channels(0)};
  Down down1_{*this, "down1", channels(0), channels(1)};
  Down down2_{*this, "down2", channels(1), channels(2)};
  Down down3_{*this, "down3", channels(2), channels(3)};
  Down down4_{*this, "down4", channels(3), channels_up(4)};
  Up up1_{*this, "up1", channels(4), channels_up(3), options_.bilinear};
  Up up2_{*this, "up2", channels(3), channels_up(2), options_.bilinear};
  Up up3_{*this, "up3", channels(2), channels_up(1), options_.bilinear};
  Up up4_{*this, "up4", channels(1), channels(0), options_.bilinear};
  Out outc_{*this, "outc", channels(0), options_.classes};
};

}  // namespace striate
