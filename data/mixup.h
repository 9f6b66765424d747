#pragma once
// Mixup (Zhang et al., 2018): every image of a batch is blended with another image of the batch, and so are their
// labels. Loader (data/loader.h) calls it; CutMix (data/cutmix.h) shares the labels' part.

#include <cstdint>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"

namespace striate {

/// The logarithm of a draw from Gamma(shape, 1), shape > 0. Marsaglia and Tsang, "A Simple Method for
/// Generating Gamma Variables", 2000; below 1 by Gamma(shape + 1) * U^(1/shape). A logarithm, since the draws
/// of small shapes underflow.
double draw_log_gamma(RandomSequence& random, double shape);

/// From Beta(a, b), a and b > 0.
double draw_beta(RandomSequence& random, double a, double b);

/// lambda times an image + (1 - lambda) times its partner.
struct Mixing {
  double lambda = 1;
  std::vector<std::int64_t> partner;  ///< a permutation of the batch
};

/// One lambda from Beta(alpha, alpha) and one permutation for batch `batch` of `size` images: a function of
/// its arguments alone.
Mixing draw_mixing(std::uint64_t seed, std::uint64_t epoch, std::uint64_t batch, std::int64_t size, double alpha);

/// images (N,...), f32 or f64.
Tensor mix_images(const Tensor& images, const Mixing& mixing);

/// labels i64 (N) -> probabilities (N,classes) in f32 or f64: lambda * onehot(label) + (1 - lambda) *
/// onehot(partner's label). Throws std::invalid_argument for a label outside 0 .. classes-1.
Tensor mix_labels(const Tensor& labels, const Mixing& mixing, std::int64_t classes, DType dtype);

}  // namespace striate
