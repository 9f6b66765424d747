#include "layers/flatten.h"

#include <cstdint>

#include "core/autograd.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "core/reshape.h"
#include "core/trace.h"

namespace striate {
namespace {

// x holds `images` matrices (rows,columns); y gets them as (columns,rows).
void transpose(const Tensor& x, Tensor& y, std::int64_t images, std::int64_t rows, std::int64_t columns) {
  dispatch_floating("flatten", x.dtype(), [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.mutable_data<T>();
    parallel_for(images, 1, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        const std::int64_t start = n * rows * columns;
        for (std::int64_t c = 0; c < columns; ++c) {
          for (std::int64_t r = 0; r < rows; ++r) to[start + c * rows + r] = from[start + r * columns + c];
        }
      }
    });
  });
}

}  // namespace

Tensor flatten(const Tensor& x) {
  if (x.rank() < 2) shape_error("flatten", "input must be (N,H,W,C) or (N,C): got " + to_string(x.shape()));
  const std::int64_t images = x.size(0);
  const std::int64_t channels = x.size(-1);
  std::int64_t places = 1;
  for (int axis = 1; axis < x.rank() - 1; ++axis) places *= x.size(axis);
  if (places == 1 || channels == 1) return reshape(x, {images, places * channels});
  Tensor y = Tensor::empty({images, places * channels}, x.dtype());
  transpose(x, y, images, places, channels);
  record("flatten", y, {x}, [shape = x.shape(), images, places, channels](Backward& bw) {
    Tensor dx = Tensor::empty(shape, bw.dy().dtype());
    transpose(bw.dy(), dx, images, channels, places);
    bw.add(0, dx);
  });
  traced(y, [&](Trace& t) { return t.add("Flatten", {t.value(x)}, {{"axis", 1}}); });
  return y;
}

}  // namespace striate
