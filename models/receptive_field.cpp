#include "models/receptive_field.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <sstream>
#include <stdexcept>

#include "core/autograd.h"
#include "core/elementwise.h"
#include "core/reshape.h"
#include "core/text.h"
#include "layers/conv/kernels.h"
#include "models/frozen_guard.h"
#include "models/summary.h"

namespace striate {
namespace {

constexpr double kMost = 0.95;  // of the gradient

// The first and the last place of those that are not zero.
struct Extent {
  std::int64_t first = std::numeric_limits<std::int64_t>::max();
  std::int64_t last = -1;

  void add(std::int64_t place) {
    first = std::min(first, place);
    last = std::max(last, place);
  }
  [[nodiscard]] std::int64_t size() const { return last < 0 ? 0 : last - first + 1; }
  [[nodiscard]] double middle() const { return static_cast<double>(first + last + 1) / 2; }
};

/// The output of a layer's call; undefined where it has no places.
Tensor output_of(Layer& model, const Tensor& image, const std::string& path, std::size_t call) {
  Tensor found;
  std::size_t calls = 0;
  const LayerObserver observer([&](const Layer& layer, const Tensor& /*x*/, const Tensor& y) {
    if (layer.path() == path && calls++ == call && y.rank() == 4) found = y;
  });
  model(image);
  return found;
}

/// One image's gradient (1,H,W,C) for the output's unit in the middle.
Tensor gradient_of_middle(const Tensor& y, const Tensor& image) {
  const std::int64_t c = y.size(3);
  Tensor dy = Tensor::zeros(y.shape(), DType::f64);
  std::fill_n(dy.mutable_data<double>() + (y.size(1) / 2 * y.size(2) + y.size(2) / 2) * c, c, 1.0);
  y.backward(cast(dy, y.dtype()));
  return cast(image.grad(), DType::f64);
}

// Of gradient (1,H,W,C), over its channels: sum (H,W).
void add_magnitudes(const Tensor& gradient, Tensor& sum) {
  double* to = sum.mutable_data<double>();
  const double* values = gradient.data<double>();
  for (std::int64_t i = 0; i < gradient.numel(); ++i) to[i / gradient.size(3)] += std::abs(values[i]);
}

bool contains(const std::vector<std::string>& paths, const std::string& path) {
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

void expect_paths(const std::vector<std::string>& wanted, const Summary& summary) {
  std::vector<std::string> known;
  for (const SummaryRow& row : summary.rows) {
    if (row.name != "input" && !contains(known, row.path)) known.push_back(row.path);
  }
  for (const std::string& path : wanted) {
    if (!contains(known, path))
      throw std::invalid_argument("[receptive_field] no layer " + path + "; there are: " + joined(known));
  }
}

}  // namespace

FieldMeasure measure_field(const Tensor& gradient) {
  const std::int64_t width = gradient.size(1);
  const auto values = gradient.span<double>();
  Extent rows, columns;
  double total = 0;
  for (std::int64_t i = 0; i < gradient.numel(); ++i) {
    const double value = values[static_cast<std::size_t>(i)];
    if (value == 0) continue;
    rows.add(i / width);
    columns.add(i % width);
    total += value;
  }
  if (rows.size() == 0) return {};
  FieldMeasure found{
      .measured = std::max(rows.size(), columns.size()), .row = rows.middle(), .column = columns.middle()};
  // Shares by the side of the square that a pixel needs.
  std::map<std::int64_t, double> needed;
  for (std::int64_t i = 0; i < gradient.numel(); ++i) {
    const double down = std::abs(static_cast<double>(i / width) + 0.5 - found.row);
    const double right = std::abs(static_cast<double>(i % width) + 0.5 - found.column);
    needed[std::llround(2 * std::max(down, right)) + 1] += values[static_cast<std::size_t>(i)];
  }
  double sum = 0;
  for (const auto& [side, share] : needed) {
    sum += share;
    found.effective = side;
    if (sum >= kMost * total) break;
  }
  return found;
}

std::vector<ReceptiveField> receptive_fields(Layer& model, const Tensor& images, const std::vector<std::string>& only) {
  if (images.rank() != 4) shape_error("receptive_field", "images are (N,H,W,C): got " + to_string(images.shape()));
  const std::int64_t height = images.size(1), width = images.size(2), channels = images.size(3);
  const Summary summary = summarize(model, {height, width, channels});
  expect_paths(only, summary);
  const EvalGuard eval(model);
  const FrozenGuard frozen(model);
  const GradModeGuard recording(true);
  // Winograd's gradients outside of the field are nearly zero only.
  const ConvAlgorithmOverride exact(conv_algorithm("im2col"));
  std::map<std::string, std::size_t> calls;
  std::vector<ReceptiveField> fields;
  for (const SummaryRow& row : summary.rows) {
    const std::size_t call = calls[row.path]++;
    if (row.name == "input" || !(only.empty() || contains(only, row.path))) continue;
    Tensor sum = Tensor::zeros({height, width}, DType::f64);
    bool has_places = true;
    for (std::int64_t i = 0; i < images.size(0) && has_places; ++i) {
      Tensor image = slice(images, Axis::batch, i, i + 1).clone().set_requires_grad();
      const Tensor y = output_of(model, image, row.path, call);
      has_places = y.defined();
      if (has_places) add_magnitudes(gradient_of_middle(y, image), sum);
    }
    if (!has_places) continue;
    fields.push_back({.name = row.name,
                      .path = row.path,
                      .height = row.height,
                      .width = row.width,
                      .jump = row.jump,
                      .theoretical = row.receptive_field,
                      .measure = measure_field(sum),
                      .gradient = sum});
  }
  return fields;
}

std::string format_receptive_fields(const std::vector<ReceptiveField>& fields) {
  std::vector<std::vector<std::string>> lines = {{"name", "n", "j", "RF", "measured", "effective", "path"}};
  for (const ReceptiveField& field : fields) {
    std::string size = std::to_string(field.height);
    if (field.height != field.width) size += "x" + std::to_string(field.width);
    std::ostringstream jump;
    jump << field.jump;
    lines.push_back({field.name, size, jump.str(), std::to_string(field.theoretical),
                     std::to_string(field.measure.measured), std::to_string(field.measure.effective), field.path});
  }
  return text_table(lines, "lrrrrrl");
}

}  // namespace striate
