#include "optim/weight_copies.h"

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <unordered_map>

#include "core/parallel.h"
#include "core/state.h"

namespace striate {

namespace {

/// Elements a chunk moves.
constexpr std::int64_t grain = 1 << 14;

}  // namespace

std::vector<NamedTensor> copies_of(const std::vector<NamedTensor>& tensors) {
  std::vector<NamedTensor> copies;
  for (const NamedTensor& named : tensors) copies.push_back({named.name, named.value.clone(), named.file_axes});
  return copies;
}

void move_towards(Tensor a, const Tensor& b, double share) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) {
    throw std::invalid_argument("[move_towards] expected two tensors alike, got " + to_string(a.dtype()) +
                                to_string(a.shape()) + " and " + to_string(b.dtype()) + to_string(b.shape()));
  }
  if (!is_floating(a.dtype())) {
    a.copy_from(b);
    return;
  }
  dispatch_floating("move_towards", a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = a.mutable_data<T>();
    const T* from = b.data<T>();
    parallel_for(a.numel(), grain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto start = static_cast<double>(to[i]);
        to[i] = static_cast<T>(std::fma(share, static_cast<double>(from[i]) - start, start));
      }
    });
  });
}

std::map<std::string, Tensor> to_saved(const std::vector<NamedTensor>& tensors, const std::string& prefix) {
  std::map<std::string, Tensor> saved;
  for (const NamedTensor& named : tensors) {
    saved.emplace(prefix + named.name, to_file_layout(named.value, named.file_axes));
  }
  return saved;
}

void from_saved(const char* op, const std::vector<NamedTensor>& tensors, const std::map<std::string, Tensor>& saved,
                const std::string& prefix) {
  FileState state;
  for (const auto& [name, tensor] : saved) {
    if (name.starts_with(prefix)) state.emplace_back(name.substr(prefix.size()), tensor);
  }
  const std::string problems = state_problems(tensors, state, {.convert = false});
  if (!problems.empty()) {
    throw std::invalid_argument("[" + std::string(op) + "] what was saved under \"" + prefix +
                                "\" does not fit:" + problems);
  }
  const std::unordered_map<std::string, Tensor> given(state.begin(), state.end());
  for (const NamedTensor& named : tensors) {
    Tensor(named.value).copy_from(from_file_layout(given.at(named.name), named.file_axes));
  }
}

}  // namespace striate
