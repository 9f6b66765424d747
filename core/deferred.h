#pragma once
// Fusing. An op may leave its last pass over memory to the op that comes next, which then does both in one: conv2d and
// batch_norm leave theirs, batch_norm and relu take them over. So relu(norm(conv(x))) in a layer's forward() has in
// training one pass for norm and relu, and in evaluation without gradients none beside the convolution's. Only time
// and memory differ from ops that run one by one: a step that no op takes over runs when its tensor is first read, and
// one that was taken over runs as well if its tensor is read all the same: use such an output twice, and it is computed
// twice. Within forward(), write to an op's input by a new mutable_data() alone: writes through a pointer from before
// the op are not seen, and may come before its step.
// Next: core/storage.h, where that happens.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace striate {

/// The step that computes an op's output. All else is done when the op returns it: checks, statistics, the entry in
/// the graph. Give it to Tensor::deferred().
class Deferred {
 public:
  /// `reads`: the tensors that compute() reads and others may write to.
  explicit Deferred(std::vector<Tensor> reads);
  virtual ~Deferred();
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

  /// Writes the output.
  virtual void compute(void* to) const = 0;
  /// What batch_norm makes of the output, (y - mean) * scale + shift with rows (channels) of mean, scale and shift in
  /// `factors`. Undefined where the two cannot be fused: batch_norm then computes from the output.
  virtual Tensor then_norm(const std::function<Tensor()>& factors);
  /// What relu makes of the output, min(max(y, 0), most), with its entry in the graph; undefined where the two cannot
  /// be fused.
  virtual Tensor then_relu(double most);

  [[nodiscard]] const std::vector<Tensor>& reads() const { return reads_; }
  /// Of the profiler's span that deferred it.
  [[nodiscard]] const std::string& place() const { return place_; }
  /// Says that the next op computes its output from reads(): this step's own output is computed only if it is read.
  void take() { taken_ = true; }
  [[nodiscard]] bool taken() const { return taken_; }

 private:
  std::vector<Tensor> reads_;
  std::string place_;
  std::atomic<bool> taken_{false};
};

/// While one lives (Layer::operator() has one), ops of this thread may defer steps, or not where `defers` is false.
/// The end of the outermost computes all that are pending.
class DeferScope {
 public:
  explicit DeferScope(bool defers = true);
  ~DeferScope();
  DeferScope(const DeferScope&) = delete;
  DeferScope& operator=(const DeferScope&) = delete;

  /// Whether an op may defer a step.
  static bool defers();

 private:
  bool defers_before_;
  bool outermost_;
};

/// Called before memory is allocated: at most one tensor of a thread is pending without being taken over, so that what
/// it is computed from lives no longer than if it were computed at once.
void compute_untaken();
/// Called before a tensor is written to: computes what would read it.
void compute_readers_of(const Tensor& written);

}  // namespace striate
