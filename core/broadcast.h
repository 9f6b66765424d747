#pragma once
// Index arithmetic of broadcasting, for elementwise ops and their gradients: sizes are matched from the last
// axis, and a size of 1 (or a missing axis) stretches.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/tensor.h"

namespace striate {

/// The walk over the output of two broadcast inputs. Neighbouring axes are merged where both inputs allow, so
/// that equal shapes are one long run.
class Broadcast {
 public:
  /// Throws ShapeError "[op] ..." where a pair of sizes is neither equal nor has a 1.
  Broadcast(const char* op, const Shape& a, const Shape& b);

  [[nodiscard]] const Shape& shape() const { return shape_; }
  /// How far an input moves when the output moves by one within a run: 0 or 1.
  [[nodiscard]] std::int64_t step_a() const { return axes_.back().stride_a; }
  [[nodiscard]] std::int64_t step_b() const { return axes_.back().stride_b; }

  /// Calls run(out, a, b, count) for the stretches that make up elements begin .. end-1 of the output:
  /// `count` elements from offset `out`, computed from the inputs at offsets `a` and `b`.
  template <class F>
  void for_each_run(std::int64_t begin, std::int64_t end, F&& run) const {
    const std::int64_t length = axes_.back().size;
    while (begin < end) {
      const std::int64_t column = begin % length;
      const std::int64_t count = std::min(length - column, end - begin);
      const Offsets row = row_offsets(begin / length);
      run(begin, row.a + column * step_a(), row.b + column * step_b(), count);
      begin += count;
    }
  }

 private:
  struct MergedAxis {
    std::int64_t size;
    std::int64_t stride_a;
    std::int64_t stride_b;
  };
  struct Offsets {
    std::int64_t a;
    std::int64_t b;
  };

  [[nodiscard]] Offsets row_offsets(std::int64_t row) const;

  Shape shape_;
  std::vector<MergedAxis> axes_;  // never empty; the last one is what a run covers
};

/// x, floating, repeated along stretched axes into the shape that this makes, outside the graph.
Tensor expand(const char* op, const Tensor& x, const Shape& shape);

}  // namespace striate
