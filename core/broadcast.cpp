#include "core/broadcast.h"

#include "core/parallel.h"

namespace striate {
namespace {

// The size of an axis counted from the last; missing axes have size 1.
std::int64_t size_from_end(const Shape& shape, std::size_t back) {
  return back < shape.size() ? shape[shape.size() - 1 - back] : 1;
}

}  // namespace

Broadcast::Broadcast(const char* op, const Shape& a, const Shape& b) : shape_(std::max(a.size(), b.size())) {
  for (std::size_t back = 0; back < shape_.size(); ++back) {
    const std::int64_t size_a = size_from_end(a, back);
    const std::int64_t size_b = size_from_end(b, back);
    if (size_a != size_b && size_a != 1 && size_b != 1) {
      shape_error(op, "sizes must be equal or 1, counted from the last axis: " + to_string(a) + " and " +
                          to_string(b) + " meet as " + std::to_string(size_a) + " and " +
                          std::to_string(size_b));
    }
    shape_[shape_.size() - 1 - back] = size_a == 1 ? size_b : size_a;
  }
  merge_axes(a, b);
}

void Broadcast::merge_axes(const Shape& a, const Shape& b) {
  std::int64_t stride_a = 1;
  std::int64_t stride_b = 1;
  for (std::size_t back = 0; back < shape_.size(); ++back) {
    const std::int64_t size = size_from_end(shape_, back);
    const std::int64_t size_a = size_from_end(a, back);
    const std::int64_t size_b = size_from_end(b, back);
    if (size != 1) {
      const MergedAxis axis{size, size_a == 1 ? 0 : stride_a, size_b == 1 ? 0 : stride_b};
      // axes_ is filled from the innermost outwards and turned around below.
      if (!axes_.empty() && axis.stride_a == axes_.back().stride_a * axes_.back().size &&
          axis.stride_b == axes_.back().stride_b * axes_.back().size) {
        axes_.back().size *= size;
      } else {
        axes_.push_back(axis);
      }
    }
    stride_a *= size_a;
    stride_b *= size_b;
  }
  if (axes_.empty()) axes_.push_back({1, 1, 1});
  std::reverse(axes_.begin(), axes_.end());
}

Broadcast::Offsets Broadcast::row_offsets(std::int64_t row) const {
  Offsets offsets{0, 0};
  for (std::size_t i = axes_.size() - 1; i-- > 0;) {
    const std::int64_t index = row % axes_[i].size;
    row /= axes_[i].size;
    offsets.a += index * axes_[i].stride_a;
    offsets.b += index * axes_[i].stride_b;
  }
  return offsets;
}

Tensor expand(const char* op, const Tensor& x, const Shape& shape) {
  const Broadcast broadcast(op, x.shape(), shape);
  if (broadcast.shape() != shape) {
    shape_error(
        op, "the shape must be reached by stretching: " + to_string(x.shape()) + " to " + to_string(shape));
  }
  Tensor y = Tensor::empty(shape, x.dtype());
  dispatch_all(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = x.data<T>();
    T* to = y.mutable_data<T>();
    parallel_for(y.numel(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
      broadcast.for_each_run(
          begin, end, [&](std::int64_t out, std::int64_t in, std::int64_t /*same*/, std::int64_t count) {
            if (broadcast.step_a() == 0) {
              std::fill_n(to + out, count, from[in]);
            } else {
              std::copy_n(from + in, count, to + out);
            }
          });
    });
  });
  return y;
}

}  // namespace striate
