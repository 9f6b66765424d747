#include "models/receptive_field.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "core/check.h"
#include "core/elementwise.h"
#include "core/reshape.h"
#include "core/text.h"
#include "layers/conv/kernels.h"
#include "models/frozen_guard.h"

namespace striate {
namespace {

constexpr double kMost = 0.95;  // of the gradient

// Along one axis.
struct Extent {
  std::int64_t size = 0;
  double middle = 0;
};

// Of what the rows or columns of the gradient add up to; the layer has so many `places` on this axis.
Extent extent_of(const std::vector<double>& sums, const ReceptiveField& field, std::int64_t places) {
  const auto is_seen = [](double sum) { return sum != 0; };
  const std::int64_t begin = std::find_if(sums.begin(), sums.end(), is_seen) - sums.begin();
  const std::int64_t end = sums.rend() - std::find_if(sums.rbegin(), sums.rend(), is_seen);
  if (end == 0) return {};
  Extent found{.size = end - begin, .middle = static_cast<double>(begin + end) / 2};
  const bool cut_before = begin == 0, cut_behind = end == std::ssize(sums);
  if (found.size >= field.receptive_field || !(cut_before || cut_behind)) return found;
  const double half = static_cast<double>(field.receptive_field) / 2;
  if (!cut_behind) {
    found.middle = static_cast<double>(end) - half;
  } else if (!cut_before) {
    found.middle = static_cast<double>(begin) + half;
  } else if (places % 2 == 0) {  // the unit is the one behind the image's middle
    found.middle += field.jump / 2;
  }
  return found;
}

// Adds |d(the unit in the middle of a row's output) / d image| of one image (1,H,W,C) to sum (H,W). False where the
// output has no places.
bool add_gradient(Layer& model, const Tensor& image, const SummaryRow& row, std::size_t call, Tensor& sum) {
  Tensor leaf = image.clone().set_requires_grad();
  Tensor y;
  const LayerObserver observer(
      [&, calls = std::size_t{0}](const Layer& layer, const Tensor&, const Tensor& out) mutable {
        if (layer.path() == row.path && calls++ == call && out.rank() == 4) y = out;
      });
  model(leaf);
  if (!y.defined()) return false;
  const std::int64_t unit = y.size(1) / 2 * y.size(2) + y.size(2) / 2;
  Tensor dy = Tensor::zeros(y.shape(), DType::f64);
  std::fill_n(dy.mutable_data<double>() + unit * y.size(3), y.size(3), 1.0);
  y.backward(cast(dy, y.dtype()));
  const std::vector<double> gradient = leaf.grad().to_vector();
  auto* to = sum.mutable_data<double>();
  for (std::int64_t i = 0; i < image.numel(); ++i)
    to[i / image.size(3)] += std::abs(gradient[static_cast<std::size_t>(i)]);
  return true;
}

bool contains(const std::vector<std::string>& paths, const std::string& path) {
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

}  // namespace

FieldMeasure measure_field(const ReceptiveField& field) {
  const std::int64_t height = field.gradient.size(0), width = field.gradient.size(1);
  const std::vector<double> values = field.gradient.to_vector();
  std::vector<double> rows(static_cast<std::size_t>(height)), columns(static_cast<std::size_t>(width));
  for (std::size_t i = 0; i < values.size(); ++i) {
    rows[i / columns.size()] += values[i];
    columns[i % columns.size()] += values[i];
  }
  const Extent down = extent_of(rows, field, field.height), across = extent_of(columns, field, field.width);
  FieldMeasure found{.measured = std::max(down.size, across.size), .row = down.middle, .column = across.middle};
  // Shares by the side of the square that a pixel needs.
  std::map<std::int64_t, double> needed;
  for (std::int64_t i = 0; i < field.gradient.numel(); ++i) {
    const std::int64_t row = i / width, column = i % width;
    const double y = std::abs(static_cast<double>(row) + 0.5 - found.row);
    const double x = std::abs(static_cast<double>(column) + 0.5 - found.column);
    needed[std::llround(2 * std::max(y, x)) + 1] += values[static_cast<std::size_t>(i)];
  }
  const double total = std::accumulate(rows.begin(), rows.end(), 0.0);
  double sum = 0;
  for (const auto& [side, share] : needed) {
    if (total == 0 || sum >= kMost * total) break;
    sum += share;
    found.effective = side;
  }
  return found;
}

std::vector<ReceptiveField> receptive_fields(Layer& model, const Tensor& images, const std::vector<std::string>& only) {
  const std::int64_t height = images.size(1), width = images.size(2), channels = images.size(3);
  const Summary summary = summarize(model, {height, width, channels});
  std::vector<std::string> paths;
  for (const SummaryRow& row : summary.rows) {
    if (row.name != "input") paths.push_back(row.path);
  }
  for (const std::string& path : only)
    expect(contains(paths, path), "receptive_field", "a layer of " + joined(paths), path);
  const FrozenGuard frozen(model);
  // Winograd's gradients outside of the field are nearly zero only.
  const ConvAlgorithmOverride exact(conv_algorithm("im2col"));
  std::map<std::string, std::size_t> calls;
  std::vector<ReceptiveField> fields;
  for (const SummaryRow& row : summary.rows) {
    const std::size_t call = calls[row.path]++;
    if (row.name == "input" || !(only.empty() || contains(only, row.path))) continue;
    ReceptiveField field{row};
    field.gradient = Tensor::zeros({height, width}, DType::f64);
    bool has_places = true;
    for (std::int64_t i = 0; i < images.size(0) && has_places; ++i)
      has_places = add_gradient(model, slice(images, Axis::batch, i, i + 1), row, call, field.gradient);
    if (!has_places) continue;
    field.measure = measure_field(field);
    fields.push_back(field);
  }
  return fields;
}

}  // namespace striate
