// conv_fit [THREADS]: measures on this machine what ConvMachine (layers/conv/machine.h) holds, and prints the struct.
// Costs are fitted to the times of f32 convolutions. Every algorithm's cost() is linear in the constants, so it says
// itself how often each of them occurs: their formulas stand in layers/conv alone. Takes a minute; for numbers to keep,
// on a machine that does nothing else.

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "core/panel_product.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/scratch.h"
#include "layers/conv/machine.h"
#include "tests/bench/conv_operands.h"

namespace striate::kernel_bench {
namespace {

struct Constant {
  const char* name;
  double ConvMachine::*value;
};
constexpr std::array constants = {Constant{"im2col_gather", &ConvMachine::im2col_gather},
                                  Constant{"im2col_store", &ConvMachine::im2col_store},
                                  Constant{"im2col_pack", &ConvMachine::im2col_pack},
                                  Constant{"direct_store", &ConvMachine::direct_store},
                                  Constant{"direct_pack", &ConvMachine::direct_pack},
                                  Constant{"winograd_transform", &ConvMachine::winograd_transform},
                                  Constant{"winograd_f4_transform", &ConvMachine::winograd_f4_transform},
                                  Constant{"winograd_filter_row", &ConvMachine::winograd_filter_row},
                                  Constant{"winograd_filter", &ConvMachine::winograd_filter},
                                  Constant{"winograd_gradient", &ConvMachine::winograd_gradient}};
constexpr std::size_t count = constants.size();
using Row = std::array<double, count>;

/// Of the fastest run, after one that fills the caches.
template <class F>
double seconds(F&& run) {
  using Clock = std::chrono::steady_clock;
  constexpr double enough = 0.02;
  run();
  double fastest = std::numeric_limits<double>::infinity();
  double total = 0;
  for (int runs = 0; runs < 3 || (total < enough && runs < 1000); ++runs) {
    const auto start = Clock::now();
    run();
    const double time = std::chrono::duration<double>(Clock::now() - start).count();
    fastest = std::min(fastest, time);
    total += time;
  }
  return fastest;
}

/// The unit of costs: one multiply-add of a panel product that stays in the caches, on all threads.
double multiply_add_seconds() {
  constexpr std::int64_t rows = 56;
  constexpr std::int64_t depth = 256;
  constexpr std::int64_t repeats = 64;
  const std::int64_t tasks = num_threads();
  const double time = seconds([&] {
    parallel_for(tasks, 1, [&](std::int64_t, std::int64_t) {
      Scratch<float> a(rows * depth), b(depth * panel_width), c(rows * panel_width);
      std::fill_n(a.data(), rows * depth, 0.5F);
      std::fill_n(b.data(), depth * panel_width, 0.5F);
      for (std::int64_t i = 0; i < repeats; ++i) {
        multiply_panel<float>(rows, PanelDepth(depth), {a.data(), depth, 1}, {b.data()}, c.data(), panel_width, i > 0);
      }
    });
  });
  return time / static_cast<double>(tasks * repeats * rows * depth * panel_width);
}

/// Seconds of one load from a working set of so many bytes, each load at an address that the one before has read.
double load_seconds(std::int64_t bytes) {
  constexpr std::int64_t line = 64 / sizeof(std::int64_t);
  constexpr std::int64_t loads = 1 << 19;
  const std::int64_t lines = bytes / 64;
  std::vector<std::int64_t> order(static_cast<std::size_t>(lines));
  std::iota(order.begin(), order.end(), 0);
  RandomSequence draw(random_stream(1, RandomUse::test));
  for (std::int64_t i = lines - 1; i > 0; --i) {
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(draw.below(i + 1))]);
  }
  std::vector<std::int64_t> next(static_cast<std::size_t>(lines * line));
  for (std::size_t i = 0; i < order.size(); ++i) {
    next[static_cast<std::size_t>(order[i] * line)] = order[(i + 1) % order.size()] * line;
  }
  volatile std::int64_t end = 0;
  return seconds([&] {
           std::int64_t at = 0;
           for (std::int64_t i = 0; i < loads; ++i) at = next[static_cast<std::size_t>(at)];
           end = at;
         }) /
         static_cast<double>(loads);
}

struct WorkingSet {
  std::int64_t bytes;
  double seconds;  ///< of one load
};

std::vector<WorkingSet> measure_loads() {
  std::vector<WorkingSet> sets;
  for (std::int64_t bytes = std::int64_t{128} << 10; bytes <= std::int64_t{256} << 20; bytes *= 2) {
    sets.push_back({bytes, load_seconds(bytes)});
  }
  return sets;
}

/// The largest working set whose loads take at most three times as long as those of one of `inside` bytes: a level
/// further out takes more, page tables less.
std::int64_t cache_beyond(std::int64_t inside, const std::vector<WorkingSet>& sets) {
  const auto first = std::find_if(sets.begin(), sets.end(), [&](const WorkingSet& set) { return set.bytes >= inside; });
  std::int64_t largest = inside;
  for (auto set = first; set != sets.end() && set->seconds <= 3 * first->seconds; ++set) largest = set->bytes;
  return largest;
}

/// One algorithm on one shape and direction.
struct Sample {
  const ConvAlgorithm* algorithm;
  ConvGeometry g;
  ConvDirection direction;
  double seconds;

  [[nodiscard]] double cost(const ConvMachine& machine) const {
    return algorithm->cost(g, DType::f32, direction, machine);
  }
};

/// All that fit the same shape and direction, by preference.
using Contest = std::vector<Sample>;

std::vector<Contest> measure() {
  constexpr double most_multiply_adds = 4e8;
  std::vector<Contest> contests;
  for (const std::int64_t map : {32, 16, 8, 4, 2}) {
    for (const auto& [c, k] : {std::pair<std::int64_t, std::int64_t>{3, 32}, {16, 48}, {64, 64}, {128, 256}}) {
      for (const std::int64_t batch : {1, 8, 64}) {
        const ConvGeometry g = {batch, map, map, c, 3, 3, k, map, map, 1, 1, 1, 1};
        if (static_cast<double>(9 * g.positions() * c * k) > most_multiply_adds) continue;
        ConvOperandTensors<float> operands(g);
        for (const ConvDirection direction :
             {ConvDirection::forward, ConvDirection::backward_data, ConvDirection::backward_weights}) {
          Contest& contest = contests.emplace_back();
          for (const ConvAlgorithm* algorithm : conv_algorithms()) {
            if (!algorithm->fits(g, DType::f32, direction)) continue;
            if (std::isinf(algorithm->cost(g, DType::f32, direction, conv_machine))) continue;
            contest.push_back({algorithm, g, direction, seconds([&] { operands.run(g, direction, *algorithm); })});
          }
        }
      }
    }
  }
  return contests;
}

/// x with a x = b, for a symmetric and positive definite in the places that are in use; 0 in the others.
Row solve(std::array<Row, count> a, Row b, const std::array<bool, count>& used) {
  for (std::size_t i = 0; i < count; ++i) {
    if (!used[i]) continue;
    for (std::size_t j = 0; j < count; ++j) {
      if (j == i || !used[j]) continue;
      const double factor = a[j][i] / a[i][i];
      for (std::size_t l = 0; l < count; ++l) a[j][l] -= factor * a[i][l];
      b[j] -= factor * b[i];
    }
  }
  Row x{};
  for (std::size_t i = 0; i < count; ++i) {
    if (used[i]) x[i] = b[i] / a[i][i];
  }
  return x;
}

/// Least squares of relative errors; a constant that would be negative is 0.
Row fit(const std::vector<Contest>& contests, double unit) {
  ConvMachine nothing = conv_machine;
  for (const Constant& constant : constants) nothing.*constant.value = 0;
  std::array<Row, count> squares{};
  Row products{};
  for (const Contest& contest : contests) {
    for (const Sample& sample : contest) {
      const double measured = sample.seconds / unit / static_cast<double>(sample.g.c * sample.g.k);
      const double base = sample.cost(nothing);
      Row share;
      for (std::size_t i = 0; i < count; ++i) {
        ConvMachine one = nothing;
        one.*constants[i].value = 1;
        share[i] = (sample.cost(one) - base) / measured;
      }
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t j = 0; j < count; ++j) squares[i][j] += share[i] * share[j];
        products[i] += share[i] * (1 - base / measured);
      }
    }
  }
  std::array<bool, count> used;
  used.fill(true);
  while (true) {
    const Row x = solve(squares, products, used);
    const auto least = std::min_element(x.begin(), x.end());
    if (*least >= 0) return x;
    used[static_cast<std::size_t>(least - x.begin())] = false;
  }
}

/// How many times the time of the fastest algorithm what is chosen takes: the geometric mean.
double excess(const std::vector<Contest>& contests, const ConvMachine& machine) {
  double sum = 0;
  for (const Contest& contest : contests) {
    const auto chosen = std::min_element(contest.begin(), contest.end(), [&](const Sample& a, const Sample& b) {
      return a.cost(machine) < b.cost(machine);
    });
    const auto fastest = std::min_element(contest.begin(), contest.end(),
                                          [](const Sample& a, const Sample& b) { return a.seconds < b.seconds; });
    sum += std::log(chosen->seconds / fastest->seconds);
  }
  return std::exp(sum / static_cast<double>(contests.size()));
}

int main_of(int argc, char** argv) {
  if (argc > 2 || (argc == 2 && std::atoi(argv[1]) < 1)) {
    std::fputs("usage: conv_fit [THREADS], 1 or more\n", stderr);
    return 2;
  }
  if (argc == 2) set_num_threads(std::atoi(argv[1]));
  ConvMachine measured = conv_machine;
  const std::vector<WorkingSet> loads = measure_loads();
  measured.second_level_cache = cache_beyond(loads.front().bytes, loads);
  // Half of it: the other cores and the rest of the training step have theirs.
  measured.last_level_cache = cache_beyond(4 * measured.second_level_cache, loads) / 2;
  const double unit = multiply_add_seconds();
  const std::vector<Contest> contests = measure();
  const Row x = fit(contests, unit);
  for (std::size_t i = 0; i < count; ++i) measured.*constants[i].value = x[i];

  std::printf("A multiply-add of the panel product: %.4f ns on %d threads\n", 1e9 * unit, num_threads());
  std::printf("A load from so many KiB takes");
  for (const WorkingSet& set : loads) {
    std::printf(" %lld: %.1f ns", static_cast<long long>(set.bytes >> 10), 1e9 * set.seconds);
  }
  std::printf("\n\nstruct ConvMachine {  // in force\n");
  const auto print_bytes = [](const char* name, std::int64_t here, std::int64_t in_force) {
    std::printf("  std::int64_t %s = %lld;  // %lld\n", name, static_cast<long long>(here),
                static_cast<long long>(in_force));
  };
  print_bytes("second_level_cache", measured.second_level_cache, conv_machine.second_level_cache);
  print_bytes("last_level_cache", measured.last_level_cache, conv_machine.last_level_cache);
  for (const Constant& constant : constants) {
    std::printf("  double %s = %.1f;  // %.1f\n", constant.name, measured.*constant.value,
                conv_machine.*constant.value);
  }
  std::printf(
      "};\n\nWhat is chosen takes %.3f times as long as the fastest by these values, %.3f by those in force\n"
      "(%zu shapes and directions)\n",
      excess(contests, measured), excess(contests, conv_machine), contests.size());
  return 0;
}

}  // namespace
}  // namespace striate::kernel_bench

int main(int argc, char** argv) { return striate::kernel_bench::main_of(argc, argv); }
