#include "apps/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "core/parallel.h"
#include "core/simd.h"

namespace striate::apps {
namespace {

// Sums enough to hide an instruction's latency, few enough for the registers.
constexpr int sums = lanes == 16 ? 24 : 12;
constexpr std::int64_t repeats = 1 << 19;

std::atomic<float> kept;  // keeps the compiler from leaving out what nobody reads

struct F32 {
  static constexpr double flops = 2.0 * lanes;
  static void multiply_add(Vec& sum, Vec a, Vec b) { sum += a * b; }
};

#if defined(__AVX512BF16__)
struct Bf16Pairs {
  static constexpr double flops = 4.0 * lanes;
  static void multiply_add(Vec& sum, Vec a, Vec b) {
    sum = std::bit_cast<Vec>(_mm512_dpbf16_ps(std::bit_cast<__m512>(sum), std::bit_cast<__m512bh>(a),
                                              std::bit_cast<__m512bh>(b)));
  }
};
#else
using Bf16Pairs = F32;
#endif

template <class Kind>
void multiply_adds() {
  Vec sum[sums] = {};
  Vec a = broadcast(0.5F);
  Vec b = broadcast(0.25F);
  for (std::int64_t i = 0; i < repeats; ++i) {
    // Values that the compiler cannot know.
    asm volatile("" : "+v"(a), "+v"(b));
#pragma GCC unroll 32
    for (Vec& one : sum) Kind::multiply_add(one, a, b);
  }
  Vec total = {};
  for (const Vec one : sum) total += one;
  kept = total[0];
}

template <class Kind>
double best_of_rounds() {
  double best = 0;
  for (int round = 0; round < 8; ++round) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(num_threads(), 1, [](std::int64_t, std::int64_t) { multiply_adds<Kind>(); });
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    best = std::max(best, num_threads() * static_cast<double>(repeats) * sums * Kind::flops / time.count());
  }
  return best / 1e9;
}

}  // namespace

double measured_peak(DType operands) {
  if (operands == DType::f32) return best_of_rounds<F32>();
  return operands == DType::bf16 ? best_of_rounds<Bf16Pairs>() : 0;
}

}  // namespace striate::apps
