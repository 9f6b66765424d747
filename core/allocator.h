#pragma once
// Where tensors get their memory: 64-byte-aligned blocks, kept and handed out again instead of freed, so that a
// training loop with fixed shapes stops asking the system after its first steps.

#include <cstddef>
#include <cstdint>

namespace striate {

struct AllocatorStats {
  std::size_t live_bytes = 0;         ///< in use by tensors now
  std::size_t peak_bytes = 0;         ///< the most that was ever in use at once
  std::size_t cached_bytes = 0;       ///< kept for reuse
  std::uint64_t system_requests = 0;  ///< how often the system was asked for a block
};

/// A block of at least `bytes` bytes, aligned to 64. Safe from any thread. Throws std::bad_alloc.
void* allocate_block(std::size_t bytes);
/// Takes back what allocate_block gave.
void release_block(void* memory) noexcept;

/// While one lives, this thread may take so many bytes (what goes back meanwhile counts too); what goes beyond throws
/// std::bad_alloc, as if there were no more. For building what a file asks for that nobody vouches for.
class AllocationLimit {
 public:
  explicit AllocationLimit(std::size_t bytes);
  ~AllocationLimit();
  AllocationLimit(const AllocationLimit&) = delete;
  AllocationLimit& operator=(const AllocationLimit&) = delete;
  AllocationLimit(AllocationLimit&&) = delete;
  AllocationLimit& operator=(AllocationLimit&&) = delete;

 private:
  std::size_t before_;
};

AllocatorStats allocator_stats();
void reset_peak_bytes();
/// Gives cached blocks back to the system, but for those that were cut from a larger one which is still in use.
void release_cached_blocks();

}  // namespace striate
