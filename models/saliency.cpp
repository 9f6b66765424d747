#include "models/saliency.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/autograd.h"
#include "core/check.h"
#include "core/elementwise.h"
#include "core/text.h"
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
  for (std::size_t n = 0; n < classes.size(); ++n) {
    expect(classes[n] >= 0 && classes[n] < k, "saliency", "a class from 0 to " + std::to_string(k - 1), classes[n]);
    for (std::int64_t place = 0; place < places; ++place, values += k) values[classes[n]] = 1;
  }
  logits.backward(cast(seed, logits.dtype()));
}

void expect_images(const Tensor& images) {
  if (images.rank() != 4) shape_error("saliency", "images are (N,H,W,C): got " + to_string(images.shape()));
}

}  // namespace

Tensor saliency(Layer& model, const Tensor& images, const std::vector<std::int64_t>& classes) {
  expect_images(images);
  const EvalGuard eval(model);
  const FrozenGuard frozen(model);
  const GradModeGuard recording(true);
  Tensor leaf = images.clone().set_requires_grad();
  backward_from(model(leaf), classes);
  const Tensor gradient = cast(leaf.grad(), DType::f64);
  const std::int64_t c = images.size(3);
  Tensor strongest = Tensor::zeros({images.size(0), images.size(1), images.size(2)}, DType::f64);
  auto* out = strongest.mutable_data<double>();
  for (std::int64_t i = 0; i < gradient.numel(); ++i)
    out[i / c] = std::max(out[i / c], std::abs(gradient.data<double>()[i]));
  return strongest;
}

Tensor grad_cam(Layer& model, const Tensor& images, const std::vector<std::int64_t>& classes, const std::string& path) {
  expect_images(images);
  const EvalGuard eval(model);
  const FrozenGuard frozen(model);
  const GradModeGuard recording(true);
  Tensor maps;
  std::vector<std::string> paths;
  Tensor logits;
  {
    // The maps become a leaf, as if the net began there, which keeps their gradient.
    const LayerObserver observer([&](const Layer& layer, const Tensor& /*x*/, const Tensor& y) {
      if (y.rank() != 4 || layer.path().empty()) return;
      paths.push_back(layer.path());
      if (layer.path() != path) return;
      maps = y;
      maps.set_node(nullptr);
      maps.set_requires_grad();
    });
    logits = model(images);
  }
  if (!maps.defined()) {
    throw std::invalid_argument("[grad_cam] no layer " + path + " gives feature maps; these do: " + joined(paths));
  }
  backward_from(logits, classes);
  const Tensor values = cast(maps.detach(), DType::f64), gradient = cast(maps.grad(), DType::f64);
  const std::int64_t n = maps.size(0), places = maps.size(1) * maps.size(2), c = maps.size(3);
  Tensor cam = Tensor::zeros({n, maps.size(1), maps.size(2)}, DType::f64);
  for (std::int64_t i = 0; i < n; ++i) {
    const double* a = values.data<double>() + i * places * c;
    const double* d = gradient.data<double>() + i * places * c;
    std::vector<double> weights(static_cast<std::size_t>(c));
    for (std::int64_t j = 0; j < places * c; ++j)
      weights[static_cast<std::size_t>(j % c)] += d[j] / static_cast<double>(places);
    double* out = cam.mutable_data<double>() + i * places;
    for (std::int64_t j = 0; j < places * c; ++j) out[j / c] += weights[static_cast<std::size_t>(j % c)] * a[j];
    std::transform(out, out + places, out, [](double value) { return std::max(value, 0.0); });
  }
  return cam;
}

}  // namespace striate
