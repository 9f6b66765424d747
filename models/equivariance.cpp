#include "models/equivariance.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <utility>

#include "core/autograd.h"
#include "core/check.h"
#include "core/elementwise.h"
#include "core/reshape.h"
#include "core/text.h"
#include "models/summary.h"

namespace striate {
namespace {

/// Where a place of a moved map comes from, and how many channels on.
struct Source {
  std::int64_t row, column, channel;
};
using Mapping = std::function<Source(std::int64_t row, std::int64_t column, std::int64_t channel)>;

Mapping shifted(const Shape& shape, std::int64_t by) {
  const std::int64_t h = shape[1], w = shape[2];
  return [=](std::int64_t row, std::int64_t column, std::int64_t channel) -> Source {
    return {((row - by) % h + h) % h, ((column - by) % w + w) % w, channel};
  };
}

Mapping turned(const Shape& shape, bool reoriented) {
  const std::int64_t side = shape[1], c = shape[3];
  const std::int64_t back = reoriented ? c - c / 4 : 0;
  return [=](std::int64_t row, std::int64_t column, std::int64_t channel) -> Source {
    return {column, side - 1 - row, (channel + back) % c};
  };
}

/// Rows and columns begin .. end-1 on both axes, as far as the map goes.
struct Region {
  std::int64_t begin, end;
};

/// x at the places that a mapping says.
Tensor moved_by(const Mapping& from, const Tensor& x) {
  const std::int64_t n = x.size(0), h = x.size(1), w = x.size(2), c = x.size(3);
  Tensor places = Tensor::empty(x.shape(), DType::i64);
  auto* next = places.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t row = 0; row < h; ++row) {
      for (std::int64_t column = 0; column < w; ++column) {
        for (std::int64_t channel = 0; channel < c; ++channel) {
          const Source s = from(row, column, channel);
          *next++ = ((i * h + s.row) * w + s.column) * c + s.channel;
        }
      }
    }
  }
  return take(x, places);
}

/// Of `a` from the moved `b`, both f64 (N,H,W,C).
double distance(const Tensor& a, const Tensor& b, const Mapping& from, Region region) {
  const Tensor expected = moved_by(from, b);
  const auto inside = [&](std::int64_t place) { return place >= region.begin && place < region.end; };
  double difference = 0, total = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const std::int64_t pixel = i / a.size(3);
    if (!inside(pixel / a.size(2) % a.size(1)) || !inside(pixel % a.size(2))) continue;
    const double value = expected.data<double>()[i];
    const double off = a.data<double>()[i] - value;
    difference += off * off;
    total += value * value;
  }
  return total > 0 ? std::sqrt(difference / total) : difference > 0 ? INFINITY : 0;
}

/// The outputs of every layer by its path, one for each call; those without places as (N,1,1,C).
using Outputs = std::map<std::string, std::vector<Tensor>>;

Outputs outputs(Layer& model, const Tensor& images) {
  Outputs found;
  const NoGradGuard no_grad;
  const EvalGuard eval(model);
  const LayerObserver observer([&](const Layer& layer, const Tensor& /*x*/, const Tensor& y) {
    Tensor copy = cast(y, DType::f64);
    if (y.rank() != 4) copy = copy.viewed_as({y.size(0), 1, 1, y.numel() / std::max<std::int64_t>(1, y.size(0))});
    found[layer.path()].push_back(copy);
  });
  model(images);
  return found;
}

/// What neither zeros of padding nor the seam of a shift reach, of a side that is `size` places long.
Region untouched(const SummaryRow& row, std::int64_t size, std::int64_t shift) {
  const auto places = [&](double pixels) { return static_cast<std::int64_t>(std::ceil(pixels / row.jump)); };
  const std::int64_t margin = places(static_cast<double>(row.receptive_field) / 2);
  return {margin + places(static_cast<double>(shift)), size - margin};
}

EquivarianceRow compared(const SummaryRow& row, const Tensor& moved, const Tensor& plain, const Motion& motion) {
  const Shape& shape = plain.shape();
  const Region all{0, std::max(shape[1], shape[2])};
  EquivarianceRow result{.name = row.name,
                         .path = row.path,
                         .height = shape[1],
                         .width = shape[2],
                         .jump = row.jump,
                         .moved_by = static_cast<double>(motion.shift) / row.jump};
  result.unmoved = distance(moved, plain, shifted(shape, 0), all);
  if (shape[1] * shape[2] == 1) return result;
  if (motion.quarter_turn) {
    result.everywhere = result.inside = distance(moved, plain, turned(shape, false), all);
    if (shape[3] % 4 == 0) result.reoriented = distance(moved, plain, turned(shape, true), all);
    return result;
  }
  const Mapping mapping = shifted(shape, std::lround(result.moved_by));
  result.everywhere = distance(moved, plain, mapping, all);
  const Region inside = untouched(row, std::min(shape[1], shape[2]), motion.shift);
  if (inside.begin < inside.end) result.inside = distance(moved, plain, mapping, inside);
  return result;
}

std::string text(const char* format, std::optional<double> value) {
  if (!value) return "-";
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, *value);
  return buffer.data();
}

std::string text(std::optional<double> distance) { return text("%.1e", distance); }

}  // namespace

std::vector<EquivarianceRow> equivariance(Layer& model, const Tensor& images, const Motion& motion) {
  expect(motion.shift >= 0, "equivariance", "a shift of at least 0", motion.shift);
  if (images.rank() != 4 || (motion.quarter_turn && images.size(1) != images.size(2))) {
    shape_error("equivariance", "images must be (N,H,W,C), and square to be turned: got " + to_string(images.shape()));
  }
  const Shape& shape = images.shape();
  const Summary summary = summarize(model, {shape[1], shape[2], shape[3]});
  const Outputs plain = outputs(model, images);
  const Mapping mapping = motion.quarter_turn ? turned(shape, false) : shifted(shape, motion.shift);
  const Outputs moved = outputs(model, moved_by(mapping, images));
  std::map<std::string, std::size_t> calls;
  std::vector<EquivarianceRow> rows;
  for (const SummaryRow& row : summary.rows) {
    if (row.name == "input") continue;
    const std::size_t call = calls[row.path]++;
    rows.push_back(compared(row, moved.at(row.path).at(call), plain.at(row.path).at(call), motion));
  }
  return rows;
}

std::string format_equivariance(const std::vector<EquivarianceRow>& rows, const Motion& motion) {
  std::vector<std::vector<std::string>> lines = {{"name", "n", "j"}};
  if (motion.quarter_turn) {
    lines[0].insert(lines[0].end(), {"turned", "turned, next orientation", "unmoved", "path"});
  } else {
    lines[0].insert(lines[0].end(), {"moved by", "inside", "everywhere", "unmoved", "path"});
  }
  for (const EquivarianceRow& row : rows) {
    std::string size = std::to_string(row.height);
    if (row.height != row.width) size += "x" + std::to_string(row.width);
    lines.push_back({row.name, size, text("%g", row.jump)});
    if (motion.quarter_turn) {
      lines.back().insert(lines.back().end(), {text(row.everywhere), text(row.reoriented)});
    } else {
      lines.back().insert(lines.back().end(),
                          {row.everywhere ? text("%g", row.moved_by) : "-", text(row.inside), text(row.everywhere)});
    }
    lines.back().insert(lines.back().end(), {text(row.unmoved), row.path});
  }
  return text_table(lines, "l" + std::string(lines[0].size() - 2, 'r') + "l");
}

}  // namespace striate
