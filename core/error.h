#pragma once
// The two kinds of errors that a user can act on: shapes that do not fit, and files that cannot be used. Other checks
// of arguments: core/check.h.

#include <stdexcept>
#include <string>

#include "core/printable.h"

namespace striate {

/// Arguments of an op that do not fit together. what() is "[op] rule: what came", and inside a model it starts
/// with the path of the layer: "features.3: [conv2d] ...".
class ShapeError : public std::invalid_argument {
 public:
  explicit ShapeError(const std::string& message, bool located = false)
      : std::invalid_argument(message), located_(located) {}

  /// True once the path of a layer stands in front of the message.
  [[nodiscard]] bool located() const noexcept { return located_; }

 private:
  bool located_;
};

/// A file that cannot be read, written or understood: the path, what is wrong, and what to do.
class FileError : public std::runtime_error {
 public:
  FileError(const std::string& path, const std::string& problem)
      : std::runtime_error(printable(path, 4096) + ": " + problem) {}
};

/// Throws ShapeError("[op] message").
[[noreturn]] inline void shape_error(const std::string& op, const std::string& message) {
  throw ShapeError("[" + op + "] " + message);
}

}  // namespace striate
