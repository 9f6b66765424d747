#include "data/loader.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/random.h"
#include "data/cutmix.h"
#include "data/mixup.h"

namespace striate {

namespace {

void require(bool ok, const std::string& what, const std::string& got) {
  if (!ok) throw std::invalid_argument("[loader] expected " + what + ", got " + got);
}

void check(const Dataset& dataset, const LoaderOptions& options) {
  const Shape& shape = dataset.images.shape();
  if (shape.size() != 4 || shape[3] != 3 || shape[0] < 1 || dataset.labels.shape() != Shape{shape[0]}) {
    shape_error("loader", "images must be (N,H,W,3) with N >= 1 labels (N): images " + to_string(shape) + ", labels " +
                              to_string(dataset.labels.shape()));
  }
  require(options.batch_size >= 1, "a batch size of at least 1", std::to_string(options.batch_size));
  require(options.workers >= 0, "at least 0 workers", std::to_string(options.workers));
  require(options.prefetch >= 1, "a prefetch of at least 1", std::to_string(options.prefetch));
  require(std::isfinite(options.mixup) && options.mixup >= 0, "a finite mixup alpha of at least 0",
          std::to_string(options.mixup));
  require(std::isfinite(options.cutmix) && options.cutmix >= 0, "a finite cutmix alpha of at least 0",
          std::to_string(options.cutmix));
  require(options.dtype == DType::f32 || options.dtype == DType::f64, "f32 or f64", to_string(options.dtype));
  check_augment(options.augment, shape[1], shape[2]);
}

}  // namespace

Loader::Loader(Dataset dataset, LoaderOptions options) : dataset_(std::move(dataset)), options_(options) {
  check(dataset_, options_);
}

Loader::~Loader() { stop(); }

std::int64_t Loader::batches_per_epoch() const {
  const std::int64_t full = dataset_.size() / options_.batch_size;
  return options_.drop_last || dataset_.size() % options_.batch_size == 0 ? full : full + 1;
}

void Loader::start_epoch(std::int64_t epoch, std::int64_t first_batch) {
  require(epoch >= 0, "an epoch of at least 0", std::to_string(epoch));
  require(first_batch >= 0 && first_batch <= batches_per_epoch(),
          "a first batch of 0 .. " + std::to_string(batches_per_epoch()), std::to_string(first_batch));
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
  for (int i = 0; i < options_.workers; ++i) threads_.emplace_back([this] { work(); });
}

bool Loader::next(Batch& batch) {
  if (next_to_take_ >= end_) return false;
  if (options_.workers == 0) {
    const std::int64_t index = next_to_take_;
    next_to_take_ = end_;  // stays so if this one throws
    batch = make_batch(index);
    next_to_take_ = index + 1;
    return true;
  }
  Slot taken;
  {
    std::unique_lock lock(mutex_);
    Slot& slot = slots_[static_cast<std::size_t>(next_to_take_ % options_.prefetch)];
    made_.wait(lock, [&] { return slot.ready; });
    taken = std::exchange(slot, Slot{});
    next_to_take_ = taken.error ? end_ : next_to_take_ + 1;
  }
  taken_.notify_all();
  if (taken.error) {
    stop();
    std::rethrow_exception(taken.error);
  }
  batch = std::move(taken.batch);
  return true;
}

void Loader::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    taken_.wait(
        lock, [&] { return stopping_ || next_to_make_ >= end_ || next_to_make_ < next_to_take_ + options_.prefetch; });
    if (stopping_ || next_to_make_ >= end_) return;
    const std::int64_t index = next_to_make_++;
    lock.unlock();
    Slot slot;
    try {
      slot.batch = make_batch(index);
    } catch (...) {
      slot.error = std::current_exception();
    }
    slot.ready = true;
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
  batch.labels = Tensor::empty({count}, DType::i64);
  const auto* all_labels = dataset_.labels.data<std::int64_t>();
  std::transform(samples.begin(), samples.end(), batch.labels.mutable_data<std::int64_t>(),
                 [&](std::int64_t sample) { return all_labels[sample]; });
  Shape shape = dataset_.images.shape();
  shape[0] = count;
  batch.images = Tensor::empty(shape, options_.dtype);
  options_.dtype == DType::f32 ? fill_images<float>(samples, batch.images) : fill_images<double>(samples, batch.images);
  mix(batch);
  return batch;
}

void Loader::mix(Batch& batch) const {
  const auto epoch = static_cast<std::uint64_t>(epoch_);
  const auto index = static_cast<std::uint64_t>(batch.index);
  if (options_.mixup <= 0 && options_.cutmix <= 0) return;
  Mixing mixing;
  if (options_.cutmix > 0 && (options_.mixup <= 0 || draw_cut(options_.seed, epoch, index))) {
    CutMix cut = draw_cutmix(options_.seed, epoch, index, batch.images.shape(), options_.cutmix);
    batch.images = cut_images(batch.images, cut);
    mixing = std::move(cut.mixing);
  } else {
    mixing = draw_mixing(options_.seed, epoch, index, batch.size(), options_.mixup);
    batch.images = mix_images(batch.images, mixing);
  }
  batch.targets = mix_labels(batch.labels, mixing, dataset_.classes(), options_.dtype);
}

template <class T>
void Loader::fill_images(std::span<const std::int64_t> samples, Tensor& images) const {
  const std::int64_t height = images.size(1);
  const std::int64_t width = images.size(2);
  const std::int64_t size = height * width * 3;
  const auto* in = dataset_.images.data<std::uint8_t>();
  T* out = images.mutable_data<T>();
  for (const std::int64_t sample : samples) {
    const DrawPlace place{options_.seed, static_cast<std::uint64_t>(epoch_), static_cast<std::uint64_t>(sample)};
    const Augmentation drawn = draw_augmentation(options_.augment, height, width, place);
    augment_image(in + sample * size, height, width, options_.augment.pad_mode, drawn, out);
    out += size;
  }
}

}  // namespace striate
