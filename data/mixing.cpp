#include "data/mixing.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace striate {

namespace {

/// Three streams a batch: 0 for draw_cut and the centre, 1 for lambda, 2 for the permutation.
RandomStream cutmix_stream(std::uint64_t seed, std::uint64_t epoch, std::uint64_t batch, std::uint64_t which) {
  return random_stream(seed, RandomUse::cutmix, epoch, 3 * batch + which);
}

/// The logarithm of a draw from Gamma(shape, 1), shape > 0. Marsaglia and Tsang, "A Simple Method for Generating Gamma
/// Variables", 2000; below 1 by Gamma(shape + 1) * U^(1/shape). A logarithm, since the draws of small shapes underflow.
double draw_log_gamma(RandomSequence& random, double shape) {
  if (shape < 1) {
    const double u = 1 - random.uniform();  // in (0,1]
    return draw_log_gamma(random, shape + 1) + std::log(u) / shape;
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal();
    const double u = 1 - random.uniform();
    const double root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return std::log(d) + std::log(v);
  }
}

template <class T>
void fill_images(const Tensor& images, const Mixing& mixing, Tensor& result) {
  const auto own = static_cast<T>(mixing.lambda);
  const auto other = static_cast<T>(1 - mixing.lambda);
  const std::int64_t row = images.size(2) * images.size(3);
  const std::int64_t stride = images.size(1) * row;
  const T* in = images.data<T>();
  T* out = result.mutable_data<T>();
  for (std::int64_t n = 0; n < images.size(0); ++n, out += stride) {
    const T* a = in + n * stride;
    const T* b = in + mixing.partner[static_cast<std::size_t>(n)] * stride;
    if (!mixing.box) {
      for (std::int64_t i = 0; i < stride; ++i) out[i] = own * a[i] + other * b[i];
      continue;
    }
    std::copy(a, a + stride, out);
    const std::int64_t left = mixing.box->left * images.size(3);
    const std::int64_t right = mixing.box->right * images.size(3);
    for (std::int64_t y = mixing.box->top; y < mixing.box->bottom; ++y) {
      std::copy(b + y * row + left, b + y * row + right, out + y * row + left);
    }
  }
}

template <class T>
void fill_targets(const std::int64_t* labels, const Mixing& mixing, std::int64_t classes, Tensor& result) {
  T* row = result.mutable_data<T>();
  for (std::size_t n = 0; n < mixing.partner.size(); ++n, row += classes) {
    row[labels[n]] += static_cast<T>(mixing.lambda);
    row[labels[mixing.partner[n]]] += static_cast<T>(1 - mixing.lambda);
  }
}

}  // namespace

double draw_beta(RandomSequence& random, double a, double b) {
  const double log_x = draw_log_gamma(random, a);
  const double log_y = draw_log_gamma(random, b);
  return 1 / (1 + std::exp(log_y - log_x));
}

Mixing draw_mixup(std::uint64_t seed, std::uint64_t epoch, std::uint64_t batch, std::int64_t size, double alpha) {
  // Two streams a batch: the permutation and lambda share no numbers.
  RandomSequence random(random_stream(seed, RandomUse::mixup, epoch, 2 * batch));
  return {draw_beta(random, alpha, alpha),
          permutation(random_stream(seed, RandomUse::mixup, epoch, 2 * batch + 1), size)};
}

Box cut_box(std::int64_t height, std::int64_t width, double lambda, std::int64_t centre_y, std::int64_t centre_x) {
  const double side = std::sqrt(1 - lambda);
  const std::int64_t half_height = static_cast<std::int64_t>(static_cast<double>(height) * side) / 2;
  const std::int64_t half_width = static_cast<std::int64_t>(static_cast<double>(width) * side) / 2;
  return {.top = std::max<std::int64_t>(centre_y - half_height, 0),
          .bottom = std::min(centre_y + half_height, height),
          .left = std::max<std::int64_t>(centre_x - half_width, 0),
          .right = std::min(centre_x + half_width, width)};
}

Mixing draw_cutmix(std::uint64_t seed, std::uint64_t epoch, std::uint64_t batch, const Shape& shape, double alpha) {
  const std::int64_t height = shape.at(1);
  const std::int64_t width = shape.at(2);
  const RandomStream centre = cutmix_stream(seed, epoch, batch, 0);
  RandomSequence random(cutmix_stream(seed, epoch, batch, 1));
  const Box box =
      cut_box(height, width, draw_beta(random, alpha, alpha), centre.below(1, height), centre.below(2, width));
  const std::int64_t area = (box.bottom - box.top) * (box.right - box.left);
  return {1 - static_cast<double>(area) / static_cast<double>(height * width),
          permutation(cutmix_stream(seed, epoch, batch, 2), shape.at(0)), box};
}

bool draw_cut(std::uint64_t seed, std::uint64_t epoch, std::uint64_t batch) {
  return cutmix_stream(seed, epoch, batch, 0).below(0, 2) == 1;
}

Tensor mix_images(const Tensor& images, const Mixing& mixing) {
  Tensor result = Tensor::empty(images.shape(), images.dtype());
  images.dtype() == DType::f64 ? fill_images<double>(images, mixing, result)
                               : fill_images<float>(images, mixing, result);
  return result;
}

Tensor mix_labels(const Tensor& labels, const Mixing& mixing, std::int64_t classes, DType dtype) {
  for (const std::int64_t label : labels.span<std::int64_t>()) {
    expect(label >= 0 && label < classes, "mix_labels", "labels 0 .. " + std::to_string(classes - 1), label);
  }
  Tensor result = Tensor::zeros({labels.size(0), classes}, dtype);
  const auto* values = labels.data<std::int64_t>();
  dtype == DType::f64 ? fill_targets<double>(values, mixing, classes, result)
                      : fill_targets<float>(values, mixing, classes, result);
  return result;
}

}  // namespace striate
