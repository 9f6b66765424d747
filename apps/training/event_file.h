#pragma once
// Event files, as TensorBoard reads them: scalars, pictures and histograms by step. Called by apps/report/tensorboard.h
// for `striate train --tensorboard`; a program of one's own may write what it likes.
//
//   EventFile events("runs/mine", 0);
//   events.add_scalar("loss/train", 0.5);
//   events.write(100);

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "core/protobuf.h"
#include "core/tensor.h"

namespace striate {

/// Whether an earlier EventFile, or TensorFlow or PyTorch, left event files in the folder.
bool holds_event_files(const std::filesystem::path& folder);

/// Seconds since 1970.
double wall_time();

class EventFile {
 public:
  /// Begins a new file in the folder, events.out.tfevents.SECONDS.striate, which sorts behind those that are there.
  /// TensorBoard reads all of them, and forgets what earlier ones have of `first_step` and later steps: a run that is
  /// resumed from a checkpoint takes those steps again. Throws FileError.
  EventFile(std::filesystem::path folder, std::int64_t first_step, std::function<double()> clock = wall_time);

  // What the next write() writes. TensorBoard groups tags by what stands before their first slash.
  void add_scalar(std::string_view tag, double value);
  /// u8 (H,W,3), or (H,W,1): grey.
  void add_image(std::string_view tag, const Tensor& image);
  /// Of all finite values, in 30 buckets of equal width.
  void add_histogram(std::string_view tag, const Tensor& values);
  /// Appends an event with all that was added, in one piece, so that a run may be killed at any time. Throws FileError.
  void write(std::int64_t step);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  void append(std::uint32_t field, std::string_view content, std::int64_t step) const;

  std::filesystem::path path_;
  std::function<double()> clock_;
  ProtoMessage summary_;
};

}  // namespace striate
