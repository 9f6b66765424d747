#pragma once
// Which build of the library this is. Bits of results depend on it: compilers and instruction sets round sums in
// other orders.

#include <string>

namespace striate {

/// The instruction sets that it uses of those which -march=native may turn on, a space behind each: "AVX AVX2 ".
extern const char kInstructionSets[];

/// The compiler and the instruction sets: "clang 14.0.6, AVX AVX2 FMA BMI2".
std::string build_info();

}  // namespace striate
