#pragma once
// Define by run: an op computes its output and records a closure for the way back, and Tensor::backward() walks the
// graph. A graph holds nodes, not outputs; what a closure needs of the forward pass it keeps as Saved. Every op calls
// record(); layers/linear.cpp is a short example.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace striate {

struct Recomputation;

/// A tensor kept for backward, outside the graph: its memory, or how to recompute it. get() throws std::logic_error
/// where the memory was written to since.
class Saved {
 public:
  Saved() = default;
  explicit Saved(const Tensor& tensor);
  /// Recomputes at every call where the memory is not kept. Hold on to the result while you use it: nobody else may.
  [[nodiscard]] Tensor get() const;
  /// False where there is no tensor, and where get() recomputes it.
  [[nodiscard]] bool in_memory() const { return tensor_.defined(); }

 private:
  Tensor tensor_;
  std::uint64_t version_ = 0;
  std::shared_ptr<const Recomputation> recomputation_;
};

/// Activation recomputation (checkpointing): how backward gets an op's output without its memory being kept.
struct Recomputation {
  std::string place;          ///< of the profiler's span that recorded it
  std::uint64_t version = 0;  ///< of the output
  Saved from;
  std::function<Tensor(const Tensor&)> compute;
};

/// What a backward closure sees: the gradient of the op's output, and for each input of record(), by its
/// place in the list, whether a gradient is wanted and where it goes.
class Backward {
 public:
  explicit Backward(Node& node) : node_(node) {}
  [[nodiscard]] const Tensor& dy() const;
  [[nodiscard]] bool wants(std::size_t input) const;
  /// A tensor that looks like dy to write a gradient to: dy itself where nobody else holds its memory, so
  /// that an op reads dy's value at a place before it writes there and no longer needs dy afterwards.
  [[nodiscard]] Tensor reusable_dy() const;
  /// Adds to the gradient of an input; shape and dtype are the input's. Does nothing where it is not wanted.
  void add(std::size_t input, const Tensor& gradient);

 private:
  Node& node_;
};

/// Enters y into the graph where recording is on and an input wants a gradient; undefined inputs are allowed
/// (an absent bias). The closure must not own y: keep Saved(y) where backward needs the output. Throws
/// std::logic_error where y is in a graph already, as an input would be.
void record(const char* op, Tensor& y, const std::vector<Tensor>& inputs, std::function<void(Backward&)> closure);

/// For an output that is cheaper to recompute than to keep: later ops that save y save `compute` in its place, which
/// gives the same bits from a tensor that this op saves anyway. The closure must not own y. Call it after record().
/// Does nothing where that entered nothing, or where `from` is itself recomputed: a chain of such ops would start over
/// for each of them. A y that is written to before it is saved is kept after all.
void record_recomputation(Tensor& y, const Saved& from, std::function<Tensor(const Tensor& from)> compute);

/// True where record() would enter an output of these inputs: to skip work that only backward needs.
bool recording(const std::vector<Tensor>& inputs);

/// While one lives, ops of this thread record, or do not; the innermost guard decides.
class GradModeGuard {
 public:
  explicit GradModeGuard(bool records);
  ~GradModeGuard();
  GradModeGuard(const GradModeGuard&) = delete;
  GradModeGuard& operator=(const GradModeGuard&) = delete;

 private:
  bool before_;
};

/// While one lives, ops of this thread record nothing.
class NoGradGuard : public GradModeGuard {
 public:
  NoGradGuard() : GradModeGuard(false) {}
};

/// A node of the graph: one op's output, or a leaf (no closure) whose gradient stays.
struct Node {
  const char* op = "leaf";
  std::string place;           ///< of the profiler's span that recorded it
  std::uint64_t sequence = 0;  ///< later ops have higher numbers: backward walks them downwards
  Shape shape;
  DType dtype = DType::f32;
  std::vector<std::shared_ptr<Node>> inputs;  ///< null where no gradient is wanted
  std::function<void(Backward&)> closure;
  std::shared_ptr<const Recomputation> recomputation;  ///< null where later ops keep the output's memory
  Tensor grad;
  bool leaf = false;
  bool freed = false;   ///< a backward pass went through and let go of what was saved
  bool queued = false;  ///< waits in the running backward pass

  Node() = default;
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
};

}  // namespace striate
