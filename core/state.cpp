#include "core/state.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>

#include "core/parallel.h"

namespace striate {

namespace {

/// Elements a chunk of a parallel copy moves.
constexpr std::int64_t grain = 1 << 15;

void check_axes(const char* op, const Tensor& tensor, const std::vector<int>& axes) {
  std::vector<int> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  std::vector<int> all(tensor.shape().size());
  std::iota(all.begin(), all.end(), 0);
  if (sorted == all) return;
  const Shape given(axes.begin(), axes.end());
  throw std::invalid_argument("[" + std::string(op) + "] expected file_axes to order the " +
                              std::to_string(all.size()) + " axes of " + to_string(tensor.shape()) +
                              ", got " + to_string(given));
}

/// Elements begin .. end-1 of y, whose axis i steps by strides[i] through x.
template <class T>
void copy_range(const T* x, T* y, const Shape& shape, const Shape& strides, std::int64_t begin,
                std::int64_t end) {
  const std::size_t rank = shape.size();
  Shape index(rank);
  std::int64_t from = 0;
  std::int64_t rest = begin;
  for (std::size_t axis = rank; axis-- > 0;) {
    index[axis] = rest % shape[axis];
    rest /= shape[axis];
    from += index[axis] * strides[axis];
  }
  for (std::int64_t i = begin; i < end; ++i) {
    y[i] = x[from];
    for (std::size_t axis = rank; axis-- > 0;) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

/// Axis i of the result is axis axes[i] of the tensor.
Tensor permuted(const Tensor& tensor, const std::vector<int>& axes) {
  const std::size_t rank = axes.size();
  Shape steps(rank, 1);
  for (std::size_t axis = rank; axis-- > 1;) steps[axis - 1] = steps[axis] * tensor.shape()[axis];
  Shape shape;
  Shape strides;
  for (const int axis : axes) {
    shape.push_back(tensor.shape()[static_cast<std::size_t>(axis)]);
    strides.push_back(steps[static_cast<std::size_t>(axis)]);
  }
  Tensor result = Tensor::empty(shape, tensor.dtype());
  dispatch_all(tensor.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* x = tensor.data<T>();
    T* y = result.mutable_data<T>();
    parallel_for(tensor.numel(), grain,
                 [&](std::int64_t begin, std::int64_t end) { copy_range(x, y, shape, strides, begin, end); });
  });
  return result;
}

bool moves_nothing(const std::vector<int>& axes) {
  return std::is_sorted(axes.begin(), axes.end());
}

std::vector<int> inverse(const std::vector<int>& axes) {
  std::vector<int> result(axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i)
    result[static_cast<std::size_t>(axes[i])] = static_cast<int>(i);
  return result;
}

/// The shape in a file of a tensor in memory.
Shape file_shape(const NamedTensor& named) {
  if (named.file_axes.empty()) return named.value.shape();
  check_axes("state", named.value, named.file_axes);
  Shape shape;
  for (const int axis : named.file_axes) shape.push_back(named.value.shape()[static_cast<std::size_t>(axis)]);
  return shape;
}

std::string mismatch(const NamedTensor& named, const Tensor& given, bool convert) {
  const Shape wanted = file_shape(named);
  if (given.shape() != wanted) {
    return "\n  mismatched: " + named.name + " needs shape " + to_string(wanted) + ", got " +
           to_string(given.shape());
  }
  const DType dtype = named.value.dtype();
  const bool fits = given.dtype() == dtype || (convert && is_floating(dtype) && is_floating(given.dtype()));
  if (fits) return "";
  return "\n  mismatched: " + named.name + " needs dtype " + to_string(dtype) + ", got " +
         to_string(given.dtype());
}

bool starts_with_any(const std::string& name, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&name](const std::string& prefix) {
    return name.compare(0, prefix.size(), prefix) == 0;
  });
}

}  // namespace

Tensor to_file_layout(const Tensor& tensor, const std::vector<int>& file_axes) {
  if (file_axes.empty()) return tensor;
  check_axes("to_file_layout", tensor, file_axes);
  return moves_nothing(file_axes) ? tensor : permuted(tensor, file_axes);
}

Tensor from_file_layout(const Tensor& tensor, const std::vector<int>& file_axes) {
  if (file_axes.empty()) return tensor;
  check_axes("from_file_layout", tensor, file_axes);
  return moves_nothing(file_axes) ? tensor : permuted(tensor, inverse(file_axes));
}

std::vector<NamedTensor> named_state(const Module& module) {
  std::vector<NamedTensor> all = module.parameters();
  for (NamedTensor& buffer : module.buffers()) all.push_back(std::move(buffer));
  return all;
}

FileState state_of(const Module& module) {
  FileState state;
  for (const NamedTensor& named : named_state(module)) {
    state.emplace_back(named.name, to_file_layout(named.value.detach(), named.file_axes));
  }
  return state;
}

std::string state_problems(const std::vector<NamedTensor>& wanted, const FileState& state,
                           const StateRules& rules) {
  std::unordered_map<std::string, const Tensor*> given;
  std::unordered_set<std::string> names;
  std::string repeated;
  std::string missing;
  std::string mismatched;
  std::string unexpected;
  for (const auto& [name, tensor] : state) {
    if (!given.emplace(name, &tensor).second) repeated += "\n  repeated: " + name;
  }
  for (const NamedTensor& named : wanted) {
    names.insert(named.name);
    const auto found = given.find(named.name);
    if (found != given.end()) {
      mismatched += mismatch(named, *found->second, rules.convert);
    } else if (!rules.missing_allowed) {
      missing += "\n  missing: " + named.name + " " + to_string(file_shape(named));
    }
  }
  for (const auto& [name, tensor] : state) {
    if (!names.contains(name) && !starts_with_any(name, rules.ignored_prefixes)) {
      unexpected += "\n  unexpected: " + name + " " + to_string(tensor.shape());
    }
  }
  return missing + unexpected + mismatched + repeated;
}

void load_state(Module& module, const FileState& state, const std::vector<std::string>& ignored_prefixes) {
  std::vector<NamedTensor> wanted = named_state(module);
  const std::string problems = state_problems(wanted, state, {.ignored_prefixes = ignored_prefixes});
  if (!problems.empty())
    throw std::invalid_argument("[load_state] the state does not fit the module:" + problems);
  std::unordered_map<std::string, const Tensor*> given;
  for (const auto& [name, tensor] : state) given.emplace(name, &tensor);
  for (NamedTensor& named : wanted) {
    named.value.copy_from(from_file_layout(*given.at(named.name), named.file_axes));
  }
}

}  // namespace striate
