#pragma once
// Mixup (Zhang et al., 2018): every image of a batch is blended with another image of the batch. CutMix (Yun et al.,
// 2019): a box of it is replaced by the other's. The labels are mixed in the same shares. Loader (data/loader.h) calls.

#include <cstdint>
#include <optional>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"

namespace striate {

/// Rows [top, bottom), columns [left, right).
struct Box {
  std::int64_t top = 0;
  std::int64_t bottom = 0;
  std::int64_t left = 0;
  std::int64_t right = 0;
};

struct Mixing {
  double lambda = 1;                  ///< the share of an image that stays its own
  std::vector<std::int64_t> partner;  ///< a permutation of the batch
  std::optional<Box> box{};           ///< CutMix: what comes from the partners, of all images; else they are blended
};

/// From Beta(a, b), a and b > 0.
double draw_beta(RandomSequence& random, double a, double b);

/// One lambda from Beta(alpha, alpha) and one permutation for batch `batch` of `size` images: a function of its
/// arguments alone.
Mixing draw_mixup(std::uint64_t seed, std::uint64_t epoch, std::uint64_t batch, std::int64_t size, double alpha);

/// The box of an image of (height, width) for a drawn lambda and a centre, as CutMix's authors' code has it: sides of
/// floor(size * sqrt(1 - lambda)), rounded down to even, around the centre, clipped to the image.
Box cut_box(std::int64_t height, std::int64_t width, double lambda, std::int64_t centre_y, std::int64_t centre_x);

/// As draw_mixup, with a box around a centre from all pixels, for images (N,H,W,C) of this shape. The mixing's lambda
/// is what the box leaves.
Mixing draw_cutmix(std::uint64_t seed, std::uint64_t epoch, std::uint64_t batch, const Shape& shape, double alpha);

/// Whether a batch gets CutMix, for those who want mixup and CutMix: yes for half of the batches. (timm's way.)
bool draw_cut(std::uint64_t seed, std::uint64_t epoch, std::uint64_t batch);

/// images (N,H,W,C), f32 or f64.
Tensor mix_images(const Tensor& images, const Mixing& mixing);

/// labels i64 (N) -> probabilities (N,classes) in f32 or f64: lambda * onehot(label) + (1 - lambda) *
/// onehot(partner's label). Throws std::invalid_argument for a label outside 0 .. classes-1.
Tensor mix_labels(const Tensor& labels, const Mixing& mixing, std::int64_t classes, DType dtype);

}  // namespace striate
