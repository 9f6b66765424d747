#pragma once
// The workspace of one kernel call, from the caching allocator.

#include <cstddef>
#include <utility>

#include "core/allocator.h"

namespace striate {

/// Uninitialised room for `count` values of T, aligned to 64 bytes; given back when it goes out of scope.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::ptrdiff_t count)
      : data_(count > 0 ? static_cast<T*>(allocate_block(static_cast<std::size_t>(count) * sizeof(T))) : nullptr) {}
  ~Scratch() {
    if (data_ != nullptr) release_block(data_);
  }
  Scratch(Scratch&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  Scratch& operator=(Scratch&&) = delete;

  T* data() { return data_; }

 private:
  T* data_;
};

}  // namespace striate
