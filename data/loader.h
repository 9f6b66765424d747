#pragma once
// Batches of a data set for training and evaluation, prepared ahead on threads of the loader's own. Batch b of epoch e
// is a function of (seed, e, b) alone, so a run may start anywhere and workers hold nothing worth saving.

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "data/augment.h"
#include "data/dataset.h"
#include "data/transform.h"

namespace striate {

struct LoaderOptions {
  std::int64_t batch_size = 128;
  bool shuffle = true;     ///< a new permutation each epoch; false: in the data set's order
  bool drop_last = false;  ///< drops the last batch where it is not full
  std::uint64_t seed = 0;
  /// Every image goes through the data set's transforms, these in turn, then through crop, flip, and cutout or erasing
  /// as `augment` says, and is normalised; then mixup or CutMix mix the batch. For training only: evaluation has none
  /// of these. Recordings have transforms and mixup alone.
  Transforms transforms{};
  AugmentOptions augment{};
  double mixup = 0;          ///< alpha of Beta(alpha, alpha); 0: off. For images of one class each
  double cutmix = 0;         ///< the same for CutMix; with both on, each batch gets one of them by chance
  DType dtype = DType::f32;  ///< of images and targets: f32 or f64
  int workers = 1;           ///< threads; 0 prepares in next()
  int prefetch = 2;          ///< batches kept ready, at most
};

struct Batch {
  Tensor images;  ///< normalised (N,H,W,C)
  /// i64 (N); with mixup and CutMix those of the images before. For segmentation (N,H,W), moved as the images are, and
  /// -100, PyTorch's ignore_index, for pixels without a class and padding; cutout and erasing leave labels as they are.
  Tensor labels;
  Tensor targets;          ///< probabilities (N,classes) with mixup or CutMix, else undefined
  std::int64_t index = 0;  ///< in the epoch

  [[nodiscard]] std::int64_t size() const { return labels.size(0); }
};

class Loader {
 public:
  /// Shares the data set's memory. Throws std::invalid_argument for bad options, and as check_dataset.
  Loader(Dataset dataset, LoaderOptions options);
  /// Waits for the batches that are being made, for no more.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  [[nodiscard]] std::int64_t batches_per_epoch() const;
  /// Begins an epoch, at batch `first_batch`; what remains of an earlier one is dropped.
  void start_epoch(std::int64_t epoch, std::int64_t first_batch = 0);
  /// The next batch in order; false where the epoch has ended (or none was started). What a worker threw is
  /// thrown here, in its batch's turn, and ends the epoch.
  bool next(Batch& batch);

 private:
  struct Slot {
    bool ready = false;
    Batch batch;
    std::exception_ptr error;
  };

  [[nodiscard]] Batch make_batch(std::int64_t index) const;
  [[nodiscard]] Slot make_slot(std::int64_t index) const;
  void mix(Batch& batch) const;
  template <class T>
  void fill_images(std::span<const std::int64_t> samples, Batch& batch) const;
  [[nodiscard]] Shape label_shape(std::int64_t images) const;
  void work();
  void stop();

  Dataset dataset_;
  LoaderOptions options_;
  Transforms transforms_;  // the data set's, then those of the options
  ImageShape shape_;       // of the images of a batch
  Tensor table_;           // normalize_table(), for pictures
  Normalization normalization_;
  // Fixed while workers run.
  std::int64_t epoch_ = 0;
  std::int64_t end_ = 0;             // batches of this epoch; 0 before the first
  std::vector<std::int64_t> order_;  // the places of this epoch's images in the data set

  std::mutex mutex_;  // guards what follows, up to threads_
  std::condition_variable made_;
  std::condition_variable taken_;
  std::int64_t next_to_make_ = 0;
  std::int64_t next_to_take_ = 0;
  bool stopping_ = false;
  std::vector<Slot> slots_;  // batch b waits in slot b % prefetch
  std::vector<std::jthread> threads_;
};

}  // namespace striate
