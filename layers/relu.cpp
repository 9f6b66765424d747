#include "layers/relu.h"

#include "core/deferred.h"
#include "layers/unary.h"

namespace striate {

Tensor relu(const Tensor& x) {
  if (const auto step = x.deferred_step()) {
    const Tensor y = step->then_relu();
    if (y.defined()) return y;
  }
  // A NaN compares false, so it stays, and lets its gradient pass.
  return unary(
      "relu", x, Keeps::output, []<class V>(V v) { return v < V{} ? V{} : v; },
      []<class V>(V dy, V y) { return select(!(y <= V{}), dy); });
}

}  // namespace striate
