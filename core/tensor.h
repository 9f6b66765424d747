#pragma once
// Tensor: a handle to shared, 64-byte-aligned, contiguous memory with a shape and a dtype. Channels last: images are
// (N,H,W,C), filters (R,S,C,K), linear weights (C,K). The header to read first; next: core/autograd.h, core/module.h.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/error.h"

namespace striate {

using Shape = std::vector<std::int64_t>;

/// "(8,32,32,3)".
std::string to_string(const Shape& shape);
/// The product of the sizes; 1 for a scalar's empty shape. Throws ShapeError for a negative size or an overflow.
std::int64_t numel(const Shape& shape);

class Deferred;
struct Node;

class Tensor {
 public:
  /// No tensor at all: defined() is false.
  Tensor() = default;

  /// Memory is not initialised.
  static Tensor empty(Shape shape, DType dtype = DType::f32);
  static Tensor zeros(Shape shape, DType dtype = DType::f32);
  static Tensor full(Shape shape, double value, DType dtype = DType::f32);
  /// Copies values in memory order; throws ShapeError where their number is not numel(shape).
  template <class T>
  static Tensor from(const Shape& shape, const std::vector<T>& values) {
    return copy_of(shape, DTypeOf<T>::value, values.data(), values.size());
  }

  [[nodiscard]] bool defined() const { return impl_ != nullptr; }
  [[nodiscard]] const Shape& shape() const;
  [[nodiscard]] int rank() const { return static_cast<int>(shape().size()); }
  /// Size of an axis; negative axes count from the end. Throws ShapeError out of range.
  [[nodiscard]] std::int64_t size(int axis) const;
  [[nodiscard]] std::int64_t numel() const;
  [[nodiscard]] DType dtype() const;
  [[nodiscard]] std::size_t bytes() const;

  /// The elements, in row-major order of the shape. T must be the dtype's type, else std::invalid_argument.
  template <class T>
  [[nodiscard]] const T* data() const {
    return static_cast<const T*>(checked(DTypeOf<T>::value));
  }
  /// The elements to write to. Counts as a write in place: a backward pass that saved this memory will throw.
  template <class T>
  T* mutable_data() {
    return static_cast<T*>(checked_mutable(DTypeOf<T>::value));
  }
  [[nodiscard]] const void* raw() const;
  void* mutable_raw();
  template <class T>
  [[nodiscard]] std::span<const T> span() const {
    return {data<T>(), static_cast<std::size_t>(numel())};
  }
  /// The only element as a double; throws ShapeError where there are more.
  [[nodiscard]] double item() const;
  /// All elements as doubles, whatever the dtype.
  [[nodiscard]] std::vector<double> to_vector() const;
  /// How often the memory was opened for writing.
  [[nodiscard]] std::uint64_t version() const;
  /// True where no other tensor shares the memory.
  [[nodiscard]] bool unique() const;
  [[nodiscard]] bool shares_memory_with(const Tensor& other) const;

  /// Copies the values of another tensor of the same shape, converting the dtype.
  void copy_from(const Tensor& other);
  /// A copy in memory of its own, outside the graph.
  [[nodiscard]] Tensor clone() const;
  /// The same memory outside the graph.
  [[nodiscard]] Tensor detach() const;
  /// The same memory with another shape of equal numel, outside the graph (reshape() is the op).
  [[nodiscard]] Tensor viewed_as(Shape shape) const;

  /// True for a leaf that asked for a gradient and for whatever was computed from one.
  [[nodiscard]] bool requires_grad() const;
  /// Makes a leaf (floating) want a gradient, or no longer. Returns the tensor.
  Tensor& set_requires_grad(bool wanted = true);
  /// The gradient accumulated in a leaf; undefined where there is none.
  [[nodiscard]] Tensor grad() const;
  /// Replaces a leaf's gradient; an undefined tensor clears it. Shape and dtype must be the leaf's.
  void set_grad(const Tensor& gradient);
  /// Backward from a scalar: adds the gradient of this value to every leaf it was computed from.
  void backward() const;
  /// Backward from any tensor with the gradient dy of the same shape and dtype.
  void backward(const Tensor& dy) const;

  /// Values that `step` computes when they are first read, or the next op in its place: for core/deferred.h.
  static Tensor deferred(Shape shape, DType dtype, const std::shared_ptr<Deferred>& step);
  /// The step that this op's output still waits for, or null.
  [[nodiscard]] std::shared_ptr<Deferred> deferred_step() const;

  /// The autograd node behind this tensor, or null: for core/autograd.
  [[nodiscard]] const std::shared_ptr<Node>& node() const;
  void set_node(std::shared_ptr<Node> node);

 private:
  struct Impl;
  static Tensor copy_of(const Shape& shape, DType dtype, const void* values, std::size_t count);
  [[nodiscard]] const void* checked(DType wanted) const;
  void* checked_mutable(DType wanted);
  [[nodiscard]] const Impl& impl() const;
  static Tensor without_memory(Shape shape, DType dtype);

  std::shared_ptr<Impl> impl_;
};

}  // namespace striate
