#include "core/module.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "core/autograd.h"
#include "core/deferred.h"
#include "core/profile.h"
#include "core/trace.h"

namespace striate {
namespace {

thread_local LayerObserver* observer = nullptr;

}  // namespace

Module::Module(Module& parent, std::string name) : parent_(&parent), name_(std::move(name)) {
  if (name_.empty() || name_.find('.') != std::string::npos) {
    throw std::invalid_argument("a child's name must be non-empty and without dots, got \"" + name_ + "\"");
  }
  for (const Module* sibling : parent.children_) {
    if (sibling->name_ == name_) throw std::invalid_argument("two children are named \"" + name_ + "\"");
  }
  training_ = parent.training_;
  parent.children_.push_back(this);
}

Module::~Module() {
  if (parent_ != nullptr) std::erase(parent_->children_, this);
  for (Module* child : children_) child->parent_ = nullptr;
}

std::string Module::path() const {
  if (parent_ == nullptr) return name_;
  const std::string above = parent_->path();
  return above.empty() ? name_ : above + "." + name_;
}

void Module::collect(const std::string& prefix, std::vector<Slot> Module::*slots, std::vector<NamedTensor>& out) const {
  for (const Slot& slot : this->*slots) out.push_back({prefix + slot.name, *slot.tensor, slot.file_axes});
  for (const Module* child : children_) child->collect(prefix + child->name_ + ".", slots, out);
}

std::vector<NamedTensor> Module::parameters() const {
  std::vector<NamedTensor> all;
  collect("", &Module::parameters_, all);
  return all;
}

std::vector<NamedTensor> Module::buffers() const {
  std::vector<NamedTensor> all;
  collect("", &Module::buffers_, all);
  return all;
}

void Module::train(bool on) {
  training_ = on;
  for (Module* child : children_) child->train(on);
}

void Module::convert(std::vector<Slot>& slots, DType dtype, bool wants_grad) {
  for (Slot& slot : slots) {
    Tensor& tensor = *slot.tensor;
    if (!is_floating(tensor.dtype()) || tensor.dtype() == dtype) continue;
    Tensor converted = Tensor::empty(tensor.shape(), dtype);
    converted.copy_from(tensor);
    tensor = converted.set_requires_grad(wants_grad && tensor.requires_grad());
  }
}

void Module::to(DType dtype) {
  if (!is_floating(dtype)) throw std::invalid_argument("a module can only become f32, f64, bf16 or f16");
  convert(parameters_, dtype, true);
  convert(buffers_, dtype, false);
  for (Module* child : children_) child->to(dtype);
}

void Module::zero_grad() {
  for (NamedTensor& parameter : parameters()) {
    if (parameter.value.requires_grad()) parameter.value.set_grad({});
  }
}

void Module::add_parameter(const std::string& name, Tensor& slot, const Tensor& value, std::vector<int> file_axes) {
  slot = value;
  slot.set_requires_grad();
  parameters_.push_back({name, &slot, std::move(file_axes)});
}

void Module::add_buffer(const std::string& name, Tensor& slot, const Tensor& value) {
  slot = value;
  buffers_.push_back({name, &slot, {}});
}

Tensor Layer::operator()(const Tensor& x) {
  const ProfileSpan span(profiling() ? path() : std::string(), "forward");
  const Trace::Inside inside(*this);
  const DeferScope scope(observer == nullptr && Trace::active() == nullptr);
  try {
    Tensor y = forward(x);
    if (observer != nullptr) observer->callback_(*this, x, y);
    return y;
  } catch (const ShapeError& error) {
    if (error.located() || path().empty()) throw;
    throw ShapeError(path() + ": " + error.what(), true);
  }
}

LayerGeometry Layer::geometry(const Shape& /*input*/, const Shape& /*output*/) const { return {}; }

EvalGuard::EvalGuard(Module& module) {
  modes_.emplace_back(&module, module.training());
  for (std::size_t i = 0; i < modes_.size(); ++i) {
    for (Module* child : modes_[i].first->children()) modes_.emplace_back(child, child->training());
  }
  module.eval();
}

EvalGuard::~EvalGuard() {
  // train() reaches all below, so parents come first.
  for (const auto& [module, training] : modes_) module->train(training);
}

LayerObserver::LayerObserver(Callback callback)
    : callback_(std::move(callback)), before_(std::exchange(observer, this)) {}

LayerObserver::~LayerObserver() { observer = before_; }

}  // namespace striate
