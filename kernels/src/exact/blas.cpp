// Host loops around blas.h.

#include "exact/blas.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define CPM_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CPM_CLONES
#endif

extern "C" {

CPM_CLONES float cpm_dot(const float* x, const float* y, long long count, int family) {
    return blas_dot(x, y, count, {family, 1});
}

float cpm_asum(const float* x, int count, int offset, int family) { return blas_asum(x, count, offset, {family, 1}); }

// y (rows) += scale times the sum of each row of a (rows x length).
CPM_CLONES void cpm_add_row_sums(const float* a, int rows, int length, float scale, int family, int threads, float* y) {
    for (int i = 0; i < rows; i++)
        y[i] = gemv_add_row(a + (long long)i * length, length, i, rows, scale, y[i], {family, threads});
}

// y (columns) += the sums of the columns of a (rows x columns).
void cpm_add_column_sums(const float* a, int rows, int columns, int family, int threads, float* y) {
    for (int j = 0; j < columns; j++) y[j] = gemv_add_column(a, rows, columns, j, y[j], {family, threads});
}

// y += factor x.
CPM_CLONES void cpm_axpy(float factor, const float* x, long long count, int family, int threads, float* y) {
    if (factor == 0.0f) return;  // y stays, whatever x is
    for (long long i = 0; i < count; i++) y[i] = axpy_element(factor, x[i], y[i], i, count, {family, threads});
}

// z = x y + z, each by one fused multiply-add.
CPM_CLONES void cpm_fused(const float* x, const float* y, long long count, float* z) {
    for (long long i = 0; i < count; i++) z[i] = fmaf(x[i], y[i], z[i]);
}
}
