#include "core/reduce.h"

#include <cstddef>

#include "core/autograd.h"
#include "core/broadcast.h"
#include "core/elementwise.h"
#include "core/sum_kernel.h"

namespace striate {
namespace {

Tensor reduce(const char* op, const Tensor& x, const std::vector<bool>& summed, bool keepdim, bool average) {
  Shape kept_shape = x.shape();
  Shape short_shape;
  double divisor = 1;
  for (std::size_t i = 0; i < summed.size(); ++i) {
    if (summed[i]) {
      if (average) divisor *= static_cast<double>(x.shape()[i]);
      kept_shape[i] = 1;
    } else {
      short_shape.push_back(x.shape()[i]);
    }
  }
  Tensor y = sum_over(x, summed, keepdim ? kept_shape : short_shape, divisor);
  record(op, y, {x}, [op, x_shape = x.shape(), kept_shape, divisor](Backward& bw) {
    // Every element went into its sum with weight 1 / divisor.
    const Tensor share = divisor == 1 ? bw.dy() : affine(bw.dy(), 1 / divisor);
    bw.add(0, expand(op, share.viewed_as(kept_shape), x_shape));
  });
  return y;
}

std::vector<bool> all_axes(const Tensor& x) { return std::vector<bool>(x.shape().size(), true); }

std::vector<bool> places_of(const char* op, const Tensor& x, const std::vector<Axis>& axes) {
  if (axes.empty()) shape_error(op, "at least one axis must be named: " + to_string(x.shape()));
  std::vector<bool> summed(x.shape().size());
  for (const Axis axis : axes) summed[static_cast<std::size_t>(index_of(axis, x, op))] = true;
  return summed;
}

}  // namespace

Tensor sum(const Tensor& x) { return reduce("sum", x, all_axes(x), false, false); }
Tensor mean(const Tensor& x) { return reduce("mean", x, all_axes(x), false, true); }
Tensor sum(const Tensor& x, const std::vector<Axis>& axes, bool keepdim) {
  return reduce("sum", x, places_of("sum", x, axes), keepdim, false);
}
Tensor mean(const Tensor& x, const std::vector<Axis>& axes, bool keepdim) {
  return reduce("mean", x, places_of("mean", x, axes), keepdim, true);
}

}  // namespace striate
