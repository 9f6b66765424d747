#pragma once
// Poolings as their definitions read: one output at a time, on vectors in (N,H,W,C) order.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "layers/avg_pool.h"
#include "layers/max_pool.h"

namespace striate::testing_support {

struct ImageSizes {
  std::int64_t n, h, w, c;

  [[nodiscard]] Shape shape() const { return {n, h, w, c}; }
  [[nodiscard]] std::size_t at(std::int64_t in, std::int64_t ih, std::int64_t iw, std::int64_t ic) const {
    return static_cast<std::size_t>(((in * h + ih) * w + iw) * c + ic);
  }
  [[nodiscard]] std::size_t count() const { return static_cast<std::size_t>(n * h * w * c); }
};

template <class S>
struct NaivePool {
  ImageSizes sizes;
  std::vector<S> y;
  /// For max pooling: the element of x that y came from; none where a window holds no element.
  std::vector<std::size_t> source;
};

/// How many windows there are along an axis, by trying one after the other.
inline std::int64_t naive_windows(std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                                  std::int64_t dilation, bool ceil_mode) {
  const std::int64_t span = (kernel - 1) * dilation + 1;
  const std::int64_t end = size + padding;
  std::int64_t count = 0;
  std::int64_t start = -padding;
  for (; start + span <= end; start += stride) ++count;
  // One window more where the last whole one leaves something uncovered, and the next would start inside.
  const bool uncovered = start - stride + span < end;
  if (ceil_mode && uncovered && start < size) ++count;
  return count;
}

template <class S>
NaivePool<S> naive_max_pool(const std::vector<S>& x, const ImageSizes& in, const MaxPool2dOptions& o) {
  const Extent2d stride = o.stride.value_or(o.kernel_size);
  const ImageSizes out{
      in.n, naive_windows(in.h, o.kernel_size.height, stride.height, o.padding.height, o.dilation.height, o.ceil_mode),
      naive_windows(in.w, o.kernel_size.width, stride.width, o.padding.width, o.dilation.width, o.ceil_mode), in.c};
  NaivePool<S> result{out, {}, {}};
  for (std::int64_t n = 0; n < out.n; ++n)
    for (std::int64_t p = 0; p < out.h; ++p)
      for (std::int64_t q = 0; q < out.w; ++q)
        for (std::int64_t c = 0; c < out.c; ++c) {
          S best = -std::numeric_limits<S>::infinity();
          std::size_t source = x.size();
          for (std::int64_t r = 0; r < o.kernel_size.height; ++r)
            for (std::int64_t s = 0; s < o.kernel_size.width; ++s) {
              const std::int64_t h = p * stride.height - o.padding.height + r * o.dilation.height;
              const std::int64_t w = q * stride.width - o.padding.width + s * o.dilation.width;
              if (h < 0 || h >= in.h || w < 0 || w >= in.w) continue;
              const S value = x[in.at(n, h, w, c)];
              if (source != x.size() && !(value > best) && !std::isnan(value)) continue;
              best = value;
              source = in.at(n, h, w, c);
            }
          result.y.push_back(best);
          result.source.push_back(source);
        }
  return result;
}

template <class S>
NaivePool<S> naive_avg_pool(const std::vector<S>& x, const ImageSizes& in, const AvgPool2dOptions& o) {
  const Extent2d stride = o.stride.value_or(o.kernel_size);
  const ImageSizes out{in.n, naive_windows(in.h, o.kernel_size.height, stride.height, o.padding.height, 1, o.ceil_mode),
                       naive_windows(in.w, o.kernel_size.width, stride.width, o.padding.width, 1, o.ceil_mode), in.c};
  NaivePool<S> result{out, {}, {}};
  for (std::int64_t n = 0; n < out.n; ++n)
    for (std::int64_t p = 0; p < out.h; ++p)
      for (std::int64_t q = 0; q < out.w; ++q)
        for (std::int64_t c = 0; c < out.c; ++c) {
          S sum = 0;
          std::int64_t padded = 0;
          std::int64_t inside = 0;
          for (std::int64_t r = 0; r < o.kernel_size.height; ++r)
            for (std::int64_t s = 0; s < o.kernel_size.width; ++s) {
              const std::int64_t h = p * stride.height - o.padding.height + r;
              const std::int64_t w = q * stride.width - o.padding.width + s;
              if (h < in.h + o.padding.height && w < in.w + o.padding.width) ++padded;
              if (h < 0 || h >= in.h || w < 0 || w >= in.w) continue;
              ++inside;
              sum += x[in.at(n, h, w, c)];
            }
          const std::int64_t divisor = o.divisor_override.value_or(o.count_include_pad ? padded : inside);
          result.y.push_back(sum / static_cast<S>(divisor));
        }
  return result;
}

/// Window i of `to` that tile an axis of `from`: its first place, and the one after its last.
inline std::int64_t adaptive_begin(std::int64_t i, std::int64_t from, std::int64_t to) {
  return static_cast<std::int64_t>(std::floor(static_cast<double>(i * from) / static_cast<double>(to)));
}
inline std::int64_t adaptive_end(std::int64_t i, std::int64_t from, std::int64_t to) {
  return static_cast<std::int64_t>(std::ceil(static_cast<double>((i + 1) * from) / static_cast<double>(to)));
}

template <class S>
NaivePool<S> naive_adaptive_max_pool(const std::vector<S>& x, const ImageSizes& in, const Extent2d& size) {
  const ImageSizes out{in.n, size.height, size.width, in.c};
  NaivePool<S> result{out, {}, {}};
  for (std::int64_t n = 0; n < out.n; ++n)
    for (std::int64_t p = 0; p < out.h; ++p)
      for (std::int64_t q = 0; q < out.w; ++q)
        for (std::int64_t c = 0; c < out.c; ++c) {
          std::size_t source = x.size();
          for (std::int64_t h = adaptive_begin(p, in.h, out.h); h < adaptive_end(p, in.h, out.h); ++h)
            for (std::int64_t w = adaptive_begin(q, in.w, out.w); w < adaptive_end(q, in.w, out.w); ++w) {
              const std::size_t at = in.at(n, h, w, c);
              if (source == x.size() || x[at] > x[source] || std::isnan(x[at])) source = at;
            }
          result.y.push_back(x[source]);
          result.source.push_back(source);
        }
  return result;
}

template <class S>
NaivePool<S> naive_adaptive_avg_pool(const std::vector<S>& x, const ImageSizes& in, const Extent2d& size) {
  const ImageSizes out{in.n, size.height, size.width, in.c};
  NaivePool<S> result{out, {}, {}};
  for (std::int64_t n = 0; n < out.n; ++n)
    for (std::int64_t p = 0; p < out.h; ++p)
      for (std::int64_t q = 0; q < out.w; ++q)
        for (std::int64_t c = 0; c < out.c; ++c) {
          S sum = 0;
          std::int64_t count = 0;
          for (std::int64_t h = adaptive_begin(p, in.h, out.h); h < adaptive_end(p, in.h, out.h); ++h)
            for (std::int64_t w = adaptive_begin(q, in.w, out.w); w < adaptive_end(q, in.w, out.w); ++w) {
              sum += x[in.at(n, h, w, c)];
              ++count;
            }
          result.y.push_back(sum / static_cast<S>(count));
        }
  return result;
}

}  // namespace striate::testing_support
