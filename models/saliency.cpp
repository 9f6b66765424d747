#include "models/saliency.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/elementwise.h"
#include "core/reduce.h"
#include "core/text.h"
#include "layers/activations.h"
#include "models/frozen_guard.h"

namespace striate {
namespace {

/// Backward from every image's logit of its class.
void backward_from(const Tensor& logits, const std::vector<std::int64_t>& classes) {
  if ((logits.rank() != 2 && logits.rank() != 4) || logits.size(0) != static_cast<std::int64_t>(classes.size())) {
    shape_error("saliency", "a class for each image of logits (N,K) or (N,H,W,K): got " +
                                std::to_string(classes.size()) + " for " + to_string(logits.shape()));
  }
  const std::int64_t k = logits.size(-1), places = logits.numel() / logits.size(0) / k;
  Tensor seed = Tensor::zeros(logits.shape(), DType::f64);
  auto* values = seed.mutable_data<double>();
  for (const std::int64_t label : classes) {
    expect(label >= 0 && label < k, "saliency", "a class from 0 to " + std::to_string(k - 1), label);
    for (std::int64_t place = 0; place < places; ++place, values += k) values[label] = 1;
  }
  logits.backward(cast(seed, logits.dtype()));
}

}  // namespace

Tensor saliency(Layer& model, const Tensor& images, const std::vector<std::int64_t>& classes) {
  const std::int64_t c = images.size(3);
  const FrozenGuard frozen(model);
  Tensor leaf = images.clone().set_requires_grad();
  backward_from(model(leaf), classes);
  const std::vector<double> gradient = leaf.grad().to_vector();
  Tensor strongest = Tensor::zeros({images.size(0), images.size(1), images.size(2)}, DType::f64);
  auto* out = strongest.mutable_data<double>();
  for (std::int64_t i = 0; i < images.numel(); ++i)
    out[i / c] = std::max(out[i / c], std::abs(gradient[static_cast<std::size_t>(i)]));
  return strongest;
}

Tensor grad_cam(Layer& model, const Tensor& images, const std::vector<std::int64_t>& classes, const std::string& path) {
  const FrozenGuard frozen(model);
  Tensor maps;
  std::vector<std::string> paths;
  // The maps become a leaf, as if the net began there, which keeps their gradient.
  const LayerObserver observer([&](const Layer& layer, const Tensor& /*x*/, const Tensor& y) {
    if (y.rank() != 4 || layer.path().empty()) return;
    paths.push_back(layer.path());
    if (layer.path() != path) return;
    maps = y;
    maps.set_node(nullptr);
    maps.set_requires_grad();
  });
  const Tensor logits = model(images);
  expect(maps.defined(), "grad_cam", "a layer that gives feature maps, one of " + joined(paths), path);
  backward_from(logits, classes);
  const Tensor weights = mean(cast(maps.grad(), DType::f64), {Axis::height, Axis::width}, true);
  return relu(sum(weights * cast(maps.detach(), DType::f64), {Axis::channels}));
}

}  // namespace striate
