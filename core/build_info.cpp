#include "core/build_info.h"

namespace striate {
namespace {

#if defined(__clang__)
constexpr const char* kCompiler = "clang";
constexpr const char* kVersion = __clang_version__;
#else
constexpr const char* kCompiler = "gcc";
constexpr const char* kVersion = __VERSION__;
#endif

#if defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__AVX512VL__)
constexpr const char* kInstructions = "AVX-512 BF16";
#elif defined(__AVX512F__)
constexpr const char* kInstructions = "AVX-512";
#elif defined(__AVX2__)
constexpr const char* kInstructions = "AVX2";
#elif defined(__AVX__)
constexpr const char* kInstructions = "AVX";
#elif defined(__x86_64__)
constexpr const char* kInstructions = "x86-64";
#else
constexpr const char* kInstructions = "portable";
#endif

}  // namespace

std::string build_info() {
  const std::string version = kVersion;  // distributions put their package's name behind it
  return std::string(kCompiler) + " " + version.substr(0, version.find(' ')) + ", " + kInstructions;
}

}  // namespace striate
