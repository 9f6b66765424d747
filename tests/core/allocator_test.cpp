#include "core/allocator.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"

namespace striate {
namespace {

constexpr std::size_t kMiB = 1U << 20U;

// A block that goes back when it goes out of scope.
class Taken {
 public:
  explicit Taken(std::size_t bytes) : memory_(allocate_block(bytes)) {}
  ~Taken() { release_block(memory_); }
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;
  Taken(Taken&&) = delete;
  Taken& operator=(Taken&&) = delete;
  [[nodiscard]] char* memory() const { return static_cast<char*>(memory_); }

 private:
  void* memory_;
};

TEST(Allocator, ReusesBlocksAndCounts) {
  release_cached_blocks();
  const AllocatorStats start = allocator_stats();
  EXPECT_EQ(start.cached_bytes, 0U);
  const void* first = nullptr;
  {
    const Tensor a = Tensor::empty({1000});
    first = a.raw();
    EXPECT_GE(allocator_stats().live_bytes, start.live_bytes + 4000);
  }
  EXPECT_EQ(allocator_stats().live_bytes, start.live_bytes);
  const Tensor b = Tensor::empty({990});
  EXPECT_EQ(b.raw(), first);
  EXPECT_EQ(allocator_stats().system_requests, start.system_requests + 1);
  // A block is not given away to a request that leaves more than half of it empty.
  const Tensor small = Tensor::empty({10});
  EXPECT_EQ(allocator_stats().system_requests, start.system_requests + 2);
}

// Linux maps as much as the machine has, and ends the process that fills it.
TEST(Allocator, RefusesMoreThanTheSystemCanGive) {
  std::map<std::string, std::size_t> kibibytes;
  std::ifstream lines("/proc/meminfo");
  std::string unit;
  for (std::string name; lines >> name && lines >> kibibytes[name] && std::getline(lines, unit);) continue;
  const std::size_t available = kibibytes["MemAvailable:"] + kibibytes["SwapFree:"];
  const std::size_t more = available + (kibibytes["MemTotal:"] - kibibytes["MemAvailable:"]) / 2;
  if (available < 4 * kMiB) GTEST_SKIP() << "the system does not say, or has no memory for this test";
  EXPECT_THROW(Taken(more << 10U), OutOfMemory);
}

TEST(Allocator, ALimitIsForItsThreadAndLifetime) {
  {
    const AllocationLimit limit(2 * kMiB);
    { const Taken first(kMiB); }
    const Taken second(kMiB);
    EXPECT_THROW(Taken(64), std::bad_alloc);
    std::thread([] { const Taken elsewhere(4 * kMiB); }).join();
  }
  const Taken after(4 * kMiB);
}

TEST(Allocator, PeakIsTheMostAtOnce) {
  reset_peak_bytes();
  const std::size_t before = allocator_stats().peak_bytes;
  { const Tensor a = Tensor::empty({1 << 20}); }
  { const Tensor b = Tensor::empty({1 << 20}); }
  const std::size_t peak = allocator_stats().peak_bytes - before;
  EXPECT_GE(peak, 4U << 20U);
  EXPECT_LT(peak, 8U << 20U);
}

TEST(Allocator, LargeBlocksAreCutAndGrowTogetherAgain) {
  release_cached_blocks();
  const char* whole = nullptr;
  {
    const Taken block(8 * kMiB);
    whole = block.memory();
  }
  const AllocatorStats before = allocator_stats();
  {
    const Taken low(3 * kMiB);
    const Taken high(5 * kMiB);
    EXPECT_EQ(low.memory(), whole);
    EXPECT_EQ(high.memory(), whole + 3 * kMiB);
    EXPECT_EQ(allocator_stats().live_bytes, before.live_bytes + 8 * kMiB);
    EXPECT_EQ(allocator_stats().cached_bytes, 0U);
  }
  {
    // In any order: the middle one comes back last.
    const Taken middle_outlives(2 * kMiB);
    { const Taken next(2 * kMiB), last(4 * kMiB); }
    EXPECT_EQ(allocator_stats().cached_bytes, 6 * kMiB);
  }
  const Taken again(8 * kMiB);
  EXPECT_EQ(again.memory(), whole);
  EXPECT_EQ(allocator_stats().system_requests, before.system_requests);
}

TEST(Allocator, SmallRequestsLeaveLargeBlocksAlone) {
  release_cached_blocks();
  { const Taken large(kMiB); }
  const auto requests = allocator_stats().system_requests;
  const Taken small(kMiB * 3 / 4);
  EXPECT_EQ(allocator_stats().system_requests, requests + 1);
  EXPECT_EQ(allocator_stats().cached_bytes, kMiB);
}

TEST(Allocator, PiecesThatAreTooSmallMakeRoom) {
  release_cached_blocks();
  { const Taken a(4 * kMiB), b(3 * kMiB), c(2 * kMiB); }
  EXPECT_EQ(allocator_stats().cached_bytes, 9 * kMiB);
  const Taken larger(6 * kMiB);
  EXPECT_EQ(allocator_stats().cached_bytes, 2 * kMiB);  // the two largest went
}

TEST(Allocator, WhatIsPartlyInUseIsNotGivenBack) {
  release_cached_blocks();
  { const Taken whole(8 * kMiB); }
  {
    const Taken part(3 * kMiB);
    std::memset(part.memory(), 1, 3 * kMiB);
    release_cached_blocks();
    EXPECT_EQ(allocator_stats().cached_bytes, 5 * kMiB);
    std::memset(part.memory(), 2, 3 * kMiB);
  }
  release_cached_blocks();
  EXPECT_EQ(allocator_stats().cached_bytes, 0U);
}

TEST(Allocator, RefusesWhatThereIsNot) {
  EXPECT_THROW(allocate_block(std::size_t{1} << 60U), std::bad_alloc);
  const Taken still_works(kMiB);
}

// Blocks in use keep what was written to them, whoever else takes and gives at the time.
TEST(Allocator, BlocksDoNotOverlap) {
  const auto churn = [](std::uint64_t seed) {
    struct Held {
      char* memory;
      std::size_t bytes;
      char mark;
    };
    std::vector<Held> held;
    const auto give_back = [&](std::size_t at) {
      for (const std::size_t i : {std::size_t{0}, held[at].bytes / 2, held[at].bytes - 1}) {
        EXPECT_EQ(held[at].memory[i], held[at].mark);
      }
      release_block(held[at].memory);
      held[at] = held.back();
      held.pop_back();
    };
    RandomSequence random(random_stream(seed, RandomUse::test));
    for (int step = 0; step < 2000; ++step) {
      if (!held.empty() && (held.size() == 12 || random.below(2) == 0)) {
        give_back(static_cast<std::size_t>(random.below(static_cast<std::int64_t>(held.size()))));
        continue;
      }
      const std::size_t most = random.below(2) == 0 ? 6 * kMiB : 8192;
      const auto bytes = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(most))) + 1;
      auto* memory = static_cast<char*>(allocate_block(bytes));
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % 64, 0U);
      const char mark = static_cast<char>(step % 100 + 1);
      for (const std::size_t i : {std::size_t{0}, bytes / 2, bytes - 1}) memory[i] = mark;
      held.push_back({memory, bytes, mark});
    }
    while (!held.empty()) give_back(held.size() - 1);
  };
  release_cached_blocks();
  const std::size_t before = allocator_stats().live_bytes;
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 0; seed < 3; ++seed) threads.emplace_back(churn, seed);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allocator_stats().live_bytes, before);
  // All pieces are whole again.
  release_cached_blocks();
  EXPECT_EQ(allocator_stats().cached_bytes, 0U);
}

}  // namespace
}  // namespace striate
