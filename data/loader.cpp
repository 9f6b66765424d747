#include "data/loader.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <system_error>
#include <utility>

#include "core/check.h"
#include "core/random.h"
#include "data/label_maps.h"
#include "data/mixing.h"
#include "data/normalize.h"

namespace striate {

namespace {

constexpr int kMostAtATime = 1024;

}  // namespace

Loader::Loader(Dataset dataset, LoaderOptions options) : dataset_(std::move(dataset)), options_(std::move(options)) {
  check_dataset("loader", dataset_);
  expect(options_.batch_size >= 1, "loader", "a batch size of at least 1", options_.batch_size);
  expect(options_.workers >= 0 && options_.workers <= kMostAtATime, "loader", "0 .. 1024 workers", options_.workers);
  expect(options_.prefetch >= 1 && options_.prefetch <= kMostAtATime, "loader", "a prefetch of 1 .. 1024",
         options_.prefetch);
  expect(std::isfinite(options_.mixup) && options_.mixup >= 0, "loader", "a finite mixup alpha of at least 0",
         options_.mixup);
  expect(std::isfinite(options_.cutmix) && options_.cutmix >= 0, "loader", "a finite cutmix alpha of at least 0",
         options_.cutmix);
  expect(!dataset_.is_segmentation() || (options_.mixup == 0 && options_.cutmix == 0), "loader",
         "no mixup and no cutmix for label maps, whose pixels have one class each", "one of them");
  transforms_ = dataset_.transforms;
  transforms_.insert(transforms_.end(), options_.transforms.begin(), options_.transforms.end());
  shape_ = output_shape(transforms_, dataset_.stored_shape());
  check_augment(options_.augment, shape_.height, shape_.width);
  const AugmentOptions& augment = options_.augment;
  const bool for_pictures = augment.crop_padding > 0 || augment.flip != FlipMode::none || augment.cutout > 0 ||
                            augment.erasing > 0 || options_.cutmix > 0;
  expect(!shape_.is_recording() || !for_pictures, "loader",
         "transforms of recordings (random_shift, random_gain) and mixup, for recordings",
         "crop, flip, cutout, erasing or cutmix");
  table_ = normalize_table(dataset_.normalization, shape_.channels, options_.dtype);
  normalization_ = dataset_.normalization.for_channels(shape_.channels);
}

Loader::~Loader() { stop(); }

std::int64_t Loader::batches_per_epoch() const {
  const std::int64_t full = dataset_.size() / options_.batch_size;
  return options_.drop_last || dataset_.size() % options_.batch_size == 0 ? full : full + 1;
}

void Loader::start_epoch(std::int64_t epoch, std::int64_t first_batch) {
  expect(epoch >= 0, "loader", "an epoch of at least 0", epoch);
  expect(first_batch >= 0 && first_batch <= batches_per_epoch(), "loader",
         "a first batch of 0 .. " + std::to_string(batches_per_epoch()), first_batch);
  stop();
  epoch_ = epoch;
  end_ = batches_per_epoch();
  const RandomStream stream = random_stream(options_.seed, RandomUse::shuffle, static_cast<std::uint64_t>(epoch));
  order_ = permutation(stream, dataset_.size());
  if (!options_.shuffle) std::iota(order_.begin(), order_.end(), 0);
  next_to_make_ = first_batch;
  next_to_take_ = first_batch;
  slots_ = std::vector<Slot>(static_cast<std::size_t>(options_.prefetch));
  stopping_ = false;
  try {
    for (int i = 0; i < options_.workers; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    // The system has no more threads to give: with fewer, or none, the batches are the same.
  }
}

bool Loader::next(Batch& batch) {
  if (next_to_take_ >= end_) return false;
  Slot taken;
  if (threads_.empty()) {
    taken = make_slot(next_to_take_++);
  } else {
    std::unique_lock lock(mutex_);
    Slot& slot = slots_[static_cast<std::size_t>(next_to_take_ % options_.prefetch)];
    made_.wait(lock, [&] { return slot.ready; });
    taken = std::exchange(slot, Slot{});
    ++next_to_take_;
  }
  taken_.notify_all();
  if (taken.error) {
    stop();
    next_to_take_ = end_;
    std::rethrow_exception(taken.error);
  }
  batch = std::move(taken.batch);
  return true;
}

Loader::Slot Loader::make_slot(std::int64_t index) const {
  Slot slot;
  slot.ready = true;
  try {
    slot.batch = make_batch(index);
  } catch (...) {
    slot.error = std::current_exception();
  }
  return slot;
}

void Loader::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    taken_.wait(
        lock, [&] { return stopping_ || next_to_make_ >= end_ || next_to_make_ < next_to_take_ + options_.prefetch; });
    if (stopping_ || next_to_make_ >= end_) return;
    const std::int64_t index = next_to_make_++;
    lock.unlock();
    Slot slot = make_slot(index);
    lock.lock();
    slots_[static_cast<std::size_t>(index % options_.prefetch)] = std::move(slot);
    made_.notify_one();
  }
}

void Loader::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  taken_.notify_all();
  threads_.clear();  // joins
  slots_.clear();
}

Batch Loader::make_batch(std::int64_t index) const {
  const std::int64_t begin = index * options_.batch_size;
  const std::int64_t count = std::min(options_.batch_size, dataset_.size() - begin);
  const std::span samples(order_.data() + begin, static_cast<std::size_t>(count));
  Batch batch;
  batch.index = index;
  batch.labels = Tensor::empty(label_shape(count), DType::i64);
  batch.images = Tensor::empty({count, shape_.height, shape_.width, shape_.channels}, options_.dtype);
  options_.dtype == DType::f32 ? fill_images<float>(samples, batch) : fill_images<double>(samples, batch);
  mix(batch);
  return batch;
}

void Loader::mix(Batch& batch) const {
  const auto epoch = static_cast<std::uint64_t>(epoch_);
  const auto index = static_cast<std::uint64_t>(batch.index);
  if (options_.mixup <= 0 && options_.cutmix <= 0) return;
  const bool cut = options_.cutmix > 0 && (options_.mixup <= 0 || draw_cut(options_.seed, epoch, index));
  const Mixing mixing = cut ? draw_cutmix(options_.seed, epoch, index, batch.images.shape(), options_.cutmix)
                            : draw_mixup(options_.seed, epoch, index, batch.size(), options_.mixup);
  batch.images = mix_images(batch.images, mixing);
  batch.targets = mix_labels(batch.labels, mixing, dataset_.classes(), options_.dtype);
}

Shape Loader::label_shape(std::int64_t images) const {
  if (dataset_.is_segmentation()) return {images, shape_.height, shape_.width};
  return {images};
}

template <class T>
void Loader::fill_images(std::span<const std::int64_t> samples, Batch& batch) const {
  const T* table = table_.data<T>();
  T* out = batch.images.mutable_data<T>();
  auto* labels = batch.labels.mutable_data<std::int64_t>();
  const std::int64_t labels_each = batch.labels.numel() / batch.size();
  std::vector<std::uint8_t> transformed;
  for (const std::int64_t sample : samples) {
    const DrawPlace place{options_.seed, static_cast<std::uint64_t>(epoch_), static_cast<std::uint64_t>(sample)};
    const Picture picture = stored_picture(dataset_, sample);
    const std::uint8_t* image = picture.bytes.data();
    if (!transforms_.empty()) {
      transformed = apply_transforms(transforms_, picture.bytes, picture.shape, place);
      expect(transformed.size() == static_cast<std::size_t>(shape_.bytes()), "loader",
             "transforms that give images of " + to_string(shape_), "another size of image " + std::to_string(sample));
      image = transformed.data();
    }
    if (shape_.is_recording()) {
      normalize_samples({reinterpret_cast<const float*>(image), static_cast<std::size_t>(shape_.numel())},
                        normalization_, out);
    } else {
      const Augmentation drawn = draw_augmentation(options_.augment, shape_.height, shape_.width, place);
      augment_image(image, shape_, options_.augment.pad_mode, drawn, table, out);
    }
    out += shape_.numel();
    if (dataset_.is_segmentation()) {
      fill_labels(dataset_, sample, picture.shape, transforms_, place, options_.augment, labels);
    } else {
      *labels = dataset_.labels.data<std::int64_t>()[sample];
    }
    labels += labels_each;
  }
}

}  // namespace striate
