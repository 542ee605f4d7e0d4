// Which instructions the host's vector code may use: decided when the program runs, so that one library serves all.
//
// What is compiled for several versions has the same bits in each. Tests ask for a version by its number.

#pragma once

#ifndef CPM_X86  // the build for the thread sanitizer has it 0
#if defined(__x86_64__) && defined(__GNUC__)
#define CPM_X86 1
#else
#define CPM_X86 0
#endif
#endif

#if CPM_X86
#include <immintrin.h>
#endif

enum CpuVersion { CPU_PORTABLE, CPU_AVX2, CPU_AVX512 };

// The best version this CPU has; AVX2 comes with FMA.
inline CpuVersion cpu_version() {
#if CPM_X86
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma")) return CPU_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return CPU_AVX2;
#endif
    return CPU_PORTABLE;
}
