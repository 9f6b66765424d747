#include "apps/cli/processor.h"

namespace striate::cli {

const char kBuiltFor[] =
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

}  // namespace striate::cli
