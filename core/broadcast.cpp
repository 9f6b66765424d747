#include "core/broadcast.h"

#include "core/parallel.h"

namespace striate {

Broadcast::Broadcast(const char* op, const Shape& a, const Shape& b) : shape_(std::max(a.size(), b.size())) {
  std::int64_t stride_a = 1;
  std::int64_t stride_b = 1;
  for (std::size_t back = 1; back <= shape_.size(); ++back) {  // axes from the last, missing ones of size 1
    const std::int64_t size_a = back <= a.size() ? a[a.size() - back] : 1;
    const std::int64_t size_b = back <= b.size() ? b[b.size() - back] : 1;
    if (size_a != size_b && size_a != 1 && size_b != 1) {
      shape_error(op, "sizes must be equal or 1, counted from the last axis: " + to_string(a) + " and " + to_string(b) +
                          " meet as " + std::to_string(size_a) + " and " + std::to_string(size_b));
    }
    const std::int64_t size = size_a == 1 ? size_b : size_a;
    shape_[shape_.size() - back] = size;
    const MergedAxis axis{size, size_a == 1 ? 0 : stride_a, size_b == 1 ? 0 : stride_b};
    stride_a *= size_a;
    stride_b *= size_b;
    if (size == 1) continue;
    // axes_ is filled from the innermost outwards and turned around below.
    if (!axes_.empty() && axis.stride_a == axes_.back().stride_a * axes_.back().size &&
        axis.stride_b == axes_.back().stride_b * axes_.back().size) {
      axes_.back().size *= size;
    } else {
      axes_.push_back(axis);
    }
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
  Tensor y = Tensor::empty(shape, x.dtype());
  dispatch_floating(op, x.dtype(), [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.mutable_data<T>();
    parallel_for(y.numel(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
      broadcast.for_each_run(begin, end,
                             [&](std::int64_t out, std::int64_t in, std::int64_t /*same*/, std::int64_t count) {
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
