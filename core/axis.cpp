#include "core/axis.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace striate {
namespace {

std::string name_of(Axis axis) {
  constexpr std::array<const char*, 4> names = {"batch", "height", "width", "channels"};
  return names[static_cast<std::size_t>(axis)];
}

}  // namespace

int index_of(Axis axis, const Tensor& x, const char* op) {
  if (x.rank() < 2 || x.rank() > 4) {
    shape_error(op,
                "axes have names where there are 2, 3 or 4 of them: " + name_of(axis) + " of " + to_string(x.shape()));
  }
  std::vector<Axis> axes = {Axis::batch, Axis::height, Axis::width, Axis::channels};
  if (x.rank() < 4) std::erase(axes, Axis::height);
  if (x.rank() < 3) std::erase(axes, Axis::width);
  const auto found = std::find(axes.begin(), axes.end(), axis);
  if (found == axes.end()) {
    std::string names;
    for (const Axis each : axes) names += (names.empty() ? "" : ", ") + name_of(each);
    shape_error(op, "the axis must be one of the tensor's: " + name_of(axis) + " of " + to_string(x.shape()) +
                        ", which has " + names);
  }
  return static_cast<int>(found - axes.begin());
}

}  // namespace striate
