#include "core/axis.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace striate {

int index_of(Axis axis, const Tensor& x, const char* op) {
  constexpr std::array names = {"batch", "height", "width", "channels"};
  std::vector<Axis> axes = {Axis::batch, Axis::height, Axis::width, Axis::channels};
  if (x.rank() < 4) std::erase(axes, Axis::height);
  if (x.rank() < 3) std::erase(axes, Axis::width);
  const auto found = std::find(axes.begin(), axes.end(), axis);
  if (x.rank() < 2 || x.rank() > 4 || found == axes.end()) {
    shape_error(op,
                "needs (batch,channels), (batch,width,channels) or (batch,height,width,channels) and one of these: " +
                    std::string(names.at(static_cast<std::size_t>(axis))) + " of " + to_string(x.shape()));
  }
  return static_cast<int>(found - axes.begin());
}

}  // namespace striate
