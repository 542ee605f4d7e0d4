// The products of the families without AVX-512: Haswell's fused chains, Sandybridge's and Nehalem's rounded ones.
//
// Elements of two chains are left alone by the tiled kernels (tiled_kernels.h); the others below compute them, one
// thread per element of C.

#include "exact/tiled_kernels.h"

TILED_KERNELS(fused_, 128x128, T128, FusedChainsWithPlaces)
TILED_KERNELS(fused_, 64x64, T64, FusedChainsWithPlaces)
TILED_KERNELS(fused_, 32x128, T32, FusedChainsWithPlaces)
TILED_KERNELS(rounded_, 128x128, T128, RoundedChainsWithPlaces)
TILED_KERNELS(rounded_, 64x64, T64, RoundedChainsWithPlaces)
TILED_KERNELS(rounded_, 32x128, T32, RoundedChainsWithPlaces)

// As product_lanes of exact.cu: a_row leads from row to row of A and a_k along k, likewise for B's columns.
CPM_KERNEL(128, 1)
product_two_chains(const float* a, const float* b, float* c, const float* bias, int form, int m, int n, int k,
                   PROFILE_ARGUMENTS, int a_row, int a_k, int b_column, int b_k, int onto, int a_count,
                   long long a_step, long long b_step, int batch) {
    const long long at = element_number(), z = at / ((long long)m * n);
    const int row = at / n % m, column = at % n;
    if (z >= batch || !PLACES.two_chains(row, column)) return;
    const float* left = a + z % a_count * a_step + (long long)row * a_row;
    const float* right = b + z * b_step + (long long)column * b_column;
    const GemmRule rule = gemm_rule((GemmForm)form, m, n, k, PROFILE);
    const float sum = gemm_element(
        k, rule, true, onto ? c[at] : 0.0f, onto, [&](int i) { return left[(long long)i * a_k]; },
        [&](int i) { return right[(long long)i * b_k]; });
    c[at] = with_nan_of_x86(bias ? sum + bias[z % a_count * m + row] : sum);
}

CPM_KERNEL(128, 1)
convolution_two_chains(const float* weight, const float* bottom, const float* bias, float* top, const int4* taps,
                       IMAGE_ARGUMENTS, int m, int k, PROFILE_ARGUMENTS, int group, int channels, int images) {
    const int n = out_rows * out_columns;
    const long long at = element_number(), z = at / ((long long)m * n);
    const int row = at / n % m, pixel = at % n, g = z % group;
    if (z >= (long long)images * group || !PLACES.two_chains(row, pixel)) return;
    const float* left = weight + ((long long)g * m + row) * k;
    const float* image = bottom + z * channels * rows * columns;
    const float sum = gemm_element(
        k, gemm_rule(GEMM_NN, m, n, k, PROFILE), true, 0.0f, false, [&](int i) { return left[i]; },
        [&](int i) { return column_element(image, taps[i], IMAGE, pixel); });
    top[at] = with_nan_of_x86(bias ? sum + bias[g * m + row] : sum);
}

// Image by image, onto what is there.
CPM_KERNEL(128, 1)
weight_gradient_two_chains(const float* top, const float* bottom, float* weight, const int4* taps, IMAGE_ARGUMENTS,
                           int m, int k, PROFILE_ARGUMENTS, int group, int channels, int images) {
    const long long at = element_number();
    const int g = at / ((long long)m * k), row = at / k % m, tap = at % k, area = out_rows * out_columns;
    if (g >= group || !PLACES.two_chains(row, tap)) return;
    const GemmRule rule = gemm_rule(GEMM_NT, m, k, area, PROFILE);
    for (int i = 0; i < images; i++) {
        const float* left = top + ((long long)(i * group + g) * m + row) * area;
        const float* image = bottom + (long long)(i * group + g) * channels * rows * columns;
        const float sum = gemm_element(
            area, rule, true, weight[at], true, [&](int p) { return left[p]; },
            [&](int p) { return column_element(image, taps[tap], IMAGE, p); });
        weight[at] = with_nan_of_x86(sum);
    }
}
