#include "data/whitening.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/gemm.h"
#include "core/integer.h"
#include "core/own_eigen.h"
#include "core/parallel.h"
#include "data/normalize.h"
#include "data/subset.h"

namespace striate {

namespace {

// Images whose patches are summed up at a time.
constexpr std::int64_t kGrain = 16;

/// All patches of images (N,H,W,C) as rows (1, R,S,C): the leading 1 makes sums of the products with it.
std::vector<double> patch_rows(const Tensor& images, std::int64_t kernel) {
  const Shape& shape = images.shape();
  const auto* pixels = images.data<double>();
  std::vector<double> rows;
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t y = n * shape[1]; y + kernel <= (n + 1) * shape[1]; ++y) {
      for (std::int64_t x = 0; x + kernel <= shape[2]; ++x) {
        rows.push_back(1);
        for (std::int64_t r = 0; r < kernel; ++r) {
          const double* begin = pixels + ((y + r) * shape[2] + x) * shape[3];
          rows.insert(rows.end(), begin, begin + kernel * shape[3]);
        }
      }
    }
  }
  return rows;
}

/// The products of the rows of patches with each other, summed over images begin .. end-1 of `chosen`:
/// (1+RSC, 1+RSC).
std::vector<double> patch_products(const Dataset& dataset, std::int64_t kernel, std::int64_t chosen, std::int64_t begin,
                                   std::int64_t end) {
  std::vector<std::int64_t> places;
  for (std::int64_t i = begin; i < end; ++i) places.push_back(i * dataset.size() / chosen);
  const Tensor images = normalized(transformed_images(dataset, places), dataset.normalization, DType::f64);
  const std::vector<double> rows = patch_rows(images, kernel);
  const std::int64_t row = 1 + kernel * kernel * dataset.channels();
  std::vector<double> products(static_cast<std::size_t>(row * row));
  gemm(Transpose::yes, Transpose::no, row, row, static_cast<std::int64_t>(rows.size()) / row, rows.data(), row,
       rows.data(), row, products.data(), row, false);
  return products;
}

/// The covariance of the patches (R,S,C flattened).
striate_eigen::MatrixXd patch_covariance(const Dataset& dataset, std::int64_t kernel, std::int64_t images) {
  const std::int64_t chosen = std::min(images, dataset.size());
  std::vector<std::vector<double>> partial(static_cast<std::size_t>(ceil_div(chosen, kGrain)));
  parallel_for(chosen, kGrain, [&](std::int64_t begin, std::int64_t end) {
    partial[static_cast<std::size_t>(begin / kGrain)] = patch_products(dataset, kernel, chosen, begin, end);
  });
  const std::int64_t row = 1 + kernel * kernel * dataset.channels();
  striate_eigen::MatrixXd sums = striate_eigen::MatrixXd::Zero(row, row);
  for (const std::vector<double>& part : partial)
    sums += striate_eigen::Map<const striate_eigen::MatrixXd>(part.data(), row, row);
  const double count = sums(0, 0);
  const striate_eigen::VectorXd mean = sums.col(0).tail(row - 1) / count;
  return sums.bottomRightCorner(row - 1, row - 1) / count - mean * mean.transpose();
}

}  // namespace

Tensor whitening_filters(const Dataset& dataset, std::int64_t kernel, std::int64_t filters,
                         const WhiteningOptions& options) {
  check_dataset("whitening", dataset);
  const std::int64_t side = std::min(dataset.image_shape().height, dataset.image_shape().width);
  expect(kernel >= 1 && kernel <= side, "whitening", "a kernel of 1 .. " + std::to_string(side), kernel);
  expect(filters >= 1, "whitening", "at least 1 filter", filters);
  expect(options.images >= 1, "whitening", "at least 1 image", options.images);
  expect(std::isfinite(options.eps) && options.eps > 0, "whitening", "a finite eps above 0", options.eps);
  const striate_eigen::SelfAdjointEigenSolver<striate_eigen::MatrixXd> solver(
      patch_covariance(dataset, kernel, options.images));
  const std::int64_t size = kernel * kernel * dataset.channels();
  const std::int64_t count = std::min(filters, 2 * size);
  Tensor result = Tensor::empty({kernel, kernel, dataset.channels(), count}, DType::f64);
  auto* out = result.mutable_data<double>();
  for (std::int64_t k = 0; k < count; ++k) {
    const std::int64_t column = size - 1 - k / 2;  // the solver's eigenvalues rise
    const double scale = (k % 2 == 0 ? 1 : -1) / std::sqrt(std::max(0.0, solver.eigenvalues()[column]) + options.eps);
    for (std::int64_t i = 0; i < size; ++i) out[i * count + k] = scale * solver.eigenvectors()(i, column);
  }
  return result;
}

void whiten_(Tensor weight, const Dataset& dataset, const WhiteningOptions& options) {
  const Shape& shape = weight.shape();
  check_dataset("whitening", dataset);
  if (shape.size() != 4 || shape[0] != shape[1] || shape[2] != dataset.channels()) {
    shape_error("whitening", "weight must be (R,R,C,K) with the C of the images: weight " + to_string(shape) +
                                 ", images " + to_string(dataset.image_shape()));
  }
  const Tensor filters = whitening_filters(dataset, shape[0], shape[3], options);
  const auto* in = filters.data<double>();
  dispatch_floating("whitening", weight.dtype(), [&]<class T>(T) {
    T* out = weight.mutable_data<T>();
    for (std::int64_t i = 0; i < filters.numel() / filters.size(3); ++i) {
      for (std::int64_t k = 0; k < filters.size(3); ++k) {
        out[i * shape[3] + k] = static_cast<T>(in[i * filters.size(3) + k]);
      }
    }
  });
}

}  // namespace striate
