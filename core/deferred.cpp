#include "core/deferred.h"

#include <algorithm>
#include <utility>

#include "core/profile.h"
#include "core/storage.h"

namespace striate {
namespace {

struct Waiting {
  std::weak_ptr<Storage> storage;
  std::weak_ptr<Deferred> step;  // gone once it is computed
};

// Pending steps of this thread whose outputs still live: few, since an output that was taken over mostly dies at the
// end of its expression.
thread_local std::vector<Waiting> waiting;
thread_local bool scoped = false;
thread_local bool deferring = false;

// Computes the pending steps for which due(step) holds. Steps may allocate, which calls this again.
template <class F>
void compute_waiting(F due) {
  if (waiting.empty()) return;
  const std::vector<Waiting> now = waiting;
  for (const Waiting& each : now) {
    const std::shared_ptr<Storage> storage = each.storage.lock();
    const std::shared_ptr<Deferred> step = each.step.lock();
    if (storage && step && due(*step)) storage->block();
  }
  std::erase_if(waiting, [](const Waiting& each) { return each.storage.expired() || each.step.expired(); });
}

}  // namespace

Deferred::Deferred(std::vector<Tensor> reads) : reads_(std::move(reads)), place_(profiled_place()) {}
Deferred::~Deferred() = default;

Tensor Deferred::then_norm(const std::function<Tensor()>& /*factors*/) { return {}; }
Tensor Deferred::then_relu(double /*most*/) { return {}; }

void Storage::compute() {
  const std::scoped_lock lock(mutex_);
  if (!pending_.load(std::memory_order_relaxed)) return;
  step_->take();  // so that compute_untaken(), called by what compute() allocates, skips it
  const ProfileSpan span(step_->place(), "forward");
  if (block_ == nullptr) block_ = allocate_block(bytes_);
  step_->compute(block_);
  pending_.store(false, std::memory_order_release);
  step_ = nullptr;
}

void keep_track(const std::shared_ptr<Storage>& storage, const std::shared_ptr<Deferred>& step) {
  waiting.push_back({storage, step});
}

DeferScope::DeferScope(bool defers)
    : defers_before_(std::exchange(deferring, defers)), outermost_(!std::exchange(scoped, true)) {}

DeferScope::~DeferScope() {
  deferring = defers_before_;
  if (!outermost_) return;
  scoped = false;
  try {
    compute_waiting([](const Deferred&) { return true; });
  } catch (...) {
    // Out of memory, say: reading the tensor throws it again.
  }
}

bool DeferScope::defers() { return deferring; }

void compute_untaken() {
  compute_waiting([](const Deferred& step) { return !step.taken(); });
}

void compute_readers_of(const Tensor& written) {
  compute_waiting([&](const Deferred& step) {
    return std::any_of(step.reads().begin(), step.reads().end(),
                       [&](const Tensor& tensor) { return tensor.shares_memory_with(written); });
  });
}

}  // namespace striate
