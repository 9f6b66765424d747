#pragma once
#include <benchmark/benchmark.h>

#include "core/tensor.h"
#include "layers/init.h"

namespace striate::kernel_bench {

/// Reports a rate beside the time: `flops` and `bytes` of one iteration; 0 is left out.
inline void report(benchmark::State& state, double flops, double bytes) {
  const auto runs = static_cast<double>(state.iterations());
  if (flops > 0) {
    state.counters["GFLOP/s"] = benchmark::Counter(1e-9 * flops * runs, benchmark::Counter::kIsRate);
  }
  if (bytes > 0) state.counters["GB/s"] = benchmark::Counter(1e-9 * bytes * runs, benchmark::Counter::kIsRate);
}

/// N(0,1).
inline Tensor noise(const Shape& shape, DType dtype = DType::f32) {
  Tensor values = Tensor::empty(shape, DType::f32);
  normal_(values, 0, 1);
  Tensor result = Tensor::empty(shape, dtype);
  result.copy_from(values);
  return result;
}

/// Convolutions by shape, dtype, direction and algorithm.
void register_convolutions();

}  // namespace striate::kernel_bench
