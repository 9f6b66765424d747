#include "data/mixup.h"

#include <cmath>
#include <stdexcept>
#include <string>

namespace striate {

namespace {

template <class T>
void blend(const Tensor& images, const Mixing& mixing, Tensor& result) {
  const auto own = static_cast<T>(mixing.lambda);
  const auto other = static_cast<T>(1 - mixing.lambda);
  const std::int64_t count = images.size(0);
  const std::int64_t stride = images.numel() / count;
  const T* in = images.data<T>();
  T* out = result.mutable_data<T>();
  for (std::int64_t n = 0; n < count; ++n) {
    const T* a = in + n * stride;
    const T* b = in + mixing.partner[static_cast<std::size_t>(n)] * stride;
    for (std::int64_t i = 0; i < stride; ++i) out[n * stride + i] = own * a[i] + other * b[i];
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

double draw_beta(RandomSequence& random, double a, double b) {
  const double log_x = draw_log_gamma(random, a);
  const double log_y = draw_log_gamma(random, b);
  return 1 / (1 + std::exp(log_y - log_x));
}

Mixing draw_mixing(std::uint64_t seed, std::uint64_t epoch, std::uint64_t batch, std::int64_t size, double alpha) {
  // Two streams a batch: the permutation and lambda share no numbers.
  RandomSequence random(random_stream(seed, RandomUse::mixup, epoch, 2 * batch));
  return {draw_beta(random, alpha, alpha),
          permutation(random_stream(seed, RandomUse::mixup, epoch, 2 * batch + 1), size)};
}

Tensor mix_images(const Tensor& images, const Mixing& mixing) {
  Tensor result = Tensor::empty(images.shape(), images.dtype());
  images.dtype() == DType::f64 ? blend<double>(images, mixing, result) : blend<float>(images, mixing, result);
  return result;
}

Tensor mix_labels(const Tensor& labels, const Mixing& mixing, std::int64_t classes, DType dtype) {
  for (const std::int64_t label : labels.span<std::int64_t>()) {
    if (label < 0 || label >= classes) {
      throw std::invalid_argument("expected labels 0 .. " + std::to_string(classes - 1) + ", got " +
                                  std::to_string(label));
    }
  }
  Tensor result = Tensor::zeros({labels.size(0), classes}, dtype);
  const auto* values = labels.data<std::int64_t>();
  dtype == DType::f64 ? fill_targets<double>(values, mixing, classes, result)
                      : fill_targets<float>(values, mixing, classes, result);
  return result;
}

}  // namespace striate
