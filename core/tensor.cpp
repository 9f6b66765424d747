#include "core/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/autograd.h"
#include "core/parallel.h"
#include "core/storage.h"

namespace striate {

struct Tensor::Impl {
  Shape shape;
  std::int64_t count = 0;
  DType dtype = DType::f32;
  std::shared_ptr<Storage> storage;
  std::shared_ptr<Node> node;
  std::weak_ptr<Deferred> step;  // of an op's output itself, not of what shares its memory
};

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ",") + std::to_string(shape[i]);
  return text + ")";
}

namespace {

// Of a number that a whole one cannot hold, the nearest that it can, and 0 of a NaN: C++ leaves that open.
template <class To, class From>
To converted(From value) {
  if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    using Limits = std::numeric_limits<To>;
    if (std::isnan(value)) return 0;
    if (value <= static_cast<From>(Limits::min())) return Limits::min();
    if (value >= static_cast<From>(Limits::max())) return Limits::max();
  }
  return static_cast<To>(static_cast<compute_t<To>>(value));
}

}  // namespace

std::int64_t numel(const Shape& shape) {
  std::int64_t count =
      8;  // the bytes if the elements were the largest there are; a size of 0 does not excuse the others
  for (const std::int64_t size : shape) {
    if (size < 0) shape_error("tensor", "expected sizes of at least 0, got " + to_string(shape));
    if (__builtin_mul_overflow(count, std::max<std::int64_t>(size, 1), &count)) {
      shape_error("tensor", "the size in bytes of shape " + to_string(shape) + " overflows 64 bits");
    }
  }
  return std::find(shape.begin(), shape.end(), 0) == shape.end() ? count / 8 : 0;
}

Tensor Tensor::without_memory(Shape shape, DType dtype) {
  Tensor tensor;
  tensor.impl_ = std::make_shared<Impl>();
  tensor.impl_->count = striate::numel(shape);
  tensor.impl_->shape = std::move(shape);
  tensor.impl_->dtype = dtype;
  return tensor;
}

Tensor Tensor::empty(Shape shape, DType dtype) {
  compute_untaken();
  Tensor tensor = without_memory(std::move(shape), dtype);
  tensor.impl_->storage = std::make_shared<Storage>(tensor.bytes());
  return tensor;
}

Tensor Tensor::deferred(Shape shape, DType dtype, const std::shared_ptr<Deferred>& step) {
  compute_untaken();
  Tensor tensor = without_memory(std::move(shape), dtype);
  tensor.impl_->storage = std::make_shared<Storage>(tensor.bytes(), step);
  tensor.impl_->step = step;
  keep_track(tensor.impl_->storage, step);
  return tensor;
}

std::shared_ptr<Deferred> Tensor::deferred_step() const {
  // A leaf's gradient is its own.
  return requires_grad() && node()->leaf ? nullptr : impl().step.lock();
}

Tensor Tensor::zeros(Shape shape, DType dtype) {
  Tensor tensor = empty(std::move(shape), dtype);
  std::memset(tensor.mutable_raw(), 0, tensor.bytes());
  return tensor;
}

Tensor Tensor::full(Shape shape, double value, DType dtype) {
  Tensor tensor = empty(std::move(shape), dtype);
  dispatch_all(dtype, [&]<class T>(T) { std::fill_n(tensor.mutable_data<T>(), tensor.numel(), converted<T>(value)); });
  return tensor;
}

Tensor Tensor::copy_of(const Shape& shape, DType dtype, const void* values, std::size_t count) {
  if (static_cast<std::size_t>(striate::numel(shape)) != count) {
    shape_error("from", "the number of values must be that of the shape: shape " + to_string(shape) + " holds " +
                            std::to_string(striate::numel(shape)) + ", got " + std::to_string(count));
  }
  Tensor tensor = empty(shape, dtype);
  if (count > 0) std::memcpy(tensor.mutable_raw(), values, tensor.bytes());
  return tensor;
}

const Tensor::Impl& Tensor::impl() const {
  if (!impl_) throw std::invalid_argument("[tensor] expected a tensor with values, got an undefined one");
  return *impl_;
}

const Shape& Tensor::shape() const { return impl().shape; }
std::int64_t Tensor::numel() const { return impl().count; }
DType Tensor::dtype() const { return impl().dtype; }
std::size_t Tensor::bytes() const { return static_cast<std::size_t>(numel()) * size_of(dtype()); }
std::uint64_t Tensor::version() const { return impl().storage->version.load(std::memory_order_relaxed); }
bool Tensor::unique() const { return impl().storage.use_count() == 1; }
bool Tensor::shares_memory_with(const Tensor& other) const {
  return impl_ && other.impl_ && impl_->storage == other.impl_->storage;
}
const void* Tensor::raw() const { return impl().storage->block(); }

std::int64_t Tensor::size(int axis) const {
  const int index = axis < 0 ? axis + rank() : axis;
  if (index < 0 || index >= rank()) {
    shape_error("size",
                "axis must be within the shape: shape " + to_string(shape()) + ", axis " + std::to_string(axis));
  }
  return shape()[static_cast<std::size_t>(index)];
}

void* Tensor::mutable_raw() {
  compute_readers_of(*this);
  impl().storage->version.fetch_add(1, std::memory_order_relaxed);
  return impl().storage->block();
}

const void* Tensor::checked(DType wanted) const {
  if (dtype() != wanted) {
    throw std::invalid_argument("[tensor] expected data of " + to_string(wanted) + ", got " + to_string(shape()) +
                                " of " + to_string(dtype()));
  }
  return raw();
}

void* Tensor::checked_mutable(DType wanted) {
  static_cast<void>(checked(wanted));
  return mutable_raw();
}

double Tensor::item() const {
  if (numel() != 1) shape_error("item", "needs exactly one element: shape " + to_string(shape()));
  return to_vector()[0];
}

std::vector<double> Tensor::to_vector() const {
  std::vector<double> values(static_cast<std::size_t>(numel()));
  dispatch_all(dtype(), [&]<class T>(T) {
    const T* from = data<T>();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(from[i]);
  });
  return values;
}

void Tensor::copy_from(const Tensor& other) {
  if (shape() != other.shape()) {
    shape_error("copy_from", "shapes must be equal: " + to_string(shape()) + " from " + to_string(other.shape()));
  }
  if (dtype() == other.dtype()) {
    std::memmove(mutable_raw(), other.raw(), bytes());
    return;
  }
  dispatch_all(dtype(), [&]<class To>(To) {
    To* to = mutable_data<To>();
    dispatch_all(other.dtype(), [&]<class From>(From) {
      const From* from = other.data<From>();
      parallel_for(numel(), 1 << 15, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          to[i] = converted<To>(static_cast<compute_t<From>>(from[i]));
        }
      });
    });
  });
}

Tensor Tensor::clone() const {
  Tensor copy = empty(shape(), dtype());
  copy.copy_from(*this);
  return copy;
}

Tensor Tensor::detach() const {
  if (!impl_) return {};
  Tensor same;
  same.impl_ = std::make_shared<Impl>(*impl_);
  same.impl_->node.reset();
  same.impl_->step.reset();
  return same;
}

Tensor Tensor::viewed_as(Shape shape) const {
  if (striate::numel(shape) != numel()) {
    shape_error("reshape", "the number of elements must stay: " + to_string(this->shape()) + " as " + to_string(shape));
  }
  Tensor same = detach();
  same.impl_->shape = std::move(shape);
  return same;
}

bool Tensor::requires_grad() const { return impl_ != nullptr && impl_->node != nullptr; }

const std::shared_ptr<Node>& Tensor::node() const { return impl().node; }

void Tensor::set_node(std::shared_ptr<Node> node) {
  static_cast<void>(impl());
  impl_->node = std::move(node);
}

}  // namespace striate
