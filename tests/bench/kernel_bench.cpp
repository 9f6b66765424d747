// kernel_bench [--threads=N] [--benchmark_filter=REGEX] ...: products, convolutions, batch norm, pooling and transforms
// alone, and memory.

#include "tests/bench/kernel_bench.h"

#include <charconv>
#include <cstring>
#include <iostream>
#include <string>

#include "core/gemm.h"
#include "core/panel_product.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "core/simd.h"
#include "layers/avg_pool.h"
#include "layers/batch_norm.h"
#include "layers/max_pool.h"
#include "tests/bench/conv_operands.h"
#include "tests/support/batch_norm_relu.h"

namespace striate::kernel_bench {
namespace {

constexpr std::int64_t batch = 128;

// c (m,n) = a (m,l) * b (l,n) on all threads.
void gemm_product(benchmark::State& state) {
  const std::int64_t m = state.range(0);
  const std::int64_t n = state.range(1);
  const std::int64_t l = state.range(2);
  const Tensor a = noise({m, l});
  const Tensor b = noise({l, n});
  Tensor c = Tensor::empty({m, n}, DType::f32);
  for (auto iteration : state) {
    static_cast<void>(iteration);
    parallel_gemm<float>(Transpose::no, Transpose::no, m, n, l, a.data<float>(), l, b.data<float>(), n,
                         c.mutable_data<float>(), n, false);
  }
  report(state, 2.0 * static_cast<double>(m * n * l), 0);
}
BENCHMARK(gemm_product)->Args({512, 512, 512})->Args({8192, 256, 128})->Args({128, 10, 512})->UseRealTime();

// The micro-kernel on one thread: 56 rows, and a depth of so many channels.
template <class Word>
void panel_product(benchmark::State& state) {
  const std::ptrdiff_t rows = 56;
  const std::ptrdiff_t words = state.range(0) / word_depth<Word>;
  Scratch<Word> a(rows * words);
  Scratch<Word> b(words * panel_width);
  Scratch<float> c(rows * panel_width);
  std::memset(a.data(), 0, sizeof(Word) * static_cast<std::size_t>(rows * words));
  std::memset(b.data(), 0, sizeof(Word) * static_cast<std::size_t>(words * panel_width));
  for (auto iteration : state) {
    static_cast<void>(iteration);
    multiply_panel<Word>(rows, PanelDepth(words), {a.data(), words, 1}, {b.data()}, c.data(), panel_width, false);
    benchmark::ClobberMemory();
  }
  report(state, 2.0 * static_cast<double>(rows * panel_width * state.range(0)), 0);
}
BENCHMARK(panel_product<float>)->Arg(64)->Arg(256)->Arg(512);
BENCHMARK(panel_product<BfloatPair>)->Arg(64)->Arg(256)->Arg(512);

// The bound of ops that do little arithmetic: 32 MiB, read or copied on all threads.
constexpr std::int64_t memory_values = std::int64_t{8} << 20;
constexpr std::int64_t memory_chunk = 32768;

void memory_read(benchmark::State& state) {
  const Tensor x = noise({memory_values});
  const auto* from = x.data<float>();
  for (auto iteration : state) {
    static_cast<void>(iteration);
    parallel_for(memory_values, memory_chunk, [=](std::int64_t begin, std::int64_t end) {
      Vec sums[8] = {};
      for (std::int64_t i = begin; i < end; i += 8 * lanes) {
        for (int k = 0; k < 8; ++k) sums[k] += load(from + i + k * lanes);
      }
      benchmark::DoNotOptimize(sums);
    });
  }
  report(state, 0, static_cast<double>(x.bytes()));
}
BENCHMARK(memory_read)->UseRealTime()->Unit(benchmark::kMillisecond);

void memory_copy(benchmark::State& state) {
  const Tensor x = noise({memory_values});
  Tensor y = noise({memory_values});
  const auto* from = x.data<float>();
  auto* to = y.mutable_data<float>();
  for (auto iteration : state) {
    static_cast<void>(iteration);
    parallel_for(memory_values, memory_chunk, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; i += lanes) store(to + i, load(from + i));
    });
  }
  report(state, 0, static_cast<double>(2 * x.bytes()));
}
BENCHMARK(memory_copy)->UseRealTime()->Unit(benchmark::kMillisecond);

// An op on (batch, map, map, channels), forward or backward. Bytes are those of x and y, or of dx, dy and x.
template <class Op>
void op_bench(benchmark::State& state, DType dtype, bool backward, Op op) {
  const std::int64_t map = state.range(0);
  Tensor x = noise({batch, map, map, state.range(1)}, dtype).set_requires_grad(backward);
  Tensor y = op(x);
  const auto bytes = static_cast<double>(x.bytes() + y.bytes() + (backward ? x.bytes() : 0));
  const Tensor dy = noise(y.shape(), dtype);
  for (auto iteration : state) {
    static_cast<void>(iteration);
    if (!backward) {
      y = op(x);
      continue;
    }
    state.PauseTiming();
    x.set_grad({});
    y = op(x);
    state.ResumeTiming();
    y.backward(dy);
  }
  report(state, 0, bytes);
}

template <bool relu>
void batch_norm_op(benchmark::State& state, DType dtype, bool backward) {
  const std::int64_t channels = state.range(1);
  const Tensor weight = Tensor::full({channels}, 1);
  const Tensor bias = Tensor::zeros({channels});
  const Tensor mean = Tensor::zeros({channels});
  const Tensor var = Tensor::full({channels}, 1);
  op_bench(state, dtype, backward, [&](const Tensor& x) {
    return testing_support::batch_norm_relu(x, weight, bias, mean, var, {.training = true}, relu);
  });
}

void max_pool_op(benchmark::State& state, DType dtype, bool backward) {
  op_bench(state, dtype, backward, [](const Tensor& x) { return max_pool2d(x, {.kernel_size = 2}); });
}

void avg_pool_op(benchmark::State& state, DType dtype, bool backward) {
  op_bench(state, dtype, backward, [](const Tensor& x) { return avg_pool2d(x, {.kernel_size = 2}); });
}

void register_ops() {
  using Bench = void (*)(benchmark::State&, DType, bool);
  for (const auto& [name, bench] : {std::pair<const char*, Bench>{"batch_norm", batch_norm_op<false>},
                                    {"batch_norm_relu", batch_norm_op<true>},
                                    {"max_pool", max_pool_op},
                                    {"avg_pool", avg_pool_op}}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (const bool backward : {false, true}) {
        const std::string full = std::string(name) + "/" + to_string(dtype) + (backward ? "/backward" : "/forward");
        benchmark::RegisterBenchmark(full.c_str(), bench, dtype, backward)
            ->ArgNames({"map", "channels"})
            ->Args({32, 64})
            ->Args({16, 128})
            ->Args({4, 512})
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
}

// Takes --threads=N out of the arguments; false where it is not a number.
bool take_threads(int& argc, char** argv) {
  constexpr const char* flag = "--threads=";
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], flag, std::strlen(flag)) != 0) {
      argv[kept++] = argv[i];
      continue;
    }
    const char* text = argv[i] + std::strlen(flag);
    int threads = 0;
    if (std::from_chars(text, text + std::strlen(text), threads).ec != std::errc() || threads < 1) {
      std::cerr << "--threads must be 1 or more, got " << text << "\n";
      return false;
    }
    set_num_threads(threads);
  }
  argc = kept;
  return true;
}

}  // namespace
}  // namespace striate::kernel_bench

int main(int argc, char** argv) {
  if (!striate::kernel_bench::take_threads(argc, argv)) return 2;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  striate::kernel_bench::register_convolutions();
  striate::kernel_bench::register_ops();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
