#include "models/feature_maps.h"

#include <algorithm>

#include "core/autograd.h"

namespace striate {
namespace {

struct Stage {
  std::int64_t height, width;
  FeatureMaps maps = {};
  bool has_parameters = false;
};

bool is_below(const std::string& path, const std::string& prefix) {
  return !prefix.empty() && (path == prefix || path.starts_with(prefix + "."));
}

bool lies_deeper(const std::string& path, const std::string& other) {
  return std::count(path.begin(), path.end(), '.') > std::count(other.begin(), other.end(), '.');
}

// A stride or a scale begins a stage; of parallel branches the first one does, and the others come to its size.
void add_layer(std::vector<Stage>& stages, const Layer& layer, const Tensor& x, const Tensor& y) {
  const LayerGeometry geometry = layer.geometry(x.shape(), y.shape());
  const double jump = stages.back().maps.jump * static_cast<double>(geometry.stride) / double(geometry.upscale);
  const bool same_size = stages.back().height == y.size(1) && stages.back().width == y.size(2);
  if (geometry.stride != geometry.upscale && !same_size)
    stages.push_back({y.size(1), y.size(2), {.path = "", .jump = jump, .values = {}}});
  Stage& stage = stages.back();
  stage.has_parameters = stage.has_parameters || (layer.children().empty() && !layer.parameters().empty());
  if (stage.maps.values.defined() && lies_deeper(layer.path(), stage.maps.path)) return;
  stage.maps.path = layer.path();
  stage.maps.values = y;
}

}  // namespace

std::vector<FeatureMaps> stage_maps(Layer& model, const Tensor& images) {
  if (images.rank() != 4) shape_error("feature_maps", "images are (N,H,W,C): got " + to_string(images.shape()));
  std::vector<Stage> stages = {{images.size(1), images.size(2)}};
  const NoGradGuard no_grad;
  const EvalGuard eval(model);
  const LayerObserver observer([&](const Layer& layer, const Tensor& x, const Tensor& y) {
    const std::string path = layer.path();
    if (!path.empty() && y.rank() == 4 && !is_below(path, model.head())) add_layer(stages, layer, x, y);
  });
  model(images);
  std::vector<FeatureMaps> found;
  for (const Stage& stage : stages) {
    if (stage.has_parameters) found.push_back(stage.maps);
  }
  return found;
}

Tensor first_filters(const Module& model) {
  for (const NamedTensor& parameter : model.parameters()) {
    if (parameter.value.rank() == 4) return parameter.value.detach();
  }
  return {};
}

}  // namespace striate
