#include "core/axis.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace striate {
namespace {

const char* name_of(Axis axis) {
  constexpr std::array<const char*, 4> names = {"batch", "height", "width", "channels"};
  return names[static_cast<std::size_t>(axis)];
}

std::vector<Axis> axes_of_rank(int rank) {
  switch (rank) {
    case 2:
      return {Axis::batch, Axis::channels};
    case 3:
      return {Axis::batch, Axis::width, Axis::channels};
    case 4:
      return {Axis::batch, Axis::height, Axis::width, Axis::channels};
    default:
      return {};
  }
}

}  // namespace

int index_of(Axis axis, const Tensor& x, const char* op) {
  const std::vector<Axis> axes = axes_of_rank(x.rank());
  if (axes.empty()) {
    shape_error(op, "axes have names where there are 2, 3 or 4 of them: " + std::string(name_of(axis)) +
                        " of " + to_string(x.shape()));
  }
  const auto found = std::find(axes.begin(), axes.end(), axis);
  if (found == axes.end()) {
    std::string names;
    for (const Axis each : axes) names += (names.empty() ? "" : ", ") + std::string(name_of(each));
    shape_error(op, "the axis must be one of the tensor's: " + std::string(name_of(axis)) + " of " +
                        to_string(x.shape()) + ", which has " + names);
  }
  return static_cast<int>(found - axes.begin());
}

}  // namespace striate
