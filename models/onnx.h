#pragma once
// A model as a file of ONNX, for other programs to run: `striate export`. Any Layer can be written whose ops say how
// (core/trace.h): the graph is what one forward pass computes.

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/module.h"
#include "core/normalization.h"

namespace striate {

struct OnnxOptions {
  std::int64_t batch = 0;  ///< so many images at a time; 0: any number
  /// Batch norms become part of the convolution or linear layer before them, where there is one.
  bool fold_batch_norm = false;
  /// The graph begins with it: its input is value * `unit` of what Normalization normalises, 255 for bytes.
  std::optional<Normalization> normalization = std::nullopt;
  double unit = 255;
  std::map<std::string, std::string> metadata = {};  ///< the file's metadata_props
};

/// The bytes of a file for opset 17 (IR version 8). `image` is (H,W,C). Its input, "input", is f32 (N,C,H,W), its
/// output, "output", the model's in eval mode: (N,K), or (N,K,P,Q) of maps. Initializers have the parameters' names and
/// the layout of files. Throws std::invalid_argument for parameters that are not f32, for ops that do not say how they
/// are written, all of them by their layers' paths, for a graph that depends on the images' values or number, and for
/// more than the 2 GiB that such a file may have.
std::string export_onnx(Layer& model, const Shape& image, const OnnxOptions& options = {});

}  // namespace striate
