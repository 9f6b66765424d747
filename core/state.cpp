#include "core/state.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>

#include "core/check.h"
#include "core/parallel.h"
#include "core/printable.h"
#include "core/text.h"

namespace striate {

namespace {

std::size_t place(int axis) { return static_cast<std::size_t>(axis); }

void check_axes(const char* op, const Tensor& tensor, const std::vector<int>& axes) {
  std::vector<int> all(tensor.shape().size());
  std::iota(all.begin(), all.end(), 0);
  expect(std::is_permutation(all.begin(), all.end(), axes.begin(), axes.end()), op,
         "file_axes to order the " + std::to_string(all.size()) + " axes of " + to_string(tensor.shape()),
         to_string(Shape(axes.begin(), axes.end())));
}

/// Fills y, row-major from this axis on, from x, whose axis i steps by strides[i].
template <class T>
T* gather(const T* x, T* y, const Shape& shape, const Shape& strides, std::size_t axis) {
  const bool last = axis + 1 == shape.size();
  for (std::int64_t i = 0; i < shape[axis]; ++i, x += strides[axis]) {
    if (last) {
      *y++ = *x;
    } else {
      y = gather(x, y, shape, strides, axis + 1);
    }
  }
  return y;
}

/// A counter, as batch norm's num_batches_tracked: PyTorch before 0.4.1 and converters leave it out of files, and torch
/// loads those too.
bool may_be_missing(const NamedTensor& named) { return named.value.dtype() == DType::i64 && named.value.rank() == 0; }

/// Axis i of the result is axis axes[i] of the tensor.
Tensor permuted(const Tensor& tensor, const std::vector<int>& axes) {
  if (std::is_sorted(axes.begin(), axes.end())) return tensor;
  Shape steps(axes.size(), 1);
  for (std::size_t axis = axes.size(); axis-- > 1;) steps[axis - 1] = steps[axis] * tensor.shape()[axis];
  Shape shape;
  Shape strides;
  for (const int axis : axes) {
    shape.push_back(tensor.shape()[place(axis)]);
    strides.push_back(steps[place(axis)]);
  }
  Tensor result = Tensor::empty(shape, tensor.dtype());
  dispatch_all(tensor.dtype(), [&]<class T>(T) {
    const T* x = tensor.data<T>();
    T* y = result.mutable_data<T>();
    parallel_for(shape[0], 1, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t size = tensor.numel() / shape[0];
      for (std::int64_t i = begin; i < end; ++i) gather(x + i * strides[0], y + i * size, shape, strides, 1);
    });
  });
  return result;
}

/// The shape in a file of a tensor in memory.
Shape file_shape(const NamedTensor& named) {
  if (named.file_axes.empty()) return named.value.shape();
  check_axes("state", named.value, named.file_axes);
  Shape shape;
  for (const int axis : named.file_axes) shape.push_back(named.value.shape()[place(axis)]);
  return shape;
}

std::string mismatch(const NamedTensor& named, const Tensor& given, Dtypes dtypes) {
  const Shape wanted = file_shape(named);
  if (given.shape() != wanted) {
    return "mismatched: " + named.name + " needs shape " + to_string(wanted) + ", got " + to_string(given.shape());
  }
  const DType dtype = named.value.dtype();
  const bool converts = dtypes == Dtypes::converted && is_floating(dtype) && is_floating(given.dtype());
  if (converts || given.dtype() == dtype) return "";
  return "mismatched: " + named.name + " needs dtype " + to_string(dtype) + ", got " + to_string(given.dtype());
}

}  // namespace

Tensor to_file_layout(const Tensor& tensor, const std::vector<int>& file_axes) {
  if (file_axes.empty()) return tensor;
  check_axes("to_file_layout", tensor, file_axes);
  return permuted(tensor, file_axes);
}

Tensor from_file_layout(const Tensor& tensor, const std::vector<int>& file_axes) {
  if (file_axes.empty()) return tensor;
  check_axes("from_file_layout", tensor, file_axes);
  std::vector<int> inverse(file_axes.size());
  for (std::size_t i = 0; i < inverse.size(); ++i) inverse[place(file_axes[i])] = static_cast<int>(i);
  return permuted(tensor, inverse);
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

std::string state_problems(const std::vector<NamedTensor>& wanted, const FileState& state, Dtypes dtypes) {
  std::unordered_map<std::string, const Tensor*> given;
  std::unordered_set<std::string> names;
  std::vector<std::string> missing;
  std::vector<std::string> unexpected;
  std::vector<std::string> mismatched;
  std::vector<std::string> repeated;
  for (const auto& [name, tensor] : state) {
    if (!given.emplace(name, &tensor).second) repeated.push_back("repeated: " + printable(name));
  }
  for (const NamedTensor& named : wanted) {
    names.insert(named.name);
    const auto found = given.find(named.name);
    if (found != given.end()) {
      const std::string problem = mismatch(named, *found->second, dtypes);
      if (!problem.empty()) mismatched.push_back(problem);
    } else if (dtypes == Dtypes::equal || !may_be_missing(named)) {
      missing.push_back("missing: " + named.name + " " + to_string(file_shape(named)));
    }
  }
  for (const auto& [name, tensor] : state) {
    if (!names.contains(name)) unexpected.push_back("unexpected: " + printable(name) + " " + to_string(tensor.shape()));
  }
  return listed(missing) + listed(unexpected) + listed(mismatched) + listed(repeated);
}

void copy_state(const std::vector<NamedTensor>& to, const FileState& state) {
  const std::unordered_map<std::string, Tensor> given(state.begin(), state.end());
  for (const NamedTensor& named : to) {
    const auto found = given.find(named.name);
    if (found != given.end()) Tensor(named.value).copy_from(from_file_layout(found->second, named.file_axes));
  }
}

void load_state(Module& module, const FileState& state) {
  const std::vector<NamedTensor> wanted = named_state(module);
  const std::string problems = state_problems(wanted, state, Dtypes::converted);
  if (!problems.empty()) throw std::invalid_argument("[load_state] the state does not fit the module:" + problems);
  copy_state(wanted, state);
}

}  // namespace striate
