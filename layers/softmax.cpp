#include "layers/softmax.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/autograd.h"
#include "core/parallel.h"
#include "core/trace.h"

namespace striate {
namespace {

/// Calls row(first element) for every row of k elements.
template <class F>
void for_rows(const Tensor& x, const F& row) {
  const std::int64_t k = x.size(-1);
  if (k == 0) return;
  const std::int64_t grain = std::max<std::int64_t>(1, 8192 / k);
  parallel_for(x.numel() / k, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) row(i * k);
  });
}

/// The largest of a row and the sum of exp(value - largest).
template <class T, class C = compute_t<T>>
std::pair<C, C> peak_and_sum(const T* row, std::int64_t k) {
  C peak = static_cast<C>(row[0]);
  for (std::int64_t j = 1; j < k; ++j) peak = std::max(peak, static_cast<C>(row[j]));
  C sum = 0;
  for (std::int64_t j = 0; j < k; ++j) sum += std::exp(static_cast<C>(row[j]) - peak);
  return {peak, sum};
}

// y = forward(row of x) and dx = backward(row of y, row of dy), all of k values; `type` is ONNX's.
template <class Forward, class BackwardRow>
Tensor by_rows(const char* op, const char* type, const Tensor& x, Forward forward, BackwardRow backward) {
  if (x.rank() < 1) shape_error(op, "input needs a channels axis: got " + to_string(x.shape()));
  return dispatch_floating(op, x.dtype(), [&]<class T>(T) {
    const std::int64_t k = x.size(-1);
    Tensor y = Tensor::empty(x.shape(), x.dtype());
    const T* in = x.data<T>();
    T* out = y.mutable_data<T>();
    for_rows(x, [&](std::int64_t at) { forward(in + at, out + at, k); });
    record(op, y, {x}, [y = Saved(y), k, backward](Backward& bw) {
      const Tensor kept = y.get();
      Tensor dx = Tensor::empty(kept.shape(), kept.dtype());
      const T* values = kept.template data<T>();
      const T* dy = bw.dy().data<T>();
      T* to = dx.mutable_data<T>();
      for_rows(dx, [&](std::int64_t at) { backward(values + at, dy + at, to + at, k); });
      bw.add(0, dx);
    });
    traced(y, [&](Trace& t) {
      return t.add(type, {t.value(x)}, {{"axis", std::int64_t{channels_first_place(-1, x.rank())}}});
    });
    return y;
  });
}

}  // namespace

Tensor softmax(const Tensor& x) {
  return by_rows(
      "softmax", "Softmax", x,
      []<class T>(const T* in, T* out, std::int64_t k) {
        using C = compute_t<T>;
        const auto [peak, sum] = peak_and_sum(in, k);
        for (std::int64_t j = 0; j < k; ++j) out[j] = static_cast<T>(std::exp(static_cast<C>(in[j]) - peak) / sum);
      },
      []<class T>(const T* p, const T* dy, T* dx, std::int64_t k) {
        using C = compute_t<T>;
        C dot = 0;
        for (std::int64_t j = 0; j < k; ++j) dot += static_cast<C>(dy[j]) * static_cast<C>(p[j]);
        for (std::int64_t j = 0; j < k; ++j) {
          dx[j] = static_cast<T>(static_cast<C>(p[j]) * (static_cast<C>(dy[j]) - dot));
        }
      });
}

Tensor log_softmax(const Tensor& x) {
  return by_rows(
      "log_softmax", "LogSoftmax", x,
      []<class T>(const T* in, T* out, std::int64_t k) {
        using C = compute_t<T>;
        const auto [peak, sum] = peak_and_sum(in, k);
        const C log_sum = std::log(sum);
        for (std::int64_t j = 0; j < k; ++j) out[j] = static_cast<T>(static_cast<C>(in[j]) - peak - log_sum);
      },
      []<class T>(const T* logp, const T* dy, T* dx, std::int64_t k) {
        using C = compute_t<T>;
        C sum = 0;
        for (std::int64_t j = 0; j < k; ++j) sum += static_cast<C>(dy[j]);
        for (std::int64_t j = 0; j < k; ++j) {
          dx[j] = static_cast<T>(static_cast<C>(dy[j]) - std::exp(static_cast<C>(logp[j])) * sum);
        }
      });
}

}  // namespace striate
