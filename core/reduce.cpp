#include "core/reduce.h"

#include <cstddef>
#include <utility>

#include "core/autograd.h"
#include "core/broadcast.h"
#include "core/elementwise.h"
#include "core/sum_kernel.h"

namespace striate {
namespace {

// `kept_shape` has size 1 where axes were summed, `y_shape` is the shape asked for.
Tensor sum_and_divide(const char* op, const Tensor& x, const std::vector<bool>& summed,
                      const Shape& kept_shape, Shape y_shape, double divisor) {
  Tensor y = sum_over(x, summed, std::move(y_shape), divisor);
  record(op, y, {x}, [op, x_shape = x.shape(), kept_shape, divisor](Backward& bw) {
    // Every element went into its sum with weight 1 / divisor.
    const Tensor share = divisor == 1 ? bw.dy() : affine(bw.dy(), 1 / divisor);
    bw.add(0, expand(op, share.viewed_as(kept_shape), x_shape));
  });
  return y;
}

Tensor reduce_all(const char* op, const Tensor& x, bool average) {
  const auto rank = x.shape().size();
  return sum_and_divide(op, x, std::vector<bool>(rank, true), Shape(rank, 1), {},
                        average ? static_cast<double>(x.numel()) : 1);
}

Tensor reduce_axes(const char* op, const Tensor& x, const std::vector<Axis>& axes, bool keepdim,
                   bool average) {
  if (axes.empty()) shape_error(op, "at least one axis must be named: " + to_string(x.shape()));
  std::vector<bool> summed(x.shape().size());
  for (const Axis axis : axes) summed[static_cast<std::size_t>(index_of(axis, x, op))] = true;
  Shape kept_shape = x.shape();
  Shape short_shape;
  double count = 1;
  for (std::size_t i = 0; i < summed.size(); ++i) {
    if (summed[i]) {
      count *= static_cast<double>(x.shape()[i]);
      kept_shape[i] = 1;
    } else {
      short_shape.push_back(x.shape()[i]);
    }
  }
  return sum_and_divide(op, x, summed, kept_shape, keepdim ? kept_shape : short_shape, average ? count : 1);
}

}  // namespace

Tensor sum(const Tensor& x) {
  return reduce_all("sum", x, false);
}
Tensor mean(const Tensor& x) {
  return reduce_all("mean", x, true);
}
Tensor sum(const Tensor& x, const std::vector<Axis>& axes, bool keepdim) {
  return reduce_axes("sum", x, axes, keepdim, false);
}
Tensor mean(const Tensor& x, const std::vector<Axis>& axes, bool keepdim) {
  return reduce_axes("mean", x, axes, keepdim, true);
}

}  // namespace striate
