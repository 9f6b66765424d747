#include "core/build_info.h"

namespace striate {

const char kInstructionSets[] =
    ""
#if defined(__AVX__)
    "AVX "
#endif
#if defined(__AVX2__)
    "AVX2 "
#endif
#if defined(__FMA__)
    "FMA "
#endif
#if defined(__BMI2__)
    "BMI2 "
#endif
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)
    "AVX-512 "
#endif
#if defined(__AVX512BF16__)
    "AVX512-BF16 "
#endif
#if defined(__AVX512VBMI__)
    "AVX512-VBMI "
#endif
    ;

std::string build_info() {
#if defined(__clang__)
  const std::string compiler = "clang";
  const std::string version = __clang_version__;  // distributions put their package's name behind it
#else
  const std::string compiler = "gcc";
  const std::string version = __VERSION__;
#endif
  const std::string sets = kInstructionSets;
  return compiler + " " + version.substr(0, version.find(' ')) + ", " +
         (sets.empty() ? "no instruction set beyond the least" : sets.substr(0, sets.size() - 1));
}

}  // namespace striate
