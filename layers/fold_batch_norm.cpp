#include "layers/fold_batch_norm.h"

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "core/autograd.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "layers/by_register.h"

namespace striate {
namespace {

template <class P>
FoldedConv fold_as(const Conv2d& conv, const BatchNorm2d& norm) {
  const std::int64_t filters = conv.weight.size(3);
  std::vector<P> scales(static_cast<std::size_t>(filters));
  FoldedConv folded{Tensor::empty(conv.weight.shape(), conv.weight.dtype()),
                    Tensor::empty({filters}, conv.weight.dtype())};
  const auto value = [](const Tensor& values, std::int64_t k, double otherwise) {
    return values.defined() ? static_cast<double>(values.data<P>()[k]) : otherwise;
  };
  P* bias = folded.bias.mutable_data<P>();
  for (std::int64_t k = 0; k < filters; ++k) {
    const double scale =
        value(norm.weight, k, 1) / std::sqrt(value(norm.running_var, k, 1) + norm.options().eps);
    const double centred = value(conv.bias, k, 0) - value(norm.running_mean, k, 0);
    scales[static_cast<std::size_t>(k)] = static_cast<P>(scale);
    bias[k] = static_cast<P>(centred * scale + value(norm.bias, k, 0));
  }
  const P* from = conv.weight.data<P>();
  const P* scale = scales.data();
  P* to = folded.weight.mutable_data<P>();
  const std::int64_t rows = conv.weight.numel() / filters;
  parallel_for(rows, 1 + (1 << 15) / filters, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin * filters; i < end * filters; i += filters) {
      by_register<P>(filters, [=](auto zero, std::int64_t k) {
        using V = decltype(zero);
        write(to + i + k, read<V>(from + i + k) * read<V>(scale + k));
      });
    }
  });
  return folded;
}

}  // namespace

bool can_fold(const Conv2d& conv, const BatchNorm2d& norm, const Tensor& x) {
  const DType dtype = conv.weight.dtype();
  const Shape filters = {conv.weight.size(3)};
  if (norm.training() || !norm.running_mean.defined() || !norm.running_var.defined()) return false;
  if (dtype != DType::f32 && dtype != DType::f64) return false;
  for (const Tensor& values : {norm.weight, norm.bias, norm.running_mean, norm.running_var, conv.bias}) {
    if (values.defined() && (values.shape() != filters || values.dtype() != dtype)) return false;
  }
  return !recording({x, conv.weight, conv.bias, norm.weight, norm.bias});
}

FoldedConv fold(const Conv2d& conv, const BatchNorm2d& norm) {
  return conv.weight.dtype() == DType::f64 ? fold_as<double>(conv, norm) : fold_as<float>(conv, norm);
}

}  // namespace striate
