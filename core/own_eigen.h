#pragma once
// Eigen under a name of our own, for gemm.cpp and data/whitening.cpp: a program that links us may hold an Eigen built
// for another instruction set, and the linker would mix the inline functions of the two.

#if defined(__GNUC__) && !defined(__clang__)
// False alarms in gcc 12's own AVX-512 header.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define Eigen striate_eigen
#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#undef Eigen
