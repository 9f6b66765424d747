#pragma once
// The caching allocator of tensors: 64-byte-aligned blocks, kept for reuse instead of freed, so that a training loop
// with fixed shapes asks the system for nothing after its first steps.

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

namespace striate {

struct AllocatorStats {
  std::size_t live_bytes = 0;         ///< in use by tensors now
  std::size_t peak_bytes = 0;         ///< the most that was ever in use at once
  std::size_t cached_bytes = 0;       ///< kept for reuse
  std::uint64_t system_requests = 0;  ///< how often the system was asked for a block
};

/// What was asked for is more than there is, or than an AllocationLimit allows. Copies without allocating.
class OutOfMemory : public std::bad_alloc {
 public:
  OutOfMemory(std::size_t bytes, std::size_t in_use) noexcept;
  /// "out of memory: 604.0 MB were asked for beside ... in use; take a smaller batch, image or model".
  [[nodiscard]] const char* what() const noexcept override { return text_.data(); }

 private:
  std::array<char, 160> text_{};
};

/// A block of at least `bytes` bytes, aligned to 64. Safe from any thread. Throws OutOfMemory.
void* allocate_block(std::size_t bytes);
/// Frees what allocate_block returned, for reuse.
void release_block(void* memory) noexcept;

/// While one lives, this thread may allocate this many bytes in all, those that it frees meanwhile included; more
/// throws OutOfMemory. For building models whose sizes come from an untrusted file.
class AllocationLimit {
 public:
  explicit AllocationLimit(std::size_t bytes);
  ~AllocationLimit();
  AllocationLimit(const AllocationLimit&) = delete;
  AllocationLimit& operator=(const AllocationLimit&) = delete;

 private:
  std::size_t before_;
};

AllocatorStats allocator_stats();
void reset_peak_bytes();
/// Returns cached blocks to the system, but for those that were split from a larger one which is still in use.
void release_cached_blocks();

}  // namespace striate
