#pragma once
// Parallel loops over one pool of threads. Work is cut by the problem's size (the grain), never by the number of
// threads, so that any number of threads computes the same bits. After a loop its threads spin for up to 1 ms before
// they sleep: in training, the next loop comes sooner.

#include <cstdint>
#include <functional>

namespace striate {

/// Sets how many threads parallel loops use, the calling one included (default: every processor that the process
/// may run on). Throws std::invalid_argument below 1. Not for use while a loop runs, in any thread.
void set_num_threads(int threads);
int num_threads();

/// Calls body(begin, end) for [0, grain), [grain, 2*grain), ... up to count, in any order and on any thread; returns
/// when all are done. Chunks must write to different places. Inside another loop it runs serially. The exception
/// of the lowest chunk that threw is thrown again.
void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body);

}  // namespace striate
