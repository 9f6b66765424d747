#include "models/summary.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>
#include <sstream>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/autograd.h"
#include "core/module.h"
#include "core/text.h"
#include "layers/window.h"

namespace striate {
namespace {

// The height and width of (N,H,W,C), of (N,L,C) 1 and L; 1 and 1 for whatever has no space.
Extent2d extent_of(const Shape& shape) {
  const Shape image = with_height(shape);
  return image.size() == 4 ? Extent2d(image[1], image[2]) : 1;
}

struct Position {
  double jump = 1;
  double receptive_field = 1;
  std::size_t row = 0;  // the row that made the tensor
};

// An op that reduces all positions to one (flattening, a global mean) sees what all of them saw.
Position collapsed(Position position, const Shape& from, const Shape& to) {
  if (extent_of(to) == Extent2d(1)) {
    const Extent2d size = extent_of(from);
    position.receptive_field += static_cast<double>(std::max(size.height, size.width) - 1) * position.jump;
  }
  return position;
}

bool any_below(const Module& module, const std::unordered_set<const Module*>& wanted) {
  return std::any_of(module.children().begin(), module.children().end(),
                     [&](const Module* child) { return wanted.contains(child) || any_below(*child, wanted); });
}

// Builds the rows from layer calls. The autograd graph tells where a layer's input came from, also through ops that are
// no layers; layers that ran outside a graph are assumed to follow each other.
class Rows {
 public:
  explicit Rows(const Tensor& image) {
    const Shape& shape = image.shape();
    rows.push_back({.name = "input", .path = "", .height = shape[1], .width = shape[2], .channels = shape[3]});
    place(image, {});
  }

  void add(const Layer& layer, const Tensor& x, const Tensor& y) {
    const bool container = any_below(layer, ran_);
    ran_.insert(&layer);
    const std::int64_t parameters = uncounted_parameters(layer);
    if (container) {
      // The layers inside have their rows; only parameters of the container itself are left.
      if (parameters > 0) place(y, add_row(layer, y, position_of(y), {}, parameters));
      return;
    }
    const LayerGeometry geometry = layer.geometry(x.shape(), y.shape());
    Position position = position_of(x);
    if (geometry.kernel == 1) position = collapsed(position, x.shape(), y.shape());
    position.receptive_field += static_cast<double>(geometry.kernel - 1) * position.jump;
    position.jump *= static_cast<double>(geometry.stride) / static_cast<double>(geometry.upscale);
    if (geometry.merges_into_previous && position.row > 0) {
      rows[position.row].parameters += parameters;
      rows[position.row].multiply_adds += geometry.multiply_adds;
    } else {
      position = add_row(layer, y, position, geometry, parameters);
    }
    place(y, position);
  }

  std::vector<SummaryRow> rows;

 private:
  Position add_row(const Layer& layer, const Tensor& y, Position position, const LayerGeometry& geometry,
                   std::int64_t parameters) {
    const auto [height, width] = extent_of(y.shape());
    position.row = rows.size();
    rows.push_back({.name = name_of(layer, position.jump),
                    .path = layer.path(),
                    .height = height,
                    .width = width,
                    .channels = y.rank() > 1 ? y.size(-1) : 1,
                    .jump = position.jump,
                    .receptive_field = static_cast<std::int64_t>(std::ceil(position.receptive_field)),
                    .parameters = parameters,
                    .multiply_adds = geometry.multiply_adds,
                    .activation_bytes = static_cast<std::int64_t>(y.bytes()),
                    .dense_parameters = geometry.dense_parameters});
    return position;
  }

  // Convolutions are named by stage and place in it, everything else by its kind.
  std::string name_of(const Layer& layer, double jump) {
    std::string name;
    for (const char c : layer.kind()) name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (name.ends_with("1d") || name.ends_with("2d")) name.resize(name.size() - 2);
    if (name == "adaptiveavgpool") return "adaptivepool";
    if (name != "conv") return name;
    if (jump != stage_jump_) {
      stage_jump_ = jump;
      ++stage_;
      place_ = 0;
    }
    return "conv" + std::to_string(stage_) + "_" + std::to_string(++place_);
  }

  // Shared parameters belong to the first layer that used them.
  std::int64_t uncounted_parameters(const Layer& layer) {
    std::int64_t count = 0;
    for (const NamedTensor& parameter : layer.parameters()) {
      if (counted_.insert(parameter.value.raw()).second) count += parameter.value.numel();
    }
    return count;
  }

  void place(const Tensor& y, const Position& position) {
    latest_ = position;
    // A layer that returns its input (dropout in eval mode) does not change its position.
    if (y.node()) placed_.emplace(y.node().get(), position);
    kept_.push_back(y);
  }

  // Walks the graph from x towards the image up to the nearest layer outputs and joins their positions.
  [[nodiscard]] Position position_of(const Tensor& x) const {
    if (!x.node()) return latest_;
    Position joined{.jump = 0, .receptive_field = 0, .row = 0};
    std::vector<const Node*> open = {x.node().get()};
    std::unordered_set<const Node*> met = {open.back()};
    while (!open.empty()) {
      const Node* node = open.back();
      open.pop_back();
      if (const auto found = placed_.find(node); found != placed_.end()) {
        const Position at = node == x.node().get() ? found->second : collapsed(found->second, node->shape, x.shape());
        joined.jump = std::max(joined.jump, at.jump);
        if (at.receptive_field >= joined.receptive_field) joined.row = at.row;
        joined.receptive_field = std::max(joined.receptive_field, at.receptive_field);
        continue;
      }
      for (const auto& input : node->inputs) {
        if (input && met.insert(input.get()).second) open.push_back(input.get());
      }
    }
    return joined.jump > 0 ? joined : latest_;
  }

  double stage_jump_ = 0;
  int stage_ = 0;
  int place_ = 0;  // of the last convolution in its stage
  Position latest_;
  std::unordered_map<const Node*, Position> placed_;
  std::unordered_set<const Module*> ran_;
  std::set<const void*> counted_;
  std::vector<Tensor> kept_;  // so that no node's address is reused
};

DType dtype_of(const Module& model) {
  for (const NamedTensor& parameter : model.parameters()) {
    if (is_floating(parameter.value.dtype())) return parameter.value.dtype();
  }
  return DType::f32;
}

std::vector<SummaryRow> run(Layer& model, const Shape& input) {
  Tensor image = Tensor::zeros({1, input[0], input[1], input[2]}, dtype_of(model));
  image.set_requires_grad();
  const EvalGuard eval(model);
  const GradModeGuard recording(true);
  Rows rows(image);
  const LayerObserver observer([&](const Layer& layer, const Tensor& x, const Tensor& y) { rows.add(layer, x, y); });
  model(image);
  return rows.rows;
}

template <class T>
std::string thousands(T value) {
  std::string digits = std::to_string(std::llround(static_cast<double>(value)));
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

}  // namespace

Summary summarize(Layer& model, const Shape& input) {
  if (input.size() != 3 || std::any_of(input.begin(), input.end(), [](std::int64_t size) { return size < 1; })) {
    shape_error("summary", "an input is (height,width,channels), all at least 1: got " + to_string(input));
  }
  Summary summary{.rows = run(model, input)};
  for (const NamedTensor& parameter : model.parameters()) summary.parameters += parameter.value.numel();
  for (const SummaryRow& row : summary.rows) {
    summary.multiply_adds += row.multiply_adds;
    summary.activation_bytes += row.activation_bytes;
    summary.dense_parameters += row.dense_parameters;
  }
  return summary;
}

std::string format_summary(const Summary& summary) {
  std::vector<std::vector<std::string>> lines = {
      {"#", "name", "n", "j", "RF", "parameters", "multiply-adds", "activation bytes", "dense parameters", "path"}};
  const auto add = [&](const std::string& number, const std::string& name, const std::string& size,
                       const std::string& jump, const std::string& field, const auto& sums, const std::string& path) {
    lines.push_back({number, name, size, jump, field, thousands(sums.parameters), thousands(sums.multiply_adds),
                     thousands(sums.activation_bytes), thousands(sums.dense_parameters), path});
  };
  for (const SummaryRow& row : summary.rows) {
    std::string size = std::to_string(row.height);
    std::ostringstream jump;  // whole, or half a pixel and less
    jump << row.jump;
    if (row.height != row.width) size += "x" + std::to_string(row.width);
    add(std::to_string(lines.size() - 1), row.name, size, jump.str(), std::to_string(row.receptive_field), row,
        row.path);
  }
  add("", "total", "", "", "", summary, "");
  return text_table(lines, "rlrrrrrrrl");
}

}  // namespace striate
