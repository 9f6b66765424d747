#pragma once
// For training with --whiten: a first convolution that whitens: its outputs on the training images are uncorrelated and
// of unit variance. (Page, "How to train your ResNet", 2019; Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024.)

#include <cstdint>

#include "core/tensor.h"
#include "data/dataset.h"

namespace striate {

struct WhiteningOptions {
  std::int64_t images = 5000;  ///< spread evenly over the data set; all where there are fewer
  double eps = 5e-4;           ///< added to every eigenvalue
};

/// Filters f64 (kernel,kernel,C,K), K = min(filters, 2 * kernel * kernel * C). With v_i and l_i the eigenvectors and
/// eigenvalues, the largest first, of the covariance of all kernel x kernel patches of the normalised images,
/// filter 2i is v_i / sqrt(l_i + eps) and filter 2i+1 is its negative. Throws std::invalid_argument for sizes below 1
/// and a kernel larger than the images, and as check_dataset.
Tensor whitening_filters(const Dataset& dataset, std::int64_t kernel, std::int64_t filters,
                         const WhiteningOptions& options = {});

/// Writes whitening filters over the first ones of a convolution's weight (R,R,C,K); those beyond their
/// number stay. Throws ShapeError for other shapes.
void whiten_(Tensor weight, const Dataset& dataset, const WhiteningOptions& options = {});

}  // namespace striate
