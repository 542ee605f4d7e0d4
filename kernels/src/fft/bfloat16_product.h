// fft_product.h's complex products of spectra whose values are rounded to bfloat16 first, for CPUs that multiply those at
// a higher rate than float32 values (`fast:bf16`). Sums and results are float32.
//
// A pair is a complex value in 32 bits: the real part in the lower half, the imaginary one in the upper. One instruction,
// vdpbf16ps, adds both products of two pairs to a sum: with the weight's (re, −im) the product's real part, with its
// halves exchanged, (im, re), the imaginary part.

#pragma once
#include "fft/fft_product.h"

using Pair = unsigned;

enum Bfloat16 { BFLOAT16_NONE, BFLOAT16_SLOW, BFLOAT16_FAST };

// Whether this CPU has the instruction, and does with it more operations a second than with float32's: AMD's do twice as
// many, Intel's half as many (those that are fast with bfloat16 have AMX, which is oneDNN's).
Bfloat16 cpu_bfloat16();

// A block's pairs of a cell of floats: to nearest, ties to even; values below float32's normal range become 0.
// `conjugate`: with the imaginary parts' signs exchanged.
void round_cell(const float* cell, bool conjugate, Pair* pairs);

// Pairs from a row of the left factor to the next, floats from a row of the result to the next, and what is read next.
struct PairSteps {
    Index left, result;
    int depth;
    Ahead weights = {}, tiles = {};
};

// result (rows x 16 complex values) = left (rows x depth pairs) times right (depth x 16 conjugated pairs).
void multiply_pairs(int rows, const Pair* left, const Pair* right, float* result, PairSteps steps);
