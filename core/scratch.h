#pragma once
// The workspace of one kernel call, from the caching allocator.

#include <cstddef>
#include <limits>
#include <utility>

#include "core/allocator.h"

namespace striate {

/// Uninitialised room for `count` values of T, aligned to 64 bytes; given back when it goes out of scope.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::ptrdiff_t count)
      : data_(count > 0 ? static_cast<T*>(allocate_block(bytes_of(static_cast<std::size_t>(count)))) : nullptr) {}
  ~Scratch() {
    if (data_ != nullptr) release_block(data_);
  }
  Scratch(Scratch&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  Scratch& operator=(Scratch&&) = delete;

  T* data() { return data_; }

 private:
  // More than there is where the product overflows.
  static std::size_t bytes_of(std::size_t count) {
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    return count > most / sizeof(T) ? most : count * sizeof(T);
  }
  T* data_;
};

}  // namespace striate
