#include "core/allocator.h"

#include <sys/mman.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <utility>

namespace striate {
namespace {

constexpr std::align_val_t kAlignment{64};

// Blocks of at least this size are split to what is asked for and coalesced when they are released. Smaller requests
// never split them: one small block that lives long would keep a large one fragmented.
constexpr std::size_t kLarge = 1U << 20U;
constexpr std::size_t kHuge = 1U << 29U;

struct Block {
  std::size_t size;
  bool first;  // of its mapping: the block below in memory belongs to another
  bool cached;
};
using Blocks = std::map<char*, Block>;

struct Cache {
  std::mutex mutex;
  Blocks blocks;                                   // all blocks, by address
  std::set<std::pair<std::size_t, char*>> cached;  // free blocks, by size
  AllocatorStats stats;
};

// Never destroyed: tensors in static storage may give blocks back after main.
Cache& cache() {
  static auto* instance = new Cache;
  return *instance;
}

// No address space has more, and no arithmetic here overflows below it.
constexpr std::size_t kMost = std::size_t{1} << 56U;

// Coarser steps for larger blocks, so that nearly equal sizes share blocks.
std::size_t round_up(std::size_t bytes) {
  if (bytes > kMost) throw OutOfMemory(bytes, 0);
  const std::size_t step = bytes < 4096 ? 64 : bytes < kLarge ? 4096 : (64U << 10U);
  return bytes == 0 ? step : (bytes + step - 1) / step * step;
}

void put_into_cache(Cache& all, Blocks::iterator block) {
  all.cached.emplace(block->second.size, block->first);
  all.stats.cached_bytes += block->second.size;
  block->second.cached = true;
}

void take_out_of_cache(Cache& all, Blocks::iterator block) {
  all.cached.erase({block->second.size, block->first});
  all.stats.cached_bytes -= block->second.size;
  block->second.cached = false;
}

// Splits a block where the remainder is large, which goes into the cache.
void split(Cache& all, Blocks::iterator block, std::size_t size) {
  const std::size_t over = block->second.size - size;
  if (size < kLarge || over < kLarge) return;
  put_into_cache(all, all.blocks.emplace(block->first + size, Block{over, false, false}).first);
  block->second.size = size;
}

// Best fit: the smallest cached block that is large enough; end() where there is none. Small blocks are not split, so
// one that would be more than half empty is left for larger requests.
Blocks::iterator take_cached(Cache& all, std::size_t size) {
  const auto found = all.cached.lower_bound({size, nullptr});
  if (found == all.cached.end()) return all.blocks.end();
  if (size < kLarge && (found->first > 2 * size || found->first >= kLarge)) return all.blocks.end();
  const auto block = all.blocks.find(found->second);
  take_out_of_cache(all, block);
  split(all, block, size);
  return block;
}

bool is_first(const Cache& all, Blocks::const_iterator block) {
  return block == all.blocks.end() || block->second.first;
}

// Coalesces a cached block with the cached block above it, if both are of one mapping.
void coalesce_with_next(Cache& all, Blocks::iterator block) {
  const auto next = std::next(block);
  if (is_first(all, next) || !next->second.cached) return;
  take_out_of_cache(all, block);
  take_out_of_cache(all, next);
  block->second.size += next->second.size;
  all.blocks.erase(next);
  put_into_cache(all, block);
}

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

// What the system can give, swap included, without ending a process for it.
std::size_t available_memory() {
  std::ifstream lines("/proc/meminfo");  // "MemAvailable:   23527904 kB"
  std::size_t kibibytes = 0;
  std::string name;
  std::string unit;
  for (std::size_t value = 0; lines >> name >> value && std::getline(lines, unit);) {
    if (name == "MemAvailable:" || name == "SwapFree:") kibibytes += value;
  }
  return kibibytes == 0 ? kAll : kibibytes << 10U;
}

// Large blocks are mapped, since malloc's heap would not shrink when they are freed. Null where memory is out: the
// system maps more than it has, and ends the process that writes there, so that for a huge block it is asked before.
char* map_memory(std::size_t size) {
  if (size >= kHuge && size > available_memory()) return nullptr;
  if (size < kLarge) return static_cast<char*>(::operator new(size, kAlignment, std::nothrow));
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
}

void unmap_memory(char* memory, std::size_t size) {
  if (size < kLarge) {
    ::operator delete(memory, kAlignment);
  } else {
    munmap(memory, size);
  }
}

bool is_whole_mapping(const Cache& all, Blocks::const_iterator block) {
  return block->second.first && is_first(all, std::next(block));
}

// Unmaps free mappings, the largest first, until `bytes` are released or none is left.
void release_mappings(Cache& all, std::size_t bytes) {
  std::size_t released = 0;
  for (auto at = all.cached.end(); at != all.cached.begin() && released < bytes;) {
    const auto [size, memory] = *--at;
    const auto block = all.blocks.find(memory);
    if (!is_whole_mapping(all, block)) continue;
    ++at;
    take_out_of_cache(all, block);
    all.blocks.erase(block);
    unmap_memory(memory, size);
    released += size;
  }
}

// Free mappings that are too small for a large request are unmapped first, so that with changing sizes the process
// holds what is in use at once, not all that ever was.
Blocks::iterator take_from_system(Cache& all, std::size_t size) {
  ++all.stats.system_requests;
  if (size >= kLarge) release_mappings(all, size);
  char* memory = map_memory(size);
  if (memory == nullptr) {
    release_mappings(all, kAll);
    memory = map_memory(size);
  }
  if (memory == nullptr) throw OutOfMemory(size, all.stats.live_bytes);
  return all.blocks.emplace(memory, Block{size, true, false}).first;
}

thread_local std::size_t allowed = kAll;

}  // namespace

OutOfMemory::OutOfMemory(std::size_t bytes, std::size_t in_use) noexcept {
  constexpr double mega = 1e6;
  std::snprintf(text_.data(), text_.size(),
                "out of memory: %.1f MB were asked for beside %.1f MB in use; take a smaller batch, image or model",
                static_cast<double>(bytes) / mega, static_cast<double>(in_use) / mega);
}

AllocationLimit::AllocationLimit(std::size_t bytes) : before_(std::exchange(allowed, bytes)) {}

AllocationLimit::~AllocationLimit() { allowed = before_; }

void* allocate_block(std::size_t bytes) {
  Cache& all = cache();
  const std::scoped_lock lock(all.mutex);
  const std::size_t size = round_up(bytes);
  if (size > allowed) throw OutOfMemory(size, all.stats.live_bytes);
  if (allowed != kAll) allowed -= size;
  auto block = take_cached(all, size);
  if (block == all.blocks.end()) block = take_from_system(all, size);
  all.stats.live_bytes += block->second.size;
  if (all.stats.live_bytes > all.stats.peak_bytes) all.stats.peak_bytes = all.stats.live_bytes;
  return block->first;
}

void release_block(void* memory) noexcept {
  Cache& all = cache();
  const std::scoped_lock lock(all.mutex);
  const auto block = all.blocks.find(static_cast<char*>(memory));
  all.stats.live_bytes -= block->second.size;
  try {
    put_into_cache(all, block);
    coalesce_with_next(all, block);
    if (!block->second.first && std::prev(block)->second.cached) coalesce_with_next(all, std::prev(block));
  } catch (const std::bad_alloc&) {
    // No memory for the cache's own entry: the block stays unused.
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
  release_mappings(all, kAll);
}

}  // namespace striate
