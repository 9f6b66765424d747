#pragma once
// CutMix (Yun et al., 2019): a box of every image of a batch is replaced by the same box of another image of the batch,
// and the labels are mixed by area. Loader (data/loader.h) calls it.

#include <cstdint>

#include "core/tensor.h"
#include "data/mixup.h"

namespace striate {

/// Rows [top, bottom), columns [left, right).
struct Box {
  std::int64_t top = 0;
  std::int64_t bottom = 0;
  std::int64_t left = 0;
  std::int64_t right = 0;
};

struct CutMix {
  Mixing mixing;  ///< lambda is the share of an image's area that stays its own: for mix_labels
  Box box;        ///< of all images of the batch
};

/// The box of an image of (height, width) for a drawn lambda and a centre, as the authors' code has it: sides of
/// floor(size * sqrt(1 - lambda)), rounded down to even, around the centre, clipped to the image.
Box cut_box(std::int64_t height, std::int64_t width, double lambda, std::int64_t centre_y, std::int64_t centre_x);

/// One lambda from Beta(alpha, alpha), a centre from all pixels and a permutation for batch `batch` of images
/// (N,H,W,C) of this shape: a function of its arguments alone.
CutMix draw_cutmix(std::uint64_t seed, std::uint64_t epoch, std::uint64_t batch, const Shape& shape, double alpha);

/// Whether a batch gets CutMix, for those who want mixup and CutMix: yes for half of the batches. (timm's way.)
bool draw_cut(std::uint64_t seed, std::uint64_t epoch, std::uint64_t batch);

/// images (N,H,W,C), f32 or f64, with the boxes of their partners.
Tensor cut_images(const Tensor& images, const CutMix& cut);

}  // namespace striate
