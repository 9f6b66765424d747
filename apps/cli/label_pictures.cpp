#include "apps/cli/label_pictures.h"

#include <algorithm>
#include <vector>

#include "apps/report/picture.h"
#include "apps/training/classification.h"
#include "apps/training/evaluate.h"
#include "core/autograd.h"
#include "data/image.h"
#include "data/loader.h"
#include "data/subset.h"

namespace striate::cli {
namespace {

std::uint8_t index_of(std::int64_t label) { return static_cast<std::uint8_t>(label < 0 ? 255 : label); }

// Of all indices. VOC's colours have the bits of their number, three by three, from the highest bit down.
std::vector<std::uint8_t> palette() {
  std::vector<std::uint8_t> colours;
  for (unsigned index = 0; index < 256; ++index) {
    for (unsigned channel = 0; channel < 3; ++channel) {
      unsigned value = 0, number = (index + 1) % 256;
      for (unsigned bit = 8; bit-- > 0; number >>= 3U) value |= (number >> channel & 1U) << bit;
      colours.push_back(static_cast<std::uint8_t>(value));
    }
  }
  return colours;
}

std::string text_of(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

std::string label_map_png(const Tensor& classes) {
  Tensor indices = Tensor::empty({classes.size(0), classes.size(1), 1}, DType::u8);
  const auto labels = classes.span<std::int64_t>();
  std::transform(labels.begin(), labels.end(), indices.mutable_data<std::uint8_t>(), index_of);
  return text_of(encode_png(indices, palette()));
}

Tensor coloured_labels(const Tensor& classes) {
  static const std::vector<std::uint8_t> colours = palette();
  Tensor picture = Tensor::empty({classes.size(0), classes.size(1), 3}, DType::u8);
  auto* out = picture.mutable_data<std::uint8_t>();
  for (const std::int64_t label : classes.span<std::int64_t>())
    out = std::copy_n(&colours[3U * index_of(label)], 3, out);
  return picture;
}

std::string comparison_png(const LoadedModel& loaded, const Dataset& dataset, std::int64_t count) {
  const EvalGuard eval(*loaded.model);
  const NoGradGuard no_grad;
  const std::int64_t rows = std::min(count, dataset.size());
  const ImageShape shape = dataset.image_shape();
  std::vector<Captioned> pictures;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t place = (2 * row + 1) * dataset.size() / (2 * rows);
    Loader loader(images_at(dataset, {place}), {.dtype = loaded.precision.parameters, .workers = 0});
    loader.start_epoch(0);
    Batch batch;
    loader.next(batch);
    const Tensor predicted = predicted_classes((*loaded.model)(as_input(batch.images, loaded.precision.activations)));
    pictures.push_back({transformed_images(dataset, {place}).viewed_as({shape.height, shape.width, shape.channels})});
    for (const Tensor& labels : {batch.labels, predicted})
      pictures.push_back({coloured_labels(labels.viewed_as({shape.height, shape.width}))});
  }
  return text_of(encode_png(in_grid(pictures, 3)));
}

}  // namespace striate::cli
