// What every header here shares: how one source becomes CPU code and GPU code.
//
// The CPU build includes these headers from host.cpp (compiled with -ffp-contract=off); a GPU build hands them to
// NVRTC (with --fmad=false). So device functions use no C++ library and no implicit fused multiply-add: where one
// is meant, fma() is written out. Rounding is always half to even, OpenCV's cvRound.

#pragma once

#ifdef __CUDACC__
#define CPM_FN __host__ __device__ inline
#define CPM_TABLE __device__ const
#else
#include <math.h>
#include <string.h>
#define CPM_FN inline __attribute__((always_inline))
#define CPM_TABLE static const
#endif

typedef unsigned char u8;

// What an operation on infinities leaves is a NaN of other bits on a card than on the machines that the original ran
// on: here it has x86's. (A NaN that came in with others' bits keeps them on x86 alone.)
#ifdef __CUDACC__
__device__ inline float with_nan_of_x86(float value) { return value == value ? value : __int_as_float(0xffc00000); }
#else
CPM_FN float with_nan_of_x86(float value) { return value; }
#endif

CPM_FN int round_to_int(float value) { return (int)rintf(value); }

CPM_FN int round_to_int(double value) { return (int)rint(value); }

CPM_FN int clamp_int(int value, int low, int high) { return value < low ? low : value > high ? high : value; }

CPM_FN u8 saturate_u8(int value) { return (u8)clamp_int(value, 0, 255); }

// Rounded and clamped to int16, as OpenCV stores its interpolation weights.
CPM_FN short weight_to_short(float value) { return (short)clamp_int(round_to_int(value), -32768, 32767); }
