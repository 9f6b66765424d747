#include "core/parallel.h"

#include <gtest/gtest.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/op_checks.h"

namespace striate {
namespace {

using namespace testing_support;

using Chunks = std::set<std::pair<std::int64_t, std::int64_t>>;

Chunks chunks_of(std::int64_t count, std::int64_t grain) {
  Chunks chunks;
  std::mutex mutex;
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::scoped_lock lock(mutex);
    EXPECT_TRUE(chunks.emplace(begin, end).second);
  });
  return chunks;
}

TEST(Parallel, ChunksDependOnTheSizeAlone) {
  for (const int threads : {1, 2, 5}) {
    const Threads guard(threads);
    EXPECT_EQ(chunks_of(10, 4), (Chunks{{0, 4}, {4, 8}, {8, 10}}));
    EXPECT_EQ(chunks_of(3, 8), (Chunks{{0, 3}}));
    EXPECT_EQ(chunks_of(0, 8), Chunks{});
    EXPECT_EQ(chunks_of(1000, 1).size(), 1000U);
  }
}

TEST(Parallel, EachThreadBeginsWithItsShare) {
  const Threads guard(2);
  std::mutex mutex;
  std::condition_variable both_began;
  std::map<std::thread::id, std::int64_t> first_chunks;
  parallel_for(6, 1, [&](std::int64_t chunk, std::int64_t) {
    std::unique_lock lock(mutex);
    first_chunks.emplace(std::this_thread::get_id(), chunk);
    both_began.notify_all();
    both_began.wait(lock, [&] { return first_chunks.size() == 2; });
  });
  EXPECT_EQ(first_chunks[std::this_thread::get_id()], 0);
  first_chunks.erase(std::this_thread::get_id());
  EXPECT_EQ(first_chunks.begin()->second, 3);
}

// Nobody waits for a share whose thread is late.
TEST(Parallel, ThreadsHelpEachOther) {
  const Threads guard(2);
  std::mutex mutex;
  std::condition_variable all_others_ran;
  int others = 0;
  parallel_for(6, 1, [&](std::int64_t chunk, std::int64_t) {
    std::unique_lock lock(mutex);
    if (chunk != 3) {
      ++others;
      all_others_ran.notify_all();
    }
    if (chunk == 3) all_others_ran.wait(lock, [&] { return others == 5; });
  });
  EXPECT_EQ(others, 5);
}

// Which thread begins with which of three shares; every share needs a thread of its own.
std::vector<std::thread::id> threads_of_shares() {
  std::mutex mutex;
  std::condition_variable all_began;
  std::vector<std::thread::id> threads(3);
  int began = 0;
  parallel_for(3, 1, [&](std::int64_t share, std::int64_t) {
    std::unique_lock lock(mutex);
    threads[static_cast<std::size_t>(share)] = std::this_thread::get_id();
    ++began;
    all_began.notify_all();
    all_began.wait(lock, [&] { return began == 3; });
  });
  return threads;
}

TEST(Parallel, ThreadsKeepTheirPlaceAndWakeUp) {
  const Threads guard(3);
  const std::vector<std::thread::id> threads = threads_of_shares();
  for (int repeat = 0; repeat < 20; ++repeat) {
    EXPECT_EQ(threads_of_shares(), threads);
    if (repeat % 4 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));  // they no longer look, they sleep
  }
}

TEST(Parallel, TheCallerWakesUpForTheLastChunk) {
  const Threads guard(2);
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<bool> other_began{false};
  std::atomic<int> ended{0};
  parallel_for(2, 1, [&](std::int64_t, std::int64_t) {
    if (std::this_thread::get_id() == caller) {
      while (!other_began) std::this_thread::yield();
    } else {
      other_began = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ++ended;
  });
  EXPECT_EQ(ended, 2);
}

TEST(Parallel, LoopsInsideLoopsRun) {
  const Threads guard(3);
  std::atomic<std::int64_t> sum{0};
  parallel_for(20, 1, [&](std::int64_t i, std::int64_t) {
    parallel_for(20, 3, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t j = begin; j < end; ++j) sum += i * 20 + j;
    });
  });
  EXPECT_EQ(sum, 400 * 399 / 2);
}

TEST(Parallel, LoopsFromSeveralThreadsAtOnce) {
  const Threads guard(3);
  std::atomic<std::int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 50; ++repeat) {
        parallel_for(64, 2, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 4 * 50 * 64);
}

TEST(Parallel, TheLowestFailureIsThrown) {
  for (const int threads : {1, 3}) {
    const Threads guard(threads);
    const auto fail = [](std::int64_t begin, std::int64_t) {
      if (begin % 7 == 3) throw std::runtime_error(std::to_string(begin));
    };
    EXPECT_EQ(message_of<std::runtime_error>([&] { parallel_for(100, 1, fail); }), "3");
    EXPECT_EQ(chunks_of(10, 5).size(), 2U);  // and the pool still works
  }
}

TEST(Parallel, Misuse) {
  EXPECT_THROW(set_num_threads(0), std::invalid_argument);
  EXPECT_THROW(parallel_for(3, 0, [](std::int64_t, std::int64_t) {}), std::invalid_argument);
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(chunks_of(10, most).size(), 1U);
}

TEST(Parallel, SeveralThreadsMayBegin) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // in a process of its own, which has no pool yet
  const auto sum_by_three = [] {
    std::atomic<std::int64_t> sum{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 3; ++caller) {
      callers.emplace_back(
          [&] { parallel_for(64, 1, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; }); });
    }
    for (std::thread& caller : callers) caller.join();
    return static_cast<int>(sum);
  };
  EXPECT_EXIT(std::_Exit(sum_by_three()), testing::ExitedWithCode(3 * 64), "");
}

#if defined(__linux__)
TEST(Parallel, PinnedProcessesUseTheProcessorsTheyHave) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // in a process of its own, which has no pool yet
  const auto threads_when_pinned = [] {
    cpu_set_t allowed;
    sched_getaffinity(0, sizeof allowed, &allowed);
    int processor = 0;
    while (!CPU_ISSET(processor, &allowed)) ++processor;
    CPU_ZERO(&allowed);
    CPU_SET(processor, &allowed);
    sched_setaffinity(0, sizeof allowed, &allowed);
    return num_threads();
  };
  EXPECT_EXIT(std::_Exit(threads_when_pinned()), testing::ExitedWithCode(1), "");
}
#endif

}  // namespace
}  // namespace striate
