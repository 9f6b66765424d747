// Compiled for any x86-64 processor, whatever the rest is built for: a build for a larger one ends here with a message
// instead of an illegal instruction somewhere.

#include "apps/cli/processor.h"

#include <unistd.h>

#include <cstring>

namespace striate::cli {
namespace {

void say(const char* text) {
  if (write(STDERR_FILENO, text, std::strlen(text)) < 0) _exit(1);
}

bool name_missing(std::uint32_t bit, bool here, const char* name) {
  if ((kBuiltFor & bit) == 0 || here) return false;
  say(name);
  return true;
}

}  // namespace

#if defined(__x86_64__)
__attribute__((constructor(101))) void check_processor() {
  __builtin_cpu_init();
  bool missing = name_missing(kAvx, static_cast<bool>(__builtin_cpu_supports("avx")), "AVX ");
  missing |= name_missing(kAvx2, static_cast<bool>(__builtin_cpu_supports("avx2")), "AVX2 ");
  missing |= name_missing(kFma, static_cast<bool>(__builtin_cpu_supports("fma")), "FMA ");
  missing |= name_missing(kBmi2, static_cast<bool>(__builtin_cpu_supports("bmi2")), "BMI2 ");
  missing |= name_missing(kAvx512,
                          static_cast<bool>(__builtin_cpu_supports("avx512f")) &&
                              static_cast<bool>(__builtin_cpu_supports("avx512bw")) &&
                              static_cast<bool>(__builtin_cpu_supports("avx512vl")),
                          "AVX-512 ");
  missing |= name_missing(kAvx512Bf16, static_cast<bool>(__builtin_cpu_supports("avx512bf16")), "AVX512-BF16 ");
  missing |= name_missing(kAvx512Vbmi, static_cast<bool>(__builtin_cpu_supports("avx512vbmi")), "AVX512-VBMI ");
  if (!missing) return;
  say("is what this program was built for and this processor lacks. Build it here, or anywhere for every such "
      "processor: cmake --preset release -DSTRIATE_ARCH=x86-64-v3 (AVX2) or -DSTRIATE_ARCH=x86-64 (any)\n");
  _exit(1);
}
#else
void check_processor() {}
#endif

}  // namespace striate::cli
