#pragma once
// Working memory of a kernel's chunk: one block a thread and slot, grown to the largest ever asked for and
// kept.

#include <cstddef>
#include <cstdint>

namespace striate {

/// At least `bytes` bytes, aligned to 64, uninitialised, valid until the same thread asks for the same slot
/// again. Slots 0 to 3, so that one chunk can hold several blocks.
void* thread_scratch(int slot, std::size_t bytes);

template <class T>
T* thread_scratch(int slot, std::int64_t count) {
  return static_cast<T*>(thread_scratch(slot, static_cast<std::size_t>(count) * sizeof(T)));
}

}  // namespace striate
