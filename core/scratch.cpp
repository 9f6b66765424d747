#include "core/scratch.h"

#include <array>
#include <new>

namespace striate {
namespace {

constexpr std::align_val_t kAlignment{64};

struct Block {
  void* memory = nullptr;
  std::size_t bytes = 0;

  Block() = default;
  ~Block() { ::operator delete(memory, kAlignment); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  Block(Block&&) = delete;
  Block& operator=(Block&&) = delete;
};

}  // namespace

void* thread_scratch(int slot, std::size_t bytes) {
  thread_local std::array<Block, 4> blocks;
  Block& block = blocks.at(static_cast<std::size_t>(slot));
  if (block.bytes < bytes) {
    ::operator delete(block.memory, kAlignment);
    block.memory = nullptr;
    block.bytes = 0;
    block.memory = ::operator new(bytes, kAlignment);
    block.bytes = bytes;
  }
  return block.memory;
}

}  // namespace striate
