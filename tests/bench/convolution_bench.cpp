// kernel_bench's convolutions: shapes of VGG16 by every algorithm that fits.

#include <array>
#include <string>

#include "core/dtype.h"
#include "tests/bench/conv_operands.h"
#include "tests/bench/kernel_bench.h"

namespace striate::kernel_bench {
namespace {

constexpr std::array directions = {ConvDirection::forward, ConvDirection::backward_data,
                                   ConvDirection::backward_weights};

// The 3x3 convolutions of VGG16 on 32x32 images, batch 128, then a strided one, one of 1x1 and a depthwise
// one.
constexpr std::int64_t batch = 128;
ConvGeometry shape(std::int64_t map, std::int64_t c, std::int64_t k) {
  return {batch, map, map, c, 3, 3, k, map, map, 1, 1, 1, 1};
}
const std::array geometries = {shape(32, 3, 64),
                               shape(32, 64, 64),
                               shape(16, 64, 128),
                               shape(16, 128, 128),
                               shape(8, 128, 256),
                               shape(8, 256, 256),
                               shape(4, 256, 512),
                               shape(4, 512, 512),
                               shape(2, 512, 512),
                               ConvGeometry{batch, 32, 32, 64, 3, 3, 128, 16, 16, 2, 1, 1, 1},
                               ConvGeometry{batch, 16, 16, 128, 1, 1, 256, 16, 16, 1, 0, 1, 1},
                               ConvGeometry{batch, 16, 16, 128, 3, 3, 128, 16, 16, 1, 1, 1, 128}};

template <class T>
void run(benchmark::State& state, const ConvGeometry& g, ConvDirection direction, const ConvAlgorithm& algorithm) {
  ConvOperandTensors<T> operands(g);
  for (auto iteration : state) {
    static_cast<void>(iteration);
    operands.run(g, direction, algorithm);
  }
  report(state, 2.0 * static_cast<double>(g.positions() * g.r * g.s * g.group_inputs() * g.k), 0);
}

std::string name_of(const ConvGeometry& g, DType dtype, ConvDirection direction, const ConvAlgorithm& algorithm) {
  std::string name = "conv/" + to_string(dtype) + "/" + std::to_string(g.h) + "x" + std::to_string(g.w) + "x" +
                     std::to_string(g.c) + "-" + std::to_string(g.k) + ":" + std::to_string(g.r) + "x" +
                     std::to_string(g.s);
  if (g.stride.height > 1) name += ",stride" + std::to_string(g.stride.height);
  if (g.groups > 1) name += ",groups" + std::to_string(g.groups);
  return name + "/" + to_string(direction) + "/" + algorithm.name;
}

}  // namespace

void register_convolutions() {
  for (const ConvGeometry& g : geometries) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (const ConvDirection direction : directions) {
        for (const ConvAlgorithm* algorithm : conv_algorithms()) {
          if (!algorithm->fits(g, dtype, direction)) continue;
          benchmark::RegisterBenchmark(name_of(g, dtype, direction, *algorithm).c_str(),
                                       [=](benchmark::State& state) {
                                         dtype == DType::f32 ? run<float>(state, g, direction, *algorithm)
                                                             : run<bfloat16>(state, g, direction, *algorithm);
                                       })
              ->UseRealTime()
              ->Unit(benchmark::kMillisecond);
        }
      }
    }
  }
}

}  // namespace striate::kernel_bench
