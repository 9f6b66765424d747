#include <algorithm>
#include <array>
#include <ctime>
#include <numeric>
#include <vector>

#include "apps/bench/layers.h"
#include "core/parallel.h"
#include "core/simd.h"

namespace striate::cli {
namespace {

// Enough independent sums to hide the latency of an instruction, few enough for the registers.
constexpr std::size_t sums = lanes == 16 ? 24 : 12;
constexpr std::int64_t repeats = 1 << 20;

struct F32 {
  static constexpr double flops = 2.0 * lanes;
  static void multiply_add(Vec& sum, Vec a, Vec b) { sum = sum * a + b; }
};

#if defined(__AVX512BF16__)
struct Bf16Pairs {
  static constexpr double flops = 4.0 * lanes;
  static void multiply_add(Vec& sum, Vec a, Vec b) {
    sum = std::bit_cast<Vec>(
        _mm512_dpbf16_ps(std::bit_cast<__m512>(sum), std::bit_cast<__m512bh>(a), std::bit_cast<__m512bh>(b)));
  }
};
#else
using Bf16Pairs = F32;
#endif

template <class Kind>
void multiply_adds() {
  const Vec a = broadcast(0.5F);
  const Vec b = broadcast(0.25F);
  std::array<Vec, sums> sum;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = broadcast(static_cast<float>(i));
  for (std::int64_t i = 0; i < repeats; ++i) {
#pragma GCC unroll 32
    for (Vec& one : sum) Kind::multiply_add(one, a, b);
  }
  Vec total = {};
  for (const Vec one : sum) total += one;
  [[maybe_unused]] volatile float kept = total[0];  // else the compiler would drop the loop
}

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Threads are timed by their own CPU clocks, so that other programs count for little.
template <class Kind>
double best_of_rounds() {
  double best = 0;
  std::vector<double> rates(static_cast<std::size_t>(num_threads()));
  for (int round = 0; round < 8; ++round) {
    parallel_for(num_threads(), 1, [&](std::int64_t thread, std::int64_t) {
      const double start = thread_seconds();
      multiply_adds<Kind>();
      const double work = static_cast<double>(repeats) * static_cast<double>(sums) * Kind::flops;
      rates[static_cast<std::size_t>(thread)] = work / (thread_seconds() - start);
    });
    best = std::max(best, std::accumulate(rates.begin(), rates.end(), 0.0));
  }
  return best / 1e9;
}

}  // namespace

double measured_peak(DType operands) {
  if (operands == DType::f32 || operands == DType::f16) return best_of_rounds<F32>();
  return operands == DType::bf16 ? best_of_rounds<Bf16Pairs>() : 0;
}

}  // namespace striate::cli
