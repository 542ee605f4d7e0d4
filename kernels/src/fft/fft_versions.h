// The transforms of every size, Winograd's too, and the products, compiled for AVX-512, AVX2 and any processor.

#pragma once
#include "common/cpu_version.h"
#include "fft/fft_product.h"
#include "fft/winograd_tile.h"

constexpr int FFT_SIZES[] = {8, 12, 16, 18, 20, 24, 28, 32};
constexpr int FFT_SIZE_COUNT = sizeof(FFT_SIZES) / sizeof(int);

// One size's transforms of one block (fft_tile.h, winograd_tile.h) and the product (fft_product.h): forward of tiles of
// images, of kernels, and of the results' gradients; inverse for results and for the gradients of kernels; a row of a left
// factor from its cells.
struct FftKernels {
    using Forward = void (*)(const Patch<const float>&, const Spectrum<float>&);
    using Inverse = void (*)(const Spectrum<const float>&, const Patch<float>&, const Finish&);
    Forward forward, forward_kernel, forward_gradient;
    Inverse inverse, inverse_kernel;
    void (*copy)(const float* cells, int count, float* left_factor);
    void (*multiply)(int rows, LeftFactor, const float* right, float* result, const ProductSteps&);
};

// Null functions for a size that is neither in FFT_SIZES nor WINOGRAD.
FftKernels fft_kernels(int size, CpuVersion version);
