#include "core/autograd.h"

#include <atomic>
#include <new>
#include <queue>
#include <stdexcept>
#include <utility>

#include "core/parallel.h"
#include "core/profile.h"
#include "core/trace.h"

namespace striate {
namespace {

thread_local bool grad_enabled = true;

std::uint64_t next_sequence() {
  static std::atomic<std::uint64_t> counter{0};
  return ++counter;
}

struct EarlierOp {
  bool operator()(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) const {
    return a->sequence < b->sequence;
  }
};
using Queue = std::priority_queue<std::shared_ptr<Node>, std::vector<std::shared_ptr<Node>>, EarlierOp>;

// `op`: who gives the gradient.
void check_gradient(const char* op, const Node& node, const Tensor& gradient) {
  if (gradient.shape() != node.shape || gradient.dtype() != node.dtype) {
    shape_error(op, "a gradient must look like its tensor: tensor " + to_string(node.shape) + " " +
                        to_string(node.dtype) + ", gradient " + to_string(gradient.shape()) + " " +
                        to_string(gradient.dtype()));
  }
}

// sum += gradient, in place.
void accumulate(Tensor& sum, const Tensor& gradient) {
  dispatch_floating("backward", sum.dtype(), [&]<class T>(T) {
    T* to = sum.mutable_data<T>();
    const T* from = gradient.data<T>();
    parallel_for(sum.numel(), 1 << 16, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        to[i] = static_cast<T>(static_cast<compute_t<T>>(to[i]) + static_cast<compute_t<T>>(from[i]));
      }
    });
  });
}

// The first gradient to arrive is taken as it is, without a copy; memory that someone else holds too is never
// written to, and a leaf's gradient, which optimisers write to, shares none.
void add_gradient(Node& node, const Tensor& gradient) {
  if (!node.grad.defined()) {
    node.grad = node.leaf && !gradient.unique() ? gradient.clone() : gradient.detach();
    return;
  }
  if (!node.grad.unique()) node.grad = node.grad.clone();
  accumulate(node.grad, gradient);
}

void check_not_freed(const Node& node) {
  if (!node.freed) return;
  throw std::logic_error("[" + std::string(node.op) +
                         "] backward a second time through a graph that the first time freed; run the forward "
                         "pass again");
}

// Runs one op's closure and lets go of everything it saved.
void run(Node& node) {
  check_not_freed(node);
  const ProfileSpan span(node.place, "backward");
  const auto closure = std::exchange(node.closure, nullptr);
  node.recomputation = nullptr;
  node.freed = true;
  try {
    Backward view(node);
    closure(view);
  } catch (const std::logic_error& error) {
    // ShapeError is a logic_error too, but tells its op itself.
    if (dynamic_cast<const ShapeError*>(&error) != nullptr) throw;
    throw std::logic_error("[" + std::string(node.op) + "] backward: " + error.what());
  }
  node.grad = {};
}

void enqueue(Queue& queue, const std::shared_ptr<Node>& node) {
  if (!node || node->leaf || node->queued || !node->grad.defined()) return;
  node->queued = true;
  queue.push(node);
}

// A walk that throws must not leave half-summed gradients behind for the next one.
void abandon(Queue& queue) {
  while (!queue.empty()) {
    queue.top()->queued = false;
    queue.top()->grad = {};
    queue.pop();
  }
}

void walk(const std::shared_ptr<Node>& root) {
  const NoGradGuard guard;
  Queue queue;
  enqueue(queue, root);
  try {
    while (!queue.empty()) {
      const std::shared_ptr<Node> node = queue.top();
      queue.pop();
      node->queued = false;
      run(*node);
      for (const auto& input : std::exchange(node->inputs, {})) enqueue(queue, input);
    }
  } catch (...) {
    abandon(queue);
    throw;
  }
}

}  // namespace

Saved::Saved(const Tensor& tensor) {
  if (!tensor.defined()) return;
  version_ = tensor.version();
  if (tensor.node() && tensor.node()->recomputation && tensor.node()->recomputation->version == version_) {
    recomputation_ = tensor.node()->recomputation;
  } else {
    tensor_ = tensor.detach();
  }
}

Tensor Saved::get() const {
  if (recomputation_) {
    const ProfileSpan span(recomputation_->place, "backward");
    return recomputation_->compute(recomputation_->from.get());
  }
  if (tensor_.defined() && tensor_.version() != version_) {
    throw std::logic_error("a tensor " + to_string(tensor_.shape()) +
                           " saved for backward was written to after the forward pass; clone() it before writing");
  }
  return tensor_;
}

const Tensor& Backward::dy() const { return node_.grad; }

Tensor Backward::reusable_dy() const {
  return node_.grad.unique() ? node_.grad : Tensor::empty(node_.shape, node_.dtype);
}

bool Backward::wants(std::size_t input) const {
  if (input < node_.inputs.size()) return node_.inputs[input] != nullptr;
  throw std::logic_error("input " + std::to_string(input) + " was asked for, record() was given " +
                         std::to_string(node_.inputs.size()));
}

void Backward::add(std::size_t input, const Tensor& gradient) {
  if (!wants(input)) return;
  check_gradient(node_.op, *node_.inputs[input], gradient);
  add_gradient(*node_.inputs[input], gradient);
}

bool recording(const std::vector<Tensor>& inputs) {
  if (!grad_enabled) return false;
  for (const Tensor& input : inputs) {
    if (input.requires_grad()) return true;
  }
  return false;
}

void record(const char* op, Tensor& y, const std::vector<Tensor>& inputs, std::function<void(Backward&)> closure) {
  if (Trace* trace = Trace::active()) trace->saw(op, y, inputs);
  if (!recording(inputs)) return;
  if (y.requires_grad()) {
    throw std::logic_error("[" + std::string(op) +
                           "] the output already belongs to a graph; compute into a tensor of its own (clone())");
  }
  auto node = std::make_shared<Node>();
  node->op = op;
  node->place = profiled_place();
  node->sequence = next_sequence();
  node->shape = y.shape();
  node->dtype = y.dtype();
  for (const Tensor& input : inputs) node->inputs.push_back(input.requires_grad() ? input.node() : nullptr);
  node->closure = std::move(closure);
  y.set_node(std::move(node));
}

void record_recomputation(Tensor& y, const Saved& from, std::function<Tensor(const Tensor& from)> compute) {
  if (!y.requires_grad() || !from.in_memory()) return;
  y.node()->recomputation =
      std::make_shared<const Recomputation>(Recomputation{profiled_place(), y.version(), from, std::move(compute)});
}

GradModeGuard::GradModeGuard(bool records) : before_(std::exchange(grad_enabled, records)) {}
GradModeGuard::~GradModeGuard() { grad_enabled = before_; }

// A chain of a million ops must not recurse a million destructors deep: take the inputs of every node that
// nothing else holds before it dies.
Node::~Node() {
  std::vector<std::shared_ptr<Node>> dying = std::move(inputs);
  while (!dying.empty()) {
    const std::shared_ptr<Node> node = std::move(dying.back());
    dying.pop_back();
    if (node.use_count() != 1) continue;
    for (auto& input : std::exchange(node->inputs, {})) {
      try {
        dying.push_back(std::move(input));
      } catch (const std::bad_alloc&) {
        return;  // no memory to avoid recursion with
      }
    }
  }
}

Tensor& Tensor::set_requires_grad(bool wanted) {
  if (requires_grad() && !node()->leaf) {
    throw std::invalid_argument("set_requires_grad is for leaves; detach() what was computed");
  }
  if (wanted == requires_grad()) return *this;
  if (!wanted) {
    set_node(nullptr);
    return *this;
  }
  if (!is_floating(dtype())) {
    throw std::invalid_argument("only floating tensors can want a gradient, this one is " + to_string(dtype()));
  }
  auto leaf = std::make_shared<Node>();
  leaf->leaf = true;
  leaf->shape = shape();
  leaf->dtype = dtype();
  set_node(std::move(leaf));
  return *this;
}

Tensor Tensor::grad() const { return requires_grad() ? node()->grad : Tensor(); }

void Tensor::set_grad(const Tensor& gradient) {
  if (!requires_grad() || !node()->leaf) {
    throw std::invalid_argument("set_grad is for leaves that want a gradient");
  }
  if (gradient.defined()) check_gradient("set_grad", *node(), gradient);
  node()->grad = gradient.detach();
}

void Tensor::backward() const {
  if (numel() != 1) shape_error("backward", "needs a scalar or an explicit gradient: shape " + to_string(shape()));
  backward(full(shape(), 1, dtype()));
}

void Tensor::backward(const Tensor& dy) const {
  if (!requires_grad()) {
    throw std::logic_error(
        "[backward] nothing here wants a gradient: no input had set_requires_grad(), or recording "
        "was off");
  }
  check_not_freed(*node());
  check_gradient("backward", *node(), dy);
  add_gradient(*node(), dy);
  walk(node());
}

}  // namespace striate
