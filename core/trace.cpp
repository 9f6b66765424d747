#include "core/trace.h"

#include <algorithm>
#include <numeric>

namespace striate {
namespace {

thread_local Trace* active_trace = nullptr;

std::vector<int> memory_axes(int rank) {
  std::vector<int> axes(static_cast<std::size_t>(rank));
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

std::vector<std::int64_t> sizes(const std::vector<int>& axes) { return {axes.begin(), axes.end()}; }

// Whether the elements stand in the same order with channels first.
bool same_with_channels_first(const Shape& shape) {
  return shape.size() < 3 || shape.back() == 1 || numel(shape) == shape.front() * shape.back();
}

}  // namespace

int channels_first_place(int axis, int rank) {
  if (axis < 0) axis += rank;
  if (rank < 3 || axis == 0) return axis;
  return axis == rank - 1 ? 1 : axis + 1;
}

std::vector<int> channels_first_axes(int rank) {
  std::vector<int> axes = memory_axes(rank);
  if (rank > 2) std::rotate(axes.begin() + 1, axes.end() - 1, axes.end());
  return axes;
}

Trace::Trace(const Tensor& images, bool any_batch)
    : any_batch_(any_batch), values_(1), before_(std::exchange(active_trace, this)) {
  known_[key(images)] = {images, images.version(), 0};
}

Trace::~Trace() { active_trace = before_; }

Trace* Trace::active() { return active_trace; }

Trace::Inside::Inside(const Layer& layer) : trace_(active_trace) {
  if (trace_ != nullptr) before_ = std::exchange(trace_->layer_, &layer);
}

Trace::Inside::~Inside() {
  if (trace_ != nullptr) trace_->layer_ = before_;
}

Trace::Value Trace::add(TracedValue value) {
  if (layer_ != nullptr) value.layer = layer_->path();
  values_.push_back(std::move(value));
  return values_.size() - 1;
}

Trace::Value Trace::add(const std::string& type, std::vector<Value> inputs,
                        std::vector<std::pair<std::string, TracedAttribute>> attributes) {
  while (!inputs.empty() && inputs.back() == kNone) inputs.pop_back();
  return add({.type = type, .inputs = std::move(inputs), .attributes = std::move(attributes)});
}

Trace::Value Trace::constant(const Tensor& x, const std::vector<int>& axes) {
  const auto [place, is_new] = constants_.try_emplace({key(x), axes}, values_.size());
  if (is_new) add({.constant = x.detach(), .parameter = x.raw(), .axes = axes});
  return place->second;
}

Trace::Value Trace::known(const Tensor& x) {
  Known& known = known_.at(key(x));
  if (x.version() != known.version) known = {known.tensor, x.version(), add({.unwritten = "a write in place"})};
  return known.value;
}

Trace::Value Trace::value(const Tensor& x) {
  if (!x.defined()) return kNone;
  return is_constant(x) ? constant(x, channels_first_axes(x.rank())) : known(x);
}

Trace::Value Trace::permuted(const Tensor& x, const std::vector<int>& axes) {
  if (is_constant(x)) return constant(x, axes);
  if (axes == channels_first_axes(x.rank())) return known(x);
  std::vector<std::int64_t> order;
  for (const int axis : axes) order.push_back(channels_first_place(axis, x.rank()));
  return add("Transpose", {known(x)}, {{"perm", order}});
}

Trace::Value Trace::channels_first(Value value, int rank) {
  return rank < 3 ? value : add("Transpose", {value}, {{"perm", sizes(channels_first_axes(rank))}});
}

Trace::Value Trace::broadcast(const Tensor& x, int rank) {
  if (rank < 3 || x.rank() == rank || x.numel() == 1) return value(x);
  Shape shape(static_cast<std::size_t>(rank - x.rank()), 1);
  shape.insert(shape.end(), x.shape().begin(), x.shape().end());
  return is_constant(x) ? value(x.viewed_as(shape)) : reshape(x, shape);
}

Trace::Value Trace::reshape(const Tensor& x, const Shape& shape) {
  const Shape& from = x.shape();
  // What lies between batch and channels keeps its order.
  const bool between =
      std::min(from.size(), shape.size()) >= 2 && from.front() == shape.front() && from.back() == shape.back();
  const Value value = between || same_with_channels_first(from) ? known(x) : permuted(x, memory_axes(x.rank()));
  const bool same_batch = !from.empty() && !shape.empty() && from.front() == shape.front();
  if (shape.size() == 2 && same_batch) return add("Flatten", {value}, {{"axis", 1}});
  const int rank = static_cast<int>(shape.size());
  const bool direct = between || same_with_channels_first(shape);
  std::vector<std::int64_t> to;
  for (const int axis : direct ? channels_first_axes(rank) : memory_axes(rank))
    to.push_back(shape[static_cast<std::size_t>(axis)]);
  if (any_batch_ && !to.empty()) to[0] = same_batch ? 0 : -1;  // as the input's, or what is left
  const Value result = add("Reshape", {value, integers(to)});
  return direct ? result : channels_first(result, rank);
}

Trace::Value Trace::integers(const std::vector<std::int64_t>& values) {
  return add({.constant = Tensor::from({std::ssize(values)}, values), .axes = {0}});
}

Trace::Value Trace::scalar(double value) { return add({.constant = Tensor::full({}, value)}); }

void Trace::saw(const char* op, const Tensor& y, const std::vector<Tensor>& inputs) {
  const auto depends = [&](const Tensor& x) { return x.defined() && !is_constant(x); };
  if (depends(y) || std::none_of(inputs.begin(), inputs.end(), depends)) return;
  known_[key(y)] = {y.detach(), y.version(), add({.unwritten = op})};
}

bool Trace::wants(const Tensor& y) const {
  const auto found = known_.find(key(y));
  return found != known_.end() && !values_[found->second.value].unwritten.empty();
}

}  // namespace striate
