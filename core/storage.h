#pragma once
// The memory that tensors share, for core/tensor.cpp, and where deferred steps are computed.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "core/allocator.h"
#include "core/deferred.h"

namespace striate {

class Storage {
 public:
  explicit Storage(std::size_t bytes) : bytes_(bytes), block_(allocate_block(bytes)) {}
  /// Without memory until it is first read.
  Storage(std::size_t bytes, std::shared_ptr<Deferred> step) : bytes_(bytes), step_(std::move(step)), pending_(true) {}
  ~Storage() {
    if (block_ != nullptr) release_block(block_);
  }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* block() {
    if (pending_.load(std::memory_order_acquire)) compute();
    return block_;
  }
  // Atomic since several threads may open different parts of one tensor.
  std::atomic<std::uint64_t> version{0};

 private:
  void compute();

  std::size_t bytes_;
  void* block_ = nullptr;
  std::shared_ptr<Deferred> step_;
  std::atomic<bool> pending_{false};
  std::mutex mutex_;  // several threads may be the first to read
};

/// Has the step of this storage computed when core/deferred.h says so, on this thread.
void keep_track(const std::shared_ptr<Storage>& storage, const std::shared_ptr<Deferred>& step);

}  // namespace striate
