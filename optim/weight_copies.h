#pragma once
// A second set of a model's weights, for averages and slow weights: made, moved, saved, restored.

#include <map>
#include <string>
#include <vector>

#include "core/module.h"

namespace striate {

/// Tensors of the same names, axes and values in memory of their own, outside the graph.
std::vector<NamedTensor> copies_of(const std::vector<NamedTensor>& tensors);

/// a = a + share * (b - a) for floating tensors, computed in f64 and rounded once to their dtype; for others
/// a = b. Both look alike, else std::invalid_argument.
void move_towards(Tensor a, const Tensor& b, double share);

/// The tensors in file layout by prefix + name, for TrainingState::tensors. Where axes stay the memory is
/// shared.
std::map<std::string, Tensor> to_saved(const std::vector<NamedTensor>& tensors, const std::string& prefix);
/// Copies what to_saved made; entries without the prefix belong to others. `op` names the caller: throws
/// std::invalid_argument with all names, shapes and dtypes that do not fit, and changes nothing then.
void from_saved(const char* op, const std::vector<NamedTensor>& tensors, const std::map<std::string, Tensor>& saved,
                const std::string& prefix);

}  // namespace striate
