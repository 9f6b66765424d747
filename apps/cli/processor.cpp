// Compiled for any x86-64 processor, whatever the rest is built for: a build for a larger one ends here with a message
// instead of an illegal instruction somewhere.

#include "apps/cli/processor.h"

#include <unistd.h>

#include <cstring>

#include "core/build_info.h"

namespace striate::cli {

#if defined(__x86_64__)
__attribute__((constructor(101))) void check_processor() {
  __builtin_cpu_init();
  const auto has = [](auto supported) { return static_cast<bool>(supported); };  // clang has a bool, gcc an int
  const struct {
    const char* name;
    bool here;
  } sets[] = {{"AVX ", has(__builtin_cpu_supports("avx"))},
              {"AVX2 ", has(__builtin_cpu_supports("avx2"))},
              {"FMA ", has(__builtin_cpu_supports("fma"))},
              {"BMI2 ", has(__builtin_cpu_supports("bmi2"))},
              {"AVX-512 ", has(__builtin_cpu_supports("avx512f")) && has(__builtin_cpu_supports("avx512bw")) &&
                               has(__builtin_cpu_supports("avx512vl"))},
              {"AVX512-BF16 ", has(__builtin_cpu_supports("avx512bf16"))},
              {"AVX512-VBMI ", has(__builtin_cpu_supports("avx512vbmi"))}};
  const auto say = [](const char* text) {
    if (write(STDERR_FILENO, text, std::strlen(text)) < 0) _exit(1);
  };
  bool missing = false;
  for (const auto& set : sets) {
    if (set.here || std::strstr(kInstructionSets, set.name) == nullptr) continue;
    say(set.name);
    missing = true;
  }
  if (!missing) return;
  say("is what this program was built for and this processor lacks. Build it here, or anywhere for every such "
      "processor: cmake --preset release -DSTRIATE_ARCH=x86-64-v3 (AVX2) or -DSTRIATE_ARCH=x86-64 (any)\n");
  _exit(1);
}
#else
void check_processor() {}
#endif

}  // namespace striate::cli
