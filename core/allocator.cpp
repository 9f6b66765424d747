#include "core/allocator.h"

#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace striate {
namespace {

constexpr std::align_val_t kAlignment{64};

struct Cache {
  std::mutex mutex;
  std::map<std::size_t, std::vector<void*>> blocks;  // by size
  AllocatorStats stats;
};

// Never destroyed: tensors in static storage may give blocks back after main.
Cache& cache() {
  static auto* instance = new Cache;
  return *instance;
}

// Blocks carry their true size in front of them, since a request may get a larger one.
constexpr std::size_t kHeader = 64;

std::size_t& size_of_block(void* block) { return *reinterpret_cast<std::size_t*>(static_cast<char*>(block) - kHeader); }

void free_to_system(void* block) { ::operator delete(static_cast<char*>(block) - kHeader, kAlignment); }

// Coarser steps for larger blocks, so that nearly equal sizes share blocks.
std::size_t round_up(std::size_t bytes) {
  const std::size_t step = bytes < 4096 ? 64 : bytes < (1U << 20U) ? 4096 : (64U << 10U);
  return bytes == 0 ? step : (bytes + step - 1) / step * step;
}

// The smallest cached block that fits; one more than half empty is left for larger requests.
void* take_cached(Cache& cache, std::size_t size) {
  const auto found = cache.blocks.lower_bound(size);
  if (found == cache.blocks.end() || found->first > 2 * size) return nullptr;
  void* block = found->second.back();
  found->second.pop_back();
  cache.stats.cached_bytes -= found->first;
  if (found->second.empty()) cache.blocks.erase(found);
  return block;
}

void release_all(Cache& cache) {
  for (auto& [size, blocks] : cache.blocks) {
    for (void* block : blocks) free_to_system(block);
  }
  cache.blocks.clear();
  cache.stats.cached_bytes = 0;
}

void* take_from_system(Cache& cache, std::size_t size) {
  ++cache.stats.system_requests;
  void* memory = ::operator new(size + kHeader, kAlignment, std::nothrow);
  if (memory == nullptr) {
    release_all(cache);
    memory = ::operator new(size + kHeader, kAlignment);
  }
  void* block = static_cast<char*>(memory) + kHeader;
  new (memory) std::size_t{size};
  return block;
}

}  // namespace

void* allocate_block(std::size_t bytes) {
  Cache& all = cache();
  const std::scoped_lock lock(all.mutex);
  const std::size_t size = round_up(bytes);
  void* block = take_cached(all, size);
  if (block == nullptr) block = take_from_system(all, size);
  all.stats.live_bytes += size_of_block(block);
  if (all.stats.live_bytes > all.stats.peak_bytes) all.stats.peak_bytes = all.stats.live_bytes;
  return block;
}

void release_block(void* block) noexcept {
  Cache& all = cache();
  const std::scoped_lock lock(all.mutex);
  const std::size_t size = size_of_block(block);
  all.stats.live_bytes -= size;
  try {
    all.blocks[size].push_back(block);
    all.stats.cached_bytes += size;
  } catch (const std::bad_alloc&) {
    free_to_system(block);
  }
}

AllocatorStats allocator_stats() {
  Cache& all = cache();
  const std::scoped_lock lock(all.mutex);
  return all.stats;
}

void reset_peak_bytes() {
  Cache& all = cache();
  const std::scoped_lock lock(all.mutex);
  all.stats.peak_bytes = all.stats.live_bytes;
}

void release_cached_blocks() {
  Cache& all = cache();
  const std::scoped_lock lock(all.mutex);
  release_all(all);
}

}  // namespace striate
