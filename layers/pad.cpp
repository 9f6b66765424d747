#include "layers/pad.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/autograd.h"
#include "core/integer.h"
#include "core/parallel.h"
#include "core/trace.h"
#include "layers/pooling.h"

namespace striate {
namespace {

constexpr std::int64_t kZero = -1;

// The place of an axis that stands at one outside of it; kZero where nothing does.
std::int64_t source_of(std::int64_t place, std::int64_t size, PaddingMode mode) {
  if (place >= 0 && place < size) return place;
  switch (mode) {
    case PaddingMode::zeros:
      return kZero;
    case PaddingMode::reflect:
      return reflected(place, size);
    case PaddingMode::replicate:
      return std::clamp<std::int64_t>(place, 0, size - 1);
    case PaddingMode::circular:
      return place < 0 ? place + size : place - size;
  }
  return kZero;
}

// Pixel (p,q) of y is pixel (rows[p], columns[q]) of x, or zero.
struct Plan {
  Shape x, y;  // with a height
  std::vector<std::int64_t> rows, columns;
};

Plan plan_of(const Shape& x, const Shape& y, const Borders& borders, PaddingMode mode) {
  Plan plan{x, y, {}, {}};
  for (std::int64_t p = 0; p < y[1]; ++p) plan.rows.push_back(source_of(p - borders.top, x[1], mode));
  for (std::int64_t q = 0; q < y[2]; ++q) plan.columns.push_back(source_of(q - borders.left, x[2], mode));
  return plan;
}

template <class T>
void forward(const Plan& plan, const T* x, T* y) {
  const std::int64_t channels = plan.x[3];
  const std::int64_t row = plan.y[2] * channels;
  parallel_for(plan.y[0] * plan.y[1], row_grain(row), [&](std::int64_t begin, std::int64_t end) {
    T* to = y + begin * row;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t h = plan.rows[static_cast<std::size_t>(i % plan.y[1])];
      const T* from = x + (i / plan.y[1] * plan.x[1] + std::max<std::int64_t>(h, 0)) * plan.x[2] * channels;
      for (const std::int64_t w : plan.columns) {
        const bool zero = h == kZero || w == kZero;
        to = zero ? std::fill_n(to, channels, T{}) : std::copy_n(from + w * channels, channels, to);
      }
    }
  });
}

// Every row of dx gathers from the rows of dy that it stands in.
template <class T>
void backward(const Plan& plan, const T* dy, T* dx) {
  using P = compute_t<T>;
  const std::int64_t channels = plan.x[3];
  const std::int64_t row = plan.x[2] * channels;
  std::vector<std::vector<std::int64_t>> copies(static_cast<std::size_t>(plan.x[1]));
  for (std::int64_t p = 0; p < plan.y[1]; ++p) {
    const std::int64_t h = plan.rows[static_cast<std::size_t>(p)];
    if (h != kZero) copies[static_cast<std::size_t>(h)].push_back(p);
  }
  parallel_for(plan.x[0] * plan.x[1], row_grain(row), [&](std::int64_t begin, std::int64_t end) {
    std::vector<P> sums(static_cast<std::size_t>(row));
    for (std::int64_t i = begin; i < end; ++i) {
      std::fill(sums.begin(), sums.end(), P{});
      for (const std::int64_t p : copies[static_cast<std::size_t>(i % plan.x[1])]) {
        const T* from = dy + (i / plan.x[1] * plan.y[1] + p) * plan.y[2] * channels;
        for (const std::int64_t w : plan.columns) {
          P* to = sums.data() + w * channels;
          for (std::int64_t c = 0; w != kZero && c < channels; ++c) to[c] += static_cast<P>(from[c]);
          from += channels;
        }
      }
      std::transform(sums.begin(), sums.end(), dx + i * row, [](P sum) { return static_cast<T>(sum); });
    }
  });
}

void check(const Tensor& x, const Borders& borders, PaddingMode mode) {
  expect_at_least("pad", "borders above and to the left", {borders.top, borders.left}, 0);
  expect_at_least("pad", "borders below and to the right", {borders.bottom, borders.right}, 0);
  const std::string shapes = "input " + to_string(x.shape()) + ", top " + std::to_string(borders.top) + ", bottom " +
                             std::to_string(borders.bottom) + ", left " + std::to_string(borders.left) + ", right " +
                             std::to_string(borders.right);
  const Shape image = with_height(x.shape());
  if (image.size() != 4 || image[1] < 1 || image[2] < 1) {
    shape_error("pad", "input must be (N,H,W,C) or (N,L,C) with H, W and L of at least 1: " + shapes);
  }
  if (x.rank() == 3 && (borders.top > 0 || borders.bottom > 0)) {
    shape_error("pad", "a sequence (N,L,C) has borders to the left and right alone: " + shapes);
  }
  const auto most = [&](std::int64_t size) {
    return mode == PaddingMode::reflect ? size - 1 : mode == PaddingMode::circular ? size : 1LL << 32;
  };
  if (std::max(borders.top, borders.bottom) > most(image[1]) ||
      std::max(borders.left, borders.right) > most(image[2])) {
    shape_error("pad", std::string(mode == PaddingMode::reflect ? "reflected borders must be less than the image: "
                                                                : "circular borders must be at most the image: ") +
                           shapes);
  }
}

}  // namespace

Tensor pad(const Tensor& x, const Borders& borders, PaddingMode mode) {
  check(x, borders, mode);
  const Shape image = with_height(x.shape());
  const Shape wide = {image[0], borders.top + image[1] + borders.bottom, borders.left + image[2] + borders.right,
                      image[3]};
  const Shape shape = x.rank() == 3 ? Shape{wide[0], wide[2], wide[3]} : wide;
  if (x.numel() == 0) return pool_nothing("pad", x, shape);
  Tensor y = Tensor::empty(shape, x.dtype());  // before the plan: too much is refused here
  const Plan plan = plan_of(image, wide, borders, mode);
  dispatch_floating("pad", x.dtype(), [&]<class T>(T) { forward(plan, x.data<T>(), y.mutable_data<T>()); });
  record("pad", y, {x}, [plan, shape = x.shape()](Backward& bw) {
    Tensor dx = Tensor::empty(shape, bw.dy().dtype());
    dispatch_floating("pad", dx.dtype(), [&]<class T>(T) { backward(plan, bw.dy().data<T>(), dx.mutable_data<T>()); });
    bw.add(0, dx);
  });
  traced(y, [&](Trace& t) {
    if (mode == PaddingMode::circular) return Trace::kNone;  // "wrap" is of opset 19
    const char* name = mode == PaddingMode::zeros ? "constant" : mode == PaddingMode::reflect ? "reflect" : "edge";
    std::vector<std::int64_t> pads = {0, 0, borders.top, borders.left, 0, 0, borders.bottom, borders.right};
    if (x.rank() == 3) pads = {0, 0, borders.left, 0, 0, borders.right};
    return t.add("Pad", {t.value(x), t.integers(pads)}, {{"mode", name}});
  });
  return y;
}

}  // namespace striate
