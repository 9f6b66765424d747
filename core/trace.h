#pragma once
// Tracing: the graph of one forward pass, in ONNX's operators, as models/onnx.h writes it to a file. While a Trace
// lives, record() tells it of every op, and beside record() an op says how it is written:
//
//   traced(y, [&](Trace& t) { return t.add("Tanh", {t.value(x)}); });
//
// What depends on the traced images is a value of the graph; all else is a constant, however it was computed. ONNX has
// channels first: (N,H,W,C) is (N,C,H,W) in the graph, (N,L,C) is (N,C,L), and so on from rank 3.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/module.h"
#include "core/tensor.h"

namespace striate {

using TracedAttribute = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>>;

/// A value of the graph, and what makes it: the images, a constant or an operator.
struct TracedValue {
  std::string type = {};                 ///< of the operator, "Conv"; empty for images and constants
  std::vector<std::size_t> inputs = {};  ///< places in the graph
  std::vector<std::pair<std::string, TracedAttribute>> attributes = {};
  Tensor constant = {};             ///< as it lies in memory
  const void* parameter = nullptr;  ///< a constant's memory, or that of the parameter which it was made from
  std::vector<int> axes = {};       ///< axis i of a constant is axes[i] in memory
  std::string layer = {};           ///< the path of the layer that computed it
  std::string unwritten = {};       ///< the op that does not say how it is written; mostly empty
};

class Trace {
 public:
  using Value = std::size_t;  ///< a place in values()
  static constexpr Value kNone = static_cast<Value>(-1);

  /// Traces what this thread computes of `images`, (N,H,W,C). Where `any_batch`, the graph is for any N.
  Trace(const Tensor& images, bool any_batch);
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  /// Of this thread, or null.
  static Trace* active();
  /// While one lives (Layer::operator() has one), values are computed by this layer.
  class Inside {
   public:
    explicit Inside(const Layer& layer);
    ~Inside();
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    Trace* trace_;
    const Layer* before_ = nullptr;
  };

  /// A tensor's value, channels first: kNone for an undefined one.
  Value value(const Tensor& x);
  /// Its value with axis i being axes[i] in memory; {0, 1, ...} are the axes of memory.
  Value permuted(const Tensor& x, const std::vector<int>& axes);
  /// Its value for an elementwise operator whose output has this rank: with axes of size 1 in front.
  Value broadcast(const Tensor& x, int rank);
  /// Its value as reshape() makes it: the same elements in memory order.
  Value reshape(const Tensor& x, const Shape& shape);
  /// A constant of ONNX's int64.
  Value integers(const std::vector<std::int64_t>& values);
  Value scalar(double value);
  /// Whether a tensor does not depend on the images.
  [[nodiscard]] bool is_constant(const Tensor& x) const { return !known_.contains(key(x)); }

  /// An operator's output. Inputs of kNone at the end are left out.
  Value add(const std::string& type, std::vector<Value> inputs,
            std::vector<std::pair<std::string, TracedAttribute>> attributes = {});
  /// A value that has the axes of memory, with channels first.
  Value channels_first(Value value, int rank);

  /// What record() says of an op's output.
  void saw(const char* op, const Tensor& y, const std::vector<Tensor>& inputs);
  /// Whether it is for the op to say how y is written: y depends on the images, and nobody said so before.
  [[nodiscard]] bool wants(const Tensor& y) const;
  void set(const Tensor& y, Value value) { known_.at(key(y)).value = value; }

  [[nodiscard]] const std::vector<TracedValue>& values() const { return values_; }

 private:
  using Key = std::pair<const void*, Shape>;
  struct Known {
    Tensor tensor;  // held, so that no other takes its memory
    std::uint64_t version;
    Value value;
  };
  static Key key(const Tensor& x) { return {x.raw(), x.shape()}; }
  Value add(TracedValue value);
  Value constant(const Tensor& x, const std::vector<int>& axes);
  Value known(const Tensor& x);

  bool any_batch_;
  std::vector<TracedValue> values_;
  std::map<Key, Known> known_;
  std::map<std::pair<Key, std::vector<int>>, Value> constants_;
  const Layer* layer_ = nullptr;
  Trace* before_;
};

/// Says how an op's output y is written: form(trace) gives its value, kNone where it cannot be written with these
/// arguments. Called after record(), by which an op that says nothing is named in an error. Nothing happens where
/// nobody traces.
template <class Form>
void traced(const Tensor& y, const Form& form) {
  Trace* trace = Trace::active();
  if (trace == nullptr || !trace->wants(y)) return;
  const Trace::Value value = form(*trace);
  if (value != Trace::kNone) trace->set(y, value);
}

/// Where an axis stands with channels first; negative ones count from the end.
int channels_first_place(int axis, int rank);
/// The axes in that order.
std::vector<int> channels_first_axes(int rank);

}  // namespace striate
