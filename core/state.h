#pragma once
// The state of a module as files hold it: PyTorch's names and axis orders. The one place where layouts
// convert.

#include <string>
#include <utility>
#include <vector>

#include "core/module.h"
#include "core/safetensors.h"

namespace striate {

/// Tensors in file layout by name.
using FileState = std::vector<std::pair<std::string, Tensor>>;

/// Memory order to file order by NamedTensor::file_axes ((R,S,C,K) to (K,C,R,S), (C,K) to (K,C), ...): a copy
/// where axes move, the same memory otherwise. Throws std::invalid_argument where file_axes is neither empty
/// nor a permutation of the tensor's axes.
Tensor to_file_layout(const Tensor& tensor, const std::vector<int>& file_axes);
/// The inverse.
Tensor from_file_layout(const Tensor& tensor, const std::vector<int>& file_axes);

/// Parameters and buffers under their names, in file layout. Where axes stay the memory is the module's:
/// clone() what must outlive a change.
FileState state_of(const Module& module);

/// Whether a state may have another of the floating dtypes than the tensors that it is copied into.
enum class Dtypes : bool { equal, converted };

/// All that keeps `state` from being copied into the tensors of `wanted`, a line for each missing, unexpected,
/// mismatched or repeated name, of each kind the first ten and a count; empty where it fits. With Dtypes::converted,
/// for files of others, counters may be missing: whole numbers of shape (), as num_batches_tracked.
std::string state_problems(const std::vector<NamedTensor>& wanted, const FileState& state, Dtypes dtypes);

/// Copies by name what state_problems() has found to fit.
void copy_state(const std::vector<NamedTensor>& to, const FileState& state);

/// Parameters and buffers: what load_state wants.
std::vector<NamedTensor> named_state(const Module& module);

/// Copies tensors by name into parameters and buffers, converting between f32, f64, bf16 and f16. Either all of
/// the module's names but counters are there in the right shape and nothing is left over, or std::invalid_argument
/// lists missing, unexpected and mismatched names at once and the module is unchanged.
void load_state(Module& module, const FileState& state);

}  // namespace striate
