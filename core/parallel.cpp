#include "core/parallel.h"

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/integer.h"

namespace striate {
namespace {

thread_local bool inside_loop = false;

// Spins for at most 1 ms: most loops are done by then, or the next one has come.
template <class F>
void spin_until(F done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
  while (!done() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
}

// The contiguous chunks that one thread starts with.
struct alignas(64) Share {
  std::atomic<std::int64_t> next{0};
  std::int64_t end = 0;
};

// One running loop. Every worker that it was posted to keeps it alive, since a late one may see it after parallel_for
// returned.
struct Loop {
  std::int64_t count = 0;
  std::int64_t grain = 0;
  std::int64_t chunks = 0;
  const std::function<void(std::int64_t, std::int64_t)>* body = nullptr;
  std::vector<Share> shares;
  std::atomic<std::int64_t> done{0};
  std::mutex mutex;  // guards the failure
  std::condition_variable finished;
  std::int64_t failed_chunk = -1;
  std::exception_ptr failure;

  void run_chunk(std::int64_t chunk) {
    const std::int64_t begin = chunk * grain;
    try {
      (*body)(begin, begin + std::min(grain, count - begin));
    } catch (...) {
      const std::scoped_lock lock(mutex);
      if (failed_chunk < 0 || chunk < failed_chunk) {
        failed_chunk = chunk;
        failure = std::current_exception();
      }
    }
  }

  explicit Loop(std::size_t threads) : shares(threads) {}

  // A thread starts with the same share of every loop, so that in a row of loops over the same images it finds the
  // results of the one before in its own cache. When that is done it takes chunks from the others.
  void work(std::size_t thread) {
    inside_loop = true;
    std::int64_t mine = 0;
    for (std::size_t i = 0; i < shares.size(); ++i) {
      Share& share = shares[(thread + i) % shares.size()];
      for (std::int64_t chunk = share.next++; chunk < share.end; chunk = share.next++) {
        run_chunk(chunk);
        ++mine;
      }
    }
    inside_loop = false;
    if (mine == 0 || done.fetch_add(mine) + mine != chunks) return;
    const std::scoped_lock lock(mutex);
    finished.notify_all();
  }

  void wait() {
    spin_until([&] { return done == chunks; });
    std::unique_lock lock(mutex);
    finished.wait(lock, [&] { return done == chunks; });
    // Moved out: a late worker may destroy the loop while the caller handles the exception.
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
  }
};

// A thread, its place among the shares, and the loops posted to it.
class Worker {
 public:
  explicit Worker(std::size_t place) : thread_([this, place] { serve(place); }) {}
  ~Worker() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void post(const std::shared_ptr<Loop>& loop) {
    {
      const std::scoped_lock lock(mutex_);
      loops_.push_back(loop);
      ++posted_;
    }
    wake_.notify_one();
  }

 private:
  void serve(std::size_t place) {
    while (const std::shared_ptr<Loop> loop = take()) loop->work(place);
  }
  // Null when the pool stops.
  std::shared_ptr<Loop> take() {
    const auto called = [&] { return posted_ != 0 || stopping_; };
    spin_until(called);
    std::unique_lock lock(mutex_);
    wake_.wait(lock, called);
    if (posted_ == 0) return nullptr;
    std::shared_ptr<Loop> loop = std::move(loops_.front());
    loops_.pop_front();
    --posted_;
    return loop;
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Loop>> loops_;
  std::atomic<int> posted_{0};  // the size of loops_, readable without the mutex
  std::atomic<bool> stopping_{false};
  std::thread thread_;  // the last member: it starts when all others are initialised
};

struct Pool {
  int threads = 0;
  std::vector<std::unique_ptr<Worker>> workers;  // threads - 1 of them: the caller works too
};

Pool& pool() {
  static Pool instance;
  return instance;
}

// The processors in this process's affinity mask: more threads would only compete for them.
int processors() {
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void run_serially(std::int64_t count, std::int64_t grain, const std::function<void(std::int64_t, std::int64_t)>& body) {
  for (std::int64_t left = count; left > 0; left -= grain) {
    body(count - left, count - left + std::min(grain, left));
  }
}

}  // namespace

void set_num_threads(int threads) {
  expect(threads >= 1, "set_num_threads", "1 thread or more", threads);
  if (threads == pool().threads) return;
  pool().workers.clear();
  pool().threads = 1;  // should a thread fail to start
  try {
    for (int i = 1; i < threads; ++i) pool().workers.push_back(std::make_unique<Worker>(i));
  } catch (const std::system_error&) {
    const std::string started = std::to_string(pool().workers.size() + 1);
    pool().workers.clear();
    throw std::runtime_error("the system starts " + started + " of " + std::to_string(threads) +
                             " threads and no more: ask for fewer, or raise the limit of processes (ulimit -u)");
  }
  pool().threads = threads;
}

int num_threads() {
  static std::once_flag first;
  std::call_once(first, [] {
    if (pool().threads == 0) set_num_threads(processors());
  });
  return pool().threads;
}

void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body) {
  if (count <= 0) return;
  expect(grain >= 1, "parallel_for", "a grain of at least 1", grain);
  const std::int64_t chunks = ceil_div(count, grain);
  if (chunks == 1 || inside_loop || num_threads() == 1) {
    run_serially(count, grain, body);
    return;
  }
  const auto threads = std::min<std::int64_t>(num_threads(), chunks);
  auto loop = std::make_shared<Loop>(static_cast<std::size_t>(threads));
  loop->count = count;
  loop->grain = grain;
  loop->chunks = chunks;
  loop->body = &body;
  for (std::int64_t i = 0; i < threads; ++i) {
    Share& share = loop->shares[static_cast<std::size_t>(i)];
    // i * chunks / threads, which would overflow for very many.
    const auto start = [&](std::int64_t place) {
      return place * (chunks / threads) + place * (chunks % threads) / threads;
    };
    share.next = start(i);
    share.end = start(i + 1);
  }
  for (std::int64_t i = 1; i < threads; ++i) {
    try {
      pool().workers[static_cast<std::size_t>(i - 1)]->post(loop);
    } catch (const std::bad_alloc&) {
      break;  // the others take its share
    }
  }
  loop->work(0);
  loop->wait();
}

}  // namespace striate
