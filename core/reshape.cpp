#include "core/reshape.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "core/autograd.h"
#include "core/check.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "core/trace.h"

namespace striate {
namespace {

// Replaces the size -1, if there is one, by what makes the counts equal.
Shape infer_size(const Tensor& x, Shape shape) {
  const auto fail = [&](const std::string& rule) {
    shape_error("reshape", rule + ": " + to_string(x.shape()) + " as " + to_string(shape));
  };
  const auto unknown = std::find(shape.begin(), shape.end(), -1);
  if (unknown != shape.end()) {
    if (std::find(unknown + 1, shape.end(), -1) != shape.end()) fail("only one size may be -1");
    *unknown = 1;
    const std::int64_t others = numel(shape);
    *unknown = -1;
    if (others == 0 || x.numel() % others != 0) fail("no size in place of -1 keeps the number of elements");
    *unknown = x.numel() / others;
  }
  if (numel(shape) != x.numel()) fail("the number of elements must stay");
  return shape;
}

// Copies `count` elements of an axis, from place `from_begin` on, to place `to_begin` on.
void copy_along(std::size_t axis, const Tensor& from, std::int64_t from_begin, Tensor& to, std::int64_t to_begin,
                std::int64_t count) {
  // An axis seen in memory: `rows` times the axis, each of its elements `bytes` long.
  std::int64_t rows = 1;
  auto bytes = static_cast<std::int64_t>(size_of(from.dtype()));
  for (std::size_t i = 0; i < axis; ++i) rows *= from.shape()[i];
  for (std::size_t i = axis + 1; i < from.shape().size(); ++i) bytes *= from.shape()[i];
  const std::int64_t length = count * bytes;
  if (rows == 0 || length == 0) return;
  const std::int64_t from_row = from.shape()[axis] * bytes;
  const std::int64_t to_row = to.shape()[axis] * bytes;
  const auto* source = static_cast<const std::byte*>(from.raw()) + from_begin * bytes;
  auto* target = static_cast<std::byte*>(to.mutable_raw()) + to_begin * bytes;
  parallel_for(rows, std::max<std::int64_t>(1, (1 << 17) / length), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      std::memcpy(target + row * to_row, source + row * from_row, static_cast<std::size_t>(length));
    }
  });
}

// The axis along which the parts may be joined. Throws where anything else differs.
std::size_t check_concat(const std::vector<Tensor>& parts, Axis axis) {
  if (parts.empty()) shape_error("concat", "needs at least one tensor: got none");
  const Tensor& first = parts.front();
  const auto place = static_cast<std::size_t>(index_of(axis, first, "concat"));
  for (const Tensor& part : parts) {
    Shape expected = first.shape();
    if (part.shape().size() == expected.size()) expected[place] = part.shape()[place];
    if (part.shape() != expected) {
      shape_error("concat", "all sizes but the joined axis " + std::to_string(place) +
                                " must agree: " + to_string(first.shape()) + " and " + to_string(part.shape()));
    }
    if (part.dtype() != first.dtype()) {
      shape_error("concat", "all dtypes must agree: " + to_string(first.shape()) + " is " + to_string(first.dtype()) +
                                ", " + to_string(part.shape()) + " is " + to_string(part.dtype()));
    }
  }
  return place;
}

bool is_zero(const Tensor& x) {
  const auto* bytes = static_cast<const std::byte*>(x.raw());
  return std::all_of(bytes, bytes + x.bytes(), [](std::byte byte) { return byte == std::byte{}; });
}

// In ONNX. Constant zeros at the end, as shortcuts have them, are padding, which suits any batch.
Trace::Value concat_in(Trace& t, std::vector<Tensor> parts, int place) {
  const int rank = parts.front().rank();
  const auto axis = static_cast<std::size_t>(channels_first_place(place, rank));
  std::vector<std::int64_t> pads(static_cast<std::size_t>(2 * rank));
  std::int64_t& behind = pads[static_cast<std::size_t>(rank) + axis];
  for (; t.is_constant(parts.back()) && is_zero(parts.back()); parts.pop_back()) behind += parts.back().size(place);
  std::vector<Trace::Value> inputs;
  for (const Tensor& part : parts) inputs.push_back(t.value(part));
  const auto joined =
      inputs.size() == 1 ? inputs[0] : t.add("Concat", inputs, {{"axis", static_cast<std::int64_t>(axis)}});
  return behind == 0 ? joined : t.add("Pad", {joined, t.integers(pads)});
}

}  // namespace

Tensor reshape(const Tensor& x, Shape shape) {
  Tensor y = x.viewed_as(infer_size(x, std::move(shape)));
  record("reshape", y, {x}, [x_shape = x.shape()](Backward& bw) { bw.add(0, bw.dy().viewed_as(x_shape)); });
  traced(y, [&](Trace& t) { return t.reshape(x, y.shape()); });
  return y;
}

Tensor concat(const std::vector<Tensor>& parts, Axis axis) {
  const std::size_t place = check_concat(parts, axis);
  Shape shape = parts.front().shape();
  shape[place] = 0;
  for (const Tensor& part : parts) {
    shape[place] += part.shape()[place];
    static_cast<void>(numel(shape));  // refuses too large a sum before it overflows
  }
  Tensor y = Tensor::empty(shape, parts.front().dtype());
  std::vector<Shape> shapes;
  std::int64_t at = 0;
  for (const Tensor& part : parts) {
    const std::int64_t size = part.shape()[place];
    copy_along(place, part, 0, y, at, size);
    at += size;
    shapes.push_back(part.shape());
  }
  record("concat", y, parts, [place, shapes = std::move(shapes)](Backward& bw) {
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const std::int64_t size = shapes[i][place];
      if (bw.wants(i)) {
        Tensor part = Tensor::empty(shapes[i], bw.dy().dtype());
        copy_along(place, bw.dy(), begin, part, 0, size);
        bw.add(i, part);
      }
      begin += size;
    }
  });
  traced(y, [&](Trace& t) { return concat_in(t, parts, static_cast<int>(place)); });
  return y;
}

Tensor slice(const Tensor& x, Axis axis, std::int64_t begin, std::int64_t end) {
  const auto place = static_cast<std::size_t>(index_of(axis, x, "slice"));
  if (begin < 0 || begin >= end || end > x.shape()[place]) {
    shape_error("slice", "0 <= begin < end <= size must hold: begin " + std::to_string(begin) + ", end " +
                             std::to_string(end) + " on axis " + std::to_string(place) + " of " + to_string(x.shape()));
  }
  Shape shape = x.shape();
  shape[place] = end - begin;
  Tensor y = Tensor::empty(std::move(shape), x.dtype());
  copy_along(place, x, begin, y, 0, end - begin);
  record("slice", y, {x}, [place, begin, end, x_shape = x.shape()](Backward& bw) {
    Tensor dx = Tensor::zeros(x_shape, bw.dy().dtype());
    copy_along(place, bw.dy(), 0, dx, begin, end - begin);
    bw.add(0, dx);
  });
  traced(y, [&](Trace& t) {
    const auto axis = t.integers({channels_first_place(static_cast<int>(place), x.rank())});
    return t.add("Slice", {t.value(x), t.integers({begin}), t.integers({end}), axis});
  });
  return y;
}

Tensor take(const Tensor& x, const Tensor& index) {
  expect(index.dtype() == DType::i64, "take", "places in i64", to_string(index.dtype()));
  for (const std::int64_t place : index.span<std::int64_t>()) {
    if (place < 0 || place >= x.numel()) {
      shape_error("take", "places must be 0 .. " + std::to_string(x.numel() - 1) + " for " + to_string(x.shape()) +
                              ": got " + std::to_string(place));
    }
  }
  return dispatch_floating("take", x.dtype(), [&]<class T>(T) {
    Tensor y = Tensor::empty(index.shape(), x.dtype());
    const auto places = index.span<std::int64_t>();
    std::transform(places.begin(), places.end(), y.mutable_data<T>(), [from = x.data<T>()](auto i) { return from[i]; });
    record("take", y, {x}, [index = index.detach(), shape = x.shape(), dtype = x.dtype()](Backward& bw) {
      Tensor dx = Tensor::zeros(shape, dtype);
      T* to = dx.mutable_data<T>();
      const T* dy = bw.dy().data<T>();
      using C = compute_t<T>;
      for (const std::int64_t place : index.span<std::int64_t>()) {
        to[place] = static_cast<T>(static_cast<C>(to[place]) + static_cast<C>(*dy++));
      }
      bw.add(0, dx);
    });
    return y;
  });
}

}  // namespace striate
