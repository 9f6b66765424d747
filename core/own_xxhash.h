#pragma once
// xxHash as inline code: no program that links us needs its library.

#if defined(__GNUC__) && !defined(__clang__)
// False alarms in gcc 12's own AVX-512 header.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define XXH_INLINE_ALL
#include <xxhash.h>
