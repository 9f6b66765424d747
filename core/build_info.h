#pragma once
// Which build of the library this is. Bits of results depend on it: compilers and instruction sets round sums in
// other orders.

#include <string>

namespace striate {

/// The compiler and the instruction set: "clang 14.0.6, AVX-512 BF16".
std::string build_info();

}  // namespace striate
