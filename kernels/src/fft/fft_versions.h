// The transforms of every size and the product of spectra, compiled for AVX-512, AVX2 and any processor.

#pragma once
#include "common/cpu_version.h"
#include "fft/fft_product.h"

constexpr int FFT_SIZES[] = {8, 12, 16, 20, 24, 28, 32};
constexpr int FFT_SIZE_COUNT = sizeof(FFT_SIZES) / sizeof(int);

// One size's transforms of one block (fft_tile.h) and the product (fft_product.h).
struct FftKernels {
    void (*forward)(const Patch<const float>&, const Spectrum<float>&);
    void (*inverse)(const Spectrum<const float>&, const Patch<float>&, const Finish&);
    void (*multiply)(int rows, LeftFactor, const float* right, float* result, const ProductSteps&);
};

// Null functions for a size that is not in FFT_SIZES.
FftKernels fft_kernels(int size, CpuVersion version);
