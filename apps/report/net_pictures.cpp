#include "apps/report/net_pictures.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/elementwise.h"
#include "core/reshape.h"

namespace striate::cli {
namespace {

constexpr std::int64_t kTile = 64;       // side of a feature map, about
constexpr std::int64_t kFilter = 40;     // of a filter
constexpr std::int64_t kFilterRow = 16;  // pictures in a row
constexpr std::int64_t kMostFilters = 256;
constexpr std::int64_t kPanel = 256;  // of a picture with heat over it
constexpr Colour kTheoretical = {255, 255, 255};
constexpr Colour kEffective = {255, 96, 64};

// The last axis at c, without that axis.
Tensor plane(const Tensor& x, std::int64_t c) {
  const Shape shape(x.shape().begin(), x.shape().end() - 1);
  return slice(x, Axis::channels, c, c + 1).viewed_as(shape);
}

double value_below(const Tensor& values, double part) {
  std::vector<double> sorted = values.to_vector();
  std::erase_if(sorted, [](double value) { return !std::isfinite(value); });
  if (sorted.empty()) return 0;
  const auto at = sorted.begin() + std::lround(part * static_cast<double>(sorted.size() - 1));
  std::nth_element(sorted.begin(), at, sorted.end());
  return *at;
}

}  // namespace

Captioned filters_picture(const Module& model) {
  const Tensor filters = first_filters(model);
  if (!filters.defined()) throw std::invalid_argument("this model has no 2-d convolution, and so no filters to show");
  const std::int64_t r = filters.size(0), s = filters.size(1), c = filters.size(2), k = filters.size(3);
  const bool coloured = c == 3;
  const std::int64_t shown = std::min(k, kMostFilters), channels = std::min(c, kFilterRow);
  std::vector<Captioned> tiles;
  for (std::int64_t i = 0; i < shown; ++i) {
    const Tensor filter = plane(filters.viewed_as({r, s * c, k}), i);
    if (coloured) tiles.push_back({sized(grey_picture(filter).viewed_as({r, s, 3}), kFilter)});
    for (std::int64_t channel = 0; !coloured && channel < channels; ++channel)
      tiles.push_back({sized(grey_picture(plane(filter.viewed_as({r, s, c}), channel)), kFilter)});
  }
  return {in_grid(tiles, coloured || channels == 1 ? kFilterRow : channels, 2),
          {fmt::format("{} of {} filters of {}x{}, {} of {} channels{}", shown, k, r, s, channels, c,
                       coloured ? ", as red, green and blue" : "")}};
}

Captioned maps_picture(const FeatureMaps& maps, std::int64_t most) {
  const Tensor& all = maps.values;
  const std::int64_t channels = all.size(3), shown = std::min(channels, most);
  const Tensor first = slice(all, Axis::batch, 0, 1).viewed_as({all.size(1), all.size(2), channels});
  std::vector<Captioned> tiles;
  for (std::int64_t c = 0; c < shown; ++c) tiles.push_back({sized(grey_picture(plane(first, c)), kTile)});
  return {in_grid(tiles, kFilterRow, 2),
          {fmt::format("{}: {} of {} maps of {}x{}, jump {:g}", maps.path, shown, channels, all.size(1), all.size(2),
                       maps.jump)}};
}

Tensor heat_panels(const Tensor& picture, const Tensor& heat, double part) {
  const Tensor full = stretched(heat, picture.size(0), picture.size(1));
  const Tensor colours = heat_picture(full, value_below(full, part));
  return in_grid({{sized(picture, kPanel)}, {sized(colours, kPanel)}, {sized(blended(picture, colours), kPanel)}}, 3);
}

Captioned field_picture(const ReceptiveField& field, const Tensor& picture) {
  const Tensor roots = sqrt(field.gradient);
  Tensor heat = heat_picture(roots, value_below(roots, 1));
  if (picture.defined()) heat = blended(picture, heat);
  Canvas canvas(sized(heat, kPanel));
  const double scale = static_cast<double>(canvas.picture().size(1)) / static_cast<double>(heat.size(1));
  const auto square = [&](std::int64_t side, Colour colour, std::int64_t dash) {
    const auto start = [&](double middle) { return std::lround((middle - static_cast<double>(side) / 2) * scale); };
    canvas.square(start(field.measure.row), start(field.measure.column), std::lround(static_cast<double>(side) * scale),
                  colour, dash);
  };
  square(field.receptive_field, kTheoretical, 6);
  square(field.measure.effective, kEffective, 0);
  return {canvas.picture(),
          {fmt::format("{} {}", field.name, field.path),
           fmt::format("RF {}, measured {}, effective {}", field.receptive_field, field.measure.measured,
                       field.measure.effective)}};
}

}  // namespace striate::cli
