#include "apps/cli/label_pictures.h"

#include <algorithm>
#include <vector>

#include "apps/training/classification.h"
#include "apps/training/evaluate.h"
#include "core/autograd.h"
#include "data/image.h"
#include "data/loader.h"
#include "data/subset.h"

namespace striate::cli {
namespace {

constexpr std::int64_t kGap = 4;  // white pixels between pictures

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

// A picture of three channels that others are pasted into.
struct Canvas {
  Tensor pixels;

  Canvas(std::int64_t height, std::int64_t width) : pixels(Tensor::empty({height, width, 3}, DType::u8)) {
    std::fill_n(pixels.mutable_data<std::uint8_t>(), pixels.numel(), std::uint8_t{255});
  }
  // colour(i, c) is channel c of pixel i of a picture of this size.
  template <class Colour>
  void paste(std::int64_t top, std::int64_t left, std::int64_t height, std::int64_t width, const Colour& colour) {
    auto* out = pixels.mutable_data<std::uint8_t>();
    for (std::int64_t i = 0; i < height * width; ++i) {
      const std::int64_t at = (top + i / width) * pixels.size(1) + left + i % width;
      for (std::int64_t c = 0; c < 3; ++c) out[3 * at + c] = colour(i, c);
    }
  }
};

}  // namespace

std::string label_map_png(const Tensor& classes) {
  Tensor indices = Tensor::empty({classes.size(0), classes.size(1), 1}, DType::u8);
  const auto labels = classes.span<std::int64_t>();
  std::transform(labels.begin(), labels.end(), indices.mutable_data<std::uint8_t>(), index_of);
  return text_of(encode_png(indices, palette()));
}

std::string comparison_png(const LoadedModel& loaded, const Dataset& dataset, std::int64_t count) {
  const EvalGuard eval(*loaded.model);
  const NoGradGuard no_grad;
  const std::int64_t rows = std::min(count, dataset.size());
  const ImageShape shape = dataset.image_shape();
  const std::int64_t height = shape.height, width = shape.width;
  const std::vector<std::uint8_t> colours = palette();
  Canvas canvas(rows * (height + kGap) - kGap, 3 * (width + kGap) - kGap);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t place = (2 * row + 1) * dataset.size() / (2 * rows), top = row * (height + kGap);
    Loader loader(images_at(dataset, {place}), {.dtype = loaded.precision.parameters, .workers = 0});
    loader.start_epoch(0);
    Batch batch;
    loader.next(batch);
    const Tensor image = transformed_images(dataset, {place});
    const Tensor predicted = predicted_classes((*loaded.model)(as_input(batch.images, loaded.precision.activations)));
    canvas.paste(top, 0, height, width, [&, c0 = shape.channels](std::int64_t i, std::int64_t c) {
      return image.data<std::uint8_t>()[i * c0 + std::min(c, c0 - 1)];
    });
    std::int64_t left = 0;
    for (const Tensor& labels : {batch.labels, predicted}) {
      left += width + kGap;
      canvas.paste(top, left, height, width, [&](std::int64_t i, std::int64_t c) {
        return colours[static_cast<std::size_t>(3 * index_of(labels.data<std::int64_t>()[i]) + c)];
      });
    }
  }
  return text_of(encode_png(canvas.pixels));
}

}  // namespace striate::cli
