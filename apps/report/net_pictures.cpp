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
constexpr std::int64_t kPanel = 256;     // of a picture with its heat
constexpr std::int64_t kField = 256;     // of a receptive field's picture
constexpr Colour kTheoretical = {255, 255, 255};
constexpr Colour kEffective = {255, 96, 64};

// Channel c of x (...,C), as (height,width).
Tensor plane(const Tensor& x, std::int64_t c, std::int64_t height, std::int64_t width) {
  return slice(x.viewed_as({1, height, width, x.size(-1)}), Axis::channels, c, c + 1).viewed_as({height, width});
}

// Weights (R,S,3) as one picture, so that all three channels have one scale.
Tensor colours_of(const Tensor& filter) {
  const std::int64_t r = filter.size(0), s = filter.size(1);
  const Tensor grey = grey_picture(filter.viewed_as({r, s * 3}));
  Tensor picture = Tensor::empty({r, s, 3}, DType::u8);
  for (std::int64_t i = 0; i < picture.numel(); ++i)
    picture.mutable_data<std::uint8_t>()[i] = grey.data<std::uint8_t>()[3 * i];
  return picture;
}

double value_below(const Tensor& values, double part) {
  std::vector<double> sorted = values.to_vector();
  std::erase_if(sorted, [](double value) { return !std::isfinite(value); });
  if (sorted.empty()) return 0;
  const auto at = sorted.begin() + std::lround(part * static_cast<double>(sorted.size() - 1));
  std::nth_element(sorted.begin(), at, sorted.end());
  return *at;
}

Tensor heat_of(const Tensor& picture, const Tensor& heat, double part) {
  const Tensor full = stretched(heat, picture.size(0), picture.size(1));
  return heat_picture(full, 0, value_below(full, part));
}

std::string size_text(std::int64_t height, std::int64_t width) { return fmt::format("{}x{}", height, width); }

}  // namespace

Captioned filters_picture(const Module& model, std::int64_t most) {
  const Tensor filters = first_filters(model);
  if (!filters.defined()) throw std::invalid_argument("this model has no 2-d convolution, and so no filters to show");
  const std::int64_t r = filters.size(0), s = filters.size(1), c = filters.size(2), k = filters.size(3);
  const std::int64_t channels = c == 3 ? 1 : std::min(c, kFilterRow), shown = std::min(k, most);
  const Tensor weights = cast(filters, DType::f64);
  std::vector<Captioned> tiles;
  for (std::int64_t filter = 0; filter < shown; ++filter) {
    Tensor one = Tensor::empty({r, s, c}, DType::f64);
    for (std::int64_t i = 0; i < one.numel(); ++i)
      one.mutable_data<double>()[i] = weights.data<double>()[i * k + filter];
    for (std::int64_t channel = 0; channel < channels; ++channel)
      tiles.push_back({sized(c == 3 ? colours_of(one) : grey_picture(plane(one, channel, r, s)), kFilter)});
  }
  const std::int64_t columns = channels > 1 ? channels : kFilterRow;
  return {in_grid(tiles, columns, 2),
          {fmt::format("{} of {} filters of {}, {} of {} channels{}", shown, k, size_text(r, s), c == 3 ? 3 : channels,
                       c, c == 3 ? ", as red, green and blue" : "")}};
}

Captioned maps_picture(const FeatureMaps& maps, std::int64_t most) {
  const Tensor& all = maps.values;
  const std::int64_t height = all.size(1), width = all.size(2), channels = all.size(3),
                     shown = std::min(channels, most);
  const Tensor first = slice(cast(all, DType::f64), Axis::batch, 0, 1);
  std::vector<Captioned> tiles;
  for (std::int64_t c = 0; c < shown; ++c)
    tiles.push_back({sized(grey_picture(plane(first, c, height, width)), kTile)});
  return {in_grid(tiles, kFilterRow, 2),
          {fmt::format("{}: {} of {} maps of {}, jump {:g}", maps.path, shown, channels, size_text(height, width),
                       maps.jump)}};
}

Tensor heat_panels(const Tensor& picture, const Tensor& heat, double part) {
  const Tensor colours = heat_of(picture, heat, part);
  return in_grid({{sized(picture, kPanel)}, {sized(colours, kPanel)}, {sized(blended(picture, colours), kPanel)}}, 3);
}

Tensor heat_over(const Tensor& picture, const Tensor& heat, double part) {
  return sized(blended(picture, heat_of(picture, heat, part)), kPanel);
}

Captioned field_picture(const ReceptiveField& field, const Tensor& picture) {
  const Tensor roots = sqrt(field.gradient);
  const std::vector<double> all = roots.to_vector();
  Tensor heat = heat_picture(roots, 0, *std::max_element(all.begin(), all.end()));
  if (picture.defined()) heat = blended(picture, heat);
  const Tensor panel = sized(heat, kField);
  const double scale = static_cast<double>(panel.size(1)) / static_cast<double>(heat.size(1));
  Canvas canvas(panel.size(0), panel.size(1));
  canvas.paste(0, 0, panel);
  const auto square = [&](std::int64_t side, Colour colour, std::int64_t dash) {
    const auto start = [&](double middle) { return std::lround((middle - static_cast<double>(side) / 2) * scale); };
    const std::int64_t length = std::lround(static_cast<double>(side) * scale);
    canvas.frame(start(field.measure.row), start(field.measure.column), length, length, colour, 2, dash);
  };
  square(field.theoretical, kTheoretical, 6);
  square(field.measure.effective, kEffective, 0);
  return {
      canvas.picture(),
      {fmt::format("{} {}", field.name, field.path), fmt::format("RF {}, measured {}, effective {}", field.theoretical,
                                                                 field.measure.measured, field.measure.effective)}};
}

}  // namespace striate::cli
