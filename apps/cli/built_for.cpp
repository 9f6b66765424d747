#include "apps/cli/processor.h"

namespace striate::cli {

const std::uint32_t kBuiltFor = 0U
#if defined(__AVX__)
                                | kAvx
#endif
#if defined(__AVX2__)
                                | kAvx2
#endif
#if defined(__FMA__)
                                | kFma
#endif
#if defined(__BMI2__)
                                | kBmi2
#endif
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)
                                | kAvx512
#endif
#if defined(__AVX512BF16__)
                                | kAvx512Bf16
#endif
#if defined(__AVX512VBMI__)
                                | kAvx512Vbmi
#endif
    ;

}  // namespace striate::cli
