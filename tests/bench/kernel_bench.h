#pragma once
// What the parts of kernel_bench share.

#include <benchmark/benchmark.h>

namespace striate::kernel_bench {

/// Reports a rate beside the time: `flops` and `bytes` of one iteration; 0 is left out.
inline void report(benchmark::State& state, double flops, double bytes) {
  const auto runs = static_cast<double>(state.iterations());
  if (flops > 0) {
    state.counters["GFLOP/s"] = benchmark::Counter(1e-9 * flops * runs, benchmark::Counter::kIsRate);
  }
  if (bytes > 0) state.counters["GB/s"] = benchmark::Counter(1e-9 * bytes * runs, benchmark::Counter::kIsRate);
}

/// Convolutions by shape, dtype, direction and algorithm: convolution_bench.cpp.
void register_convolutions();

}  // namespace striate::kernel_bench
