#pragma once
// Module: named parameters, buffers and children. Layer: a module from one tensor to one tensor.

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor.h"

namespace striate {

/// A named tensor of a module: a parameter or a buffer. `value` shares the module's memory.
struct NamedTensor {
  std::string name;  ///< dotted path, as in PyTorch: "features.0.weight"
  Tensor value;
  /// Axis i of the tensor in a file is axis file_axes[i] in memory; empty where both agree.
  std::vector<int> file_axes;
};

/// What one layer does to the geometry of its input, for summaries; of sides that differ, the larger.
struct LayerGeometry {
  std::int64_t kernel = 1;  ///< extent in the input: (F-1)*dilation+1
  std::int64_t stride = 1;
  std::int64_t upscale = 1;     ///< outputs a side for each input, where that is more than one
  double multiply_adds = 0;     ///< for one image
  double dense_parameters = 0;  ///< what a fully connected layer between the same volumes would hold, bias included
  bool merges_into_previous = false;  ///< batch norm and activations share their convolution's row
};

class Module {
 public:
  Module() = default;
  /// A child: registers itself with the parent under `name` (no dots; unique, else std::invalid_argument).
  Module(Module& parent, std::string name);
  virtual ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// Dotted path from the root; empty for the root.
  [[nodiscard]] std::string path() const;
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::vector<Module*>& children() const { return children_; }

  /// All parameters below this module, own ones first, then child by child, as PyTorch orders them. Names are
  /// relative to this module.
  [[nodiscard]] std::vector<NamedTensor> parameters() const;
  /// All buffers: state that no optimiser changes (running statistics).
  [[nodiscard]] std::vector<NamedTensor> buffers() const;

  /// Training mode (batch statistics, dropout) for this module and all below; eval() is train(false).
  void train(bool on = true);
  void eval() { train(false); }
  [[nodiscard]] bool training() const { return training_; }
  /// Converts all floating parameters and buffers; make the optimiser afterwards.
  void to(DType dtype);
  /// Clears the gradients of all parameters.
  void zero_grad();
  /// The child that gives the classes ("classifier", "fc"), whose parameters go by this prefix; empty where there
  /// is none.
  [[nodiscard]] virtual std::string head() const { return {}; }

 protected:
  /// Registers `slot`, a member of the derived class, as a parameter with this first value; it wants a gradient.
  void add_parameter(const std::string& name, Tensor& slot, const Tensor& value, std::vector<int> file_axes = {});
  void add_buffer(const std::string& name, Tensor& slot, const Tensor& value);

 private:
  struct Slot {
    std::string name;
    Tensor* tensor;
    std::vector<int> file_axes;
  };
  void collect(const std::string& prefix, std::vector<Slot> Module::*slots, std::vector<NamedTensor>& out) const;
  static void convert(std::vector<Slot>& slots, DType dtype, bool wants_grad);

  Module* parent_ = nullptr;
  std::string name_;
  std::vector<Module*> children_;
  std::vector<Slot> parameters_;
  std::vector<Slot> buffers_;
  bool training_ = true;
};

class Layer : public Module {
 public:
  using Module::Module;
  virtual Tensor forward(const Tensor& x) = 0;
  /// forward(), with this layer's path put in front of a ShapeError, seen by the observer if there is one. Ops inside
  /// may be fused (core/deferred.h).
  Tensor operator()(const Tensor& x);
  /// The layer's type as a summary shows it: "Conv2d".
  [[nodiscard]] virtual std::string kind() const { return "Layer"; }
  /// For an input and output of these shapes (batch 1).
  [[nodiscard]] virtual LayerGeometry geometry(const Shape& input, const Shape& output) const;
};

/// Puts a module and all below it in eval mode; when it goes, each has the mode that it had. One by one, since some may
/// be in eval mode for good (frozen norms).
class EvalGuard {
 public:
  explicit EvalGuard(Module& module);
  ~EvalGuard();
  EvalGuard(const EvalGuard&) = delete;
  EvalGuard& operator=(const EvalGuard&) = delete;

 private:
  std::vector<std::pair<Module*, bool>> modes_;
};

/// While one lives, sees every layer call of this thread after it returned: inner layers first, and every op's own
/// output, since nothing is fused meanwhile. One at a time.
class LayerObserver {
 public:
  using Callback = std::function<void(const Layer& layer, const Tensor& x, const Tensor& y)>;
  explicit LayerObserver(Callback callback);
  ~LayerObserver();
  LayerObserver(const LayerObserver&) = delete;
  LayerObserver& operator=(const LayerObserver&) = delete;

 private:
  friend class Layer;
  Callback callback_;
  LayerObserver* before_;
};

}  // namespace striate
