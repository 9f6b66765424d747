#include <array>
#include <stdexcept>
#include <string>

#include "core/dtype.h"
#include "layers/conv/kernels.h"
#include "tests/bench/kernel_bench.h"

namespace striate::kernel_bench {
namespace {

enum class Direction : std::uint8_t { forward, backward_data, backward_weights };

constexpr std::array directions = {Direction::forward, Direction::backward_data, Direction::backward_weights};
constexpr std::array algorithms = {ConvAlgorithm::im2col,         ConvAlgorithm::direct,
                                   ConvAlgorithm::winograd_f2,    ConvAlgorithm::winograd_f4,
                                   ConvAlgorithm::winograd_line2, ConvAlgorithm::winograd_line4,
                                   ConvAlgorithm::product,        ConvAlgorithm::depthwise};
constexpr std::array direction_names = {"forward", "backward-data", "backward-weights"};

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
void run(benchmark::State& state, const ConvGeometry& g, Direction direction, ConvAlgorithm algorithm) {
  using W = ConvParameter<T>;
  Tensor x = noise({g.n, g.h, g.w, g.c}, DTypeOf<T>::value);
  Tensor w = noise({g.r, g.s, g.group_inputs(), g.k}, DTypeOf<W>::value);
  Tensor y = noise({g.n, g.p, g.q, g.k}, DTypeOf<T>::value);
  for (auto iteration : state) {
    static_cast<void>(iteration);
    if (direction == Direction::forward) {
      conv_forward<T>(g, x.data<T>(), w.data<W>(), {}, y.mutable_data<T>(), algorithm);
    } else if (direction == Direction::backward_data) {
      conv_backward_data<T>(g, y.data<T>(), w.data<W>(), x.mutable_data<T>(), algorithm);
    } else {
      conv_backward_weights<T>(g, x.data<T>(), y.data<T>(), w.mutable_data<W>(), algorithm);
    }
  }
  report(state, 2.0 * static_cast<double>(g.positions() * g.r * g.s * g.group_inputs() * g.k), 0);
}

bool can_do(const ConvGeometry& g, DType dtype, ConvAlgorithm algorithm) {
  try {
    choose_conv(g, dtype, algorithm);
    return true;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

std::string name_of(const ConvGeometry& g, DType dtype, Direction direction, ConvAlgorithm algorithm) {
  std::string name = "conv/" + to_string(dtype) + "/" + std::to_string(g.h) + "x" + std::to_string(g.w) + "x" +
                     std::to_string(g.c) + "-" + std::to_string(g.k) + ":" + std::to_string(g.r) + "x" +
                     std::to_string(g.s);
  if (g.stride.height > 1) name += ",stride" + std::to_string(g.stride.height);
  if (g.groups > 1) name += ",groups" + std::to_string(g.groups);
  return name + "/" + direction_names.at(static_cast<std::size_t>(direction)) + "/" + to_string(algorithm);
}

}  // namespace

void register_convolutions() {
  for (const ConvGeometry& g : geometries) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (const Direction direction : directions) {
        for (const ConvAlgorithm algorithm : algorithms) {
          if (!can_do(g, dtype, algorithm)) continue;
          benchmark::RegisterBenchmark(name_of(g, dtype, direction, algorithm).c_str(),
                                       [=](benchmark::State& state) {
                                         dtype == DType::f32 ? run<float>(state, g, direction, algorithm)
                                                             : run<bfloat16>(state, g, direction, algorithm);
                                       })
              ->UseRealTime()
              ->Unit(benchmark::kMillisecond);
        }
      }
    }
  }
}

}  // namespace striate::kernel_bench
