#include "models/feature_maps.h"

#include <algorithm>
#include <cstddef>
#include <map>

#include "core/autograd.h"
#include "models/summary.h"

namespace striate {
namespace {

/// Jumps by a layer's path, one for each of its calls.
std::map<std::string, std::vector<double>> jumps_of(Layer& model, const Tensor& images) {
  const Shape& shape = images.shape();
  if (shape.size() != 4) shape_error("feature_maps", "images are (N,H,W,C): got " + to_string(shape));
  std::map<std::string, std::vector<double>> jumps;
  for (const SummaryRow& row : summarize(model, {shape[1], shape[2], shape[3]}).rows) {
    if (row.name != "input") jumps[row.path].push_back(row.jump);
  }
  return jumps;
}

std::ptrdiff_t depth_of(const std::string& path) { return std::count(path.begin(), path.end(), '.'); }

bool is_below(const std::string& path, const std::string& prefix) {
  return !prefix.empty() && (path == prefix || path.starts_with(prefix + "."));
}

}  // namespace

std::vector<FeatureMaps> stage_maps(Layer& model, const Tensor& images) {
  auto jumps = jumps_of(model, images);
  struct Stage {
    FeatureMaps maps;
    bool has_parameters = false;
  };
  std::vector<Stage> stages(1);
  {
    const NoGradGuard no_grad;
    const EvalGuard eval(model);
    std::map<std::string, std::size_t> calls;
    const LayerObserver observer([&](const Layer& layer, const Tensor& /*x*/, const Tensor& y) {
      const std::string path = layer.path();
      if (path.empty() || y.rank() != 4 || is_below(path, model.head())) return;
      const auto found = jumps.find(path);
      // Norms, activations and containers have no row, and the jump of what came before.
      const std::size_t call = calls[path]++;
      const bool has_row = found != jumps.end() && call < found->second.size();
      const double jump = has_row ? found->second[call] : stages.back().maps.jump;
      if (jump != stages.back().maps.jump) stages.push_back({.maps = {.path = "", .jump = jump, .values = {}}});
      Stage& stage = stages.back();
      stage.has_parameters = stage.has_parameters || (layer.children().empty() && !layer.parameters().empty());
      if (stage.maps.values.defined() && depth_of(path) > depth_of(stage.maps.path)) return;
      stage.maps.path = path;
      stage.maps.values = y.detach();
    });
    model(images);
  }
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
