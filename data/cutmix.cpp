#include "data/cutmix.h"

#include <algorithm>
#include <cmath>

#include "core/random.h"

namespace striate {

namespace {

/// Three streams a batch: 0 for draw_cut and the centre, 1 for lambda, 2 for the permutation.
RandomStream stream_of(std::uint64_t seed, std::uint64_t epoch, std::uint64_t batch, std::uint64_t which) {
  return random_stream(seed, RandomUse::cutmix, epoch, 3 * batch + which);
}

template <class T>
void paste(const Tensor& images, const CutMix& cut, Tensor& result) {
  const std::int64_t row = images.size(2) * images.size(3);
  const std::int64_t left = cut.box.left * images.size(3);
  const std::int64_t right = cut.box.right * images.size(3);
  const T* in = images.data<T>();
  T* out = result.mutable_data<T>();
  for (std::int64_t n = 0; n < images.size(0); ++n) {
    const T* partner = in + cut.mixing.partner[static_cast<std::size_t>(n)] * images.size(1) * row;
    T* image = out + n * images.size(1) * row;
    for (std::int64_t y = cut.box.top; y < cut.box.bottom; ++y) {
      std::copy(partner + y * row + left, partner + y * row + right, image + y * row + left);
    }
  }
}

}  // namespace

Box cut_box(std::int64_t height, std::int64_t width, double lambda, std::int64_t centre_y, std::int64_t centre_x) {
  const double side = std::sqrt(1 - lambda);
  const std::int64_t half_height = static_cast<std::int64_t>(static_cast<double>(height) * side) / 2;
  const std::int64_t half_width = static_cast<std::int64_t>(static_cast<double>(width) * side) / 2;
  return {.top = std::max<std::int64_t>(centre_y - half_height, 0),
          .bottom = std::min(centre_y + half_height, height),
          .left = std::max<std::int64_t>(centre_x - half_width, 0),
          .right = std::min(centre_x + half_width, width)};
}

CutMix draw_cutmix(std::uint64_t seed, std::uint64_t epoch, std::uint64_t batch, const Shape& shape, double alpha) {
  const std::int64_t height = shape.at(1);
  const std::int64_t width = shape.at(2);
  const RandomStream centre = stream_of(seed, epoch, batch, 0);
  RandomSequence random(stream_of(seed, epoch, batch, 1));
  CutMix cut;
  cut.box = cut_box(height, width, draw_beta(random, alpha, alpha), centre.below(1, height), centre.below(2, width));
  const std::int64_t area = (cut.box.bottom - cut.box.top) * (cut.box.right - cut.box.left);
  cut.mixing.lambda = 1 - static_cast<double>(area) / static_cast<double>(height * width);
  cut.mixing.partner = permutation(stream_of(seed, epoch, batch, 2), shape.at(0));
  return cut;
}

bool draw_cut(std::uint64_t seed, std::uint64_t epoch, std::uint64_t batch) {
  return stream_of(seed, epoch, batch, 0).below(0, 2) == 1;
}

Tensor cut_images(const Tensor& images, const CutMix& cut) {
  Tensor result = images.clone();
  images.dtype() == DType::f64 ? paste<double>(images, cut, result) : paste<float>(images, cut, result);
  return result;
}

}  // namespace striate
