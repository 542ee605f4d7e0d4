// The order of arithmetic of OpenBLAS's float32 matrix product, C (M x N) = A (M x K) B (K x N), row-major.
//
// Every element of C is one chain of fused multiply-adds over k, cut into blocks; each block's chain starts at 0 and
// the blocks are added in order with plain float additions. Small products take kernels of their own, without cuts.
// These rules are all that host and GPU code need to share; GemmRule is passed by value to both.

#pragma once
#include "common/device.h"

// q: the longest block (0: no cuts); unit: what the half of a remainder is rounded up to.
struct GemmRule {
    int q, unit;
};

CPM_FN int gemm_block(int left, GemmRule rule) {
    if (rule.q == 0 || left <= rule.q) return left;
    if (left >= 2 * rule.q) return rule.q;
    return (left / 2 + rule.unit - 1) / rule.unit * rule.unit;
}

CPM_FN bool gemm_is_small(long long m, long long n, long long k) { return m * n * k <= 1000000; }

// Whether A B^T, both with rows contiguous in k, is a dot product of 16 lanes.
CPM_FN bool gemm_is_lanes(long long m, long long n, long long k) {
    return gemm_is_small(m, n, k) && m * n <= 1200 && k >= 32;
}

// How the factors are stored; T: transposed. (Caffe has no product of two transposed ones.)
enum GemmForm { GEMM_NN, GEMM_TN, GEMM_NT };

// The cuts of a product: none in a small one, but A B^T has no kernel without cuts.
CPM_FN GemmRule gemm_rule(GemmForm form, long long m, long long n, long long k, GemmRule profile) {
    return form != GEMM_NT && gemm_is_small(m, n, k) ? GemmRule{0, 1} : profile;
}

// The first column of C that is a dot product of 16 lanes: with A B^T the first or none, in a small A B what is left
// over from sixteens if that is at most 8.
CPM_FN long long gemm_lanes_from(GemmForm form, long long m, long long n, long long k) {
    if (form == GEMM_NT) return gemm_is_lanes(m, n, k) ? 0 : n;
    const bool tail = form == GEMM_NN && gemm_is_small(m, n, k) && k >= 32 && n % 16 <= 8;
    return tail ? n - n % 16 : n;
}

// Whether such an element's lanes are folded halves first: it lies in the corner outside the kernel's 4-wide tiles.
CPM_FN bool gemm_halves_first(long long row, long long column, long long m, long long n) {
    return row >= m / 4 * 4 && column >= n / 4 * 4;
}

// Sum of 16 lanes: neighbours first, or, in that corner, halves first.
CPM_FN float gemm_fold(float* lane, bool halves_first) {
    for (int count = 8; count > 0; count /= 2)
        for (int i = 0; i < count; i++) lane[i] = halves_first ? lane[i] + lane[i + count] : lane[2 * i] + lane[2 * i + 1];
    return lane[0];
}

// One element of C as 16 lanes; a_step and b_step lead from k to k + 1.
CPM_FN float gemm_lanes_element(const float* a, long long a_step, const float* b, long long b_step, int k,
                                bool halves_first, float c, bool accumulate) {
    float lane[16] = {};
    for (int i = 0; i < k; i++) lane[i % 16] = fmaf(a[i * a_step], b[i * b_step], lane[i % 16]);
    const float sum = gemm_fold(lane, halves_first);
    return accumulate ? c + sum : sum;
}

// One element of C as chains.
CPM_FN float gemm_chain_element(const float* a, long long a_step, const float* b, long long b_step, int k,
                                GemmRule rule, float c, bool accumulate) {
    const bool cut = rule.q != 0;
    for (int start = 0; start < k;) {
        const int length = gemm_block(k - start, rule);
        float chain = 0.0f;
        for (int i = start; i < start + length; i++) chain = fmaf(a[i * a_step], b[i * b_step], chain);
        c = accumulate ? c + chain : cut ? 0.0f + chain : chain;
        accumulate = true;
        start += length;
    }
    return c;
}
