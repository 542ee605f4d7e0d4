// The order of arithmetic of OpenBLAS's float32 matrix product, C (M x N) = A (M x K) B (K x N), row-major.
//
// Every element of C is one chain of multiply-adds over k, cut into blocks; each block's chain starts at 0 and the
// blocks are added in order with plain float additions. On Haswell and Nehalem some elements are two chains per block
// (gemm_places.h says which). With AVX-512 small products take kernels of their own, without cuts. docs/numerics.md
// has the rules with pictures.

#pragma once
#include "exact/family.h"

enum TwoChains { ONE_CHAIN, HASWELL_CHAINS, NEHALEM_CHAINS };

// q: the longest block (0: no cuts); unit: what the half of a remainder is rounded up to (0: threads share the product,
// the half is ⌈remainder / 2⌉); fused: one rounding per multiply-add; two: how elements of two chains are made.
struct GemmRule {
    int q, unit;
    bool fused;
    TwoChains two;
};

CPM_FN int gemm_block(int left, GemmRule rule) {
    if (rule.q == 0 || left <= rule.q) return left;
    if (left >= 2 * rule.q) return rule.q;
    return rule.unit ? (left / 2 + rule.unit - 1) / rule.unit * rule.unit : (left + 1) / 2;
}

CPM_FN bool gemm_is_small(long long m, long long n, long long k) { return m * n * k <= 1000000; }

// Whether A B^T, both with rows contiguous in k, is a dot product of 16 lanes.
CPM_FN bool gemm_is_lanes(long long m, long long n, long long k) {
    return gemm_is_small(m, n, k) && m * n <= 1200 && k >= 32;
}

// How the factors are stored; T: transposed. (Caffe has no product of two transposed ones.)
enum GemmForm { GEMM_NN, GEMM_TN, GEMM_NT };

// Among how many threads the columns and the rows of a product are shared.
struct GemmShares {
    int columns, rows;
};

// Columns first, two or more to a thread; threads that are left share the rows.
CPM_FN GemmShares gemm_shares(long long m, long long n, long long k, int threads) {
    if (threads == 1 || m * n * k <= 262144) return {1, 1};
    int columns = n < 4 ? 1 : threads;
    while (columns > 1 && n < 2 * columns) columns /= 2;
    const long long rows = m < 2 * columns ? 1 : (m + 2 * columns - 1) / (2 * columns), most = threads / columns;
    return {columns, (int)(rows < most ? rows : most)};
}

// The arithmetic of a product. Cuts: none in a small one with AVX-512, but A B^T has no kernel without cuts.
CPM_FN GemmRule gemm_rule(GemmForm form, long long m, long long n, long long k, BlasProfile profile) {
    if (has_avx512(profile) && form != GEMM_NT && gemm_is_small(m, n, k)) return GemmRule{0, 1, true, ONE_CHAIN};
    const GemmShares shares = gemm_shares(m, n, k, profile.threads);
    const int rounded = shares.columns * shares.rows == 1;
    switch (profile.family) {
        case COOPERLAKE: return {320, rounded * 16, true, ONE_CHAIN};
        case SKYLAKEX: return {448, rounded * 16, true, ONE_CHAIN};
        case HASWELL:
        case ZEN: return {320, rounded * 8, true, HASWELL_CHAINS};
        case OLD_HASWELL: return {384, rounded * 16, true, ONE_CHAIN};
        case SANDYBRIDGE: return {384, rounded * 16, false, ONE_CHAIN};
        default: return {512, rounded * 4, false, NEHALEM_CHAINS};
    }
}

// The first column of C that is a dot product of 16 lanes: with A B^T the first or none, in a small A B what is left
// over from sixteens if that is at most 8. AVX-512 alone has these kernels.
CPM_FN long long gemm_lanes_from(GemmForm form, long long m, long long n, long long k, BlasProfile profile) {
    if (!has_avx512(profile)) return n;
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

// One block of an element, left(k) times right(k), as one chain.
template <class Left, class Right>
CPM_FN float gemm_chain(int begin, int end, bool fused, const Left& left, const Right& right) {
    float chain = 0.0f;
    for (int k = begin; k < end; k++) chain = multiply_add(fused, left(k), right(k), chain);
    return chain;
}

// One block as two chains, of even and of odd k. Haswell: over whole eights, then the even one goes on alone and the
// odd one is added. Nehalem: over whole fours but their last value, which goes on after they are added.
template <class Left, class Right>
CPM_FN float gemm_two_chains(int begin, int end, TwoChains how, const Left& left, const Right& right) {
    const bool haswell = how == HASWELL_CHAINS;
    const int length = end - begin, whole = haswell ? length / 8 * 8 : length / 4 * 4;
    const int pairs = begin + (haswell || whole == 0 ? whole : whole - 1);
    float even = 0.0f, odd = 0.0f;
    for (int k = begin; k < pairs; k++) {
        float& chain = (k - begin) % 2 ? odd : even;
        chain = multiply_add(haswell, left(k), right(k), chain);
    }
    if (!haswell && whole) even = even + odd;
    for (int k = pairs; k < end; k++) even = multiply_add(haswell, left(k), right(k), even);
    return haswell ? even + odd : even;
}

// One element of C as chains, block by block.
template <class Left, class Right>
CPM_FN float gemm_element(int depth, GemmRule rule, bool two_chains, float c, bool accumulate, const Left& left,
                          const Right& right) {
    for (int begin = 0; begin < depth;) {
        const int end = begin + gemm_block(depth - begin, rule);
        const float chain = two_chains ? gemm_two_chains(begin, end, rule.two, left, right)
                                       : gemm_chain(begin, end, rule.fused, left, right);
        c = accumulate ? c + chain : rule.q ? 0.0f + chain : chain;
        accumulate = true;
        begin = end;
    }
    return c;
}

// Where a row or a column of C lies among OpenBLAS's groups of rows and blocks of columns, as one number. An element is
// two chains if its row's and its column's bits meet: GROUP_OF_4 and any whole block, or the first or second six rows
// of a group of 12 and such a block at the panel's edge.
enum PlaceBits { GROUP_OF_4 = 1, FIRST_SIX = 2, SECOND_SIX = 4 };

// Of a row: bits as the thread that packs it sees them, and as others and later panels of columns do; that thread.
CPM_FN int gemm_row_place(int own, int other, int thread) { return own | other << 8 | thread << 16; }

// Of a column: bits, whether its panel is its thread's first, the thread.
CPM_FN int gemm_column_place(int bits, bool first, int thread) { return bits | first << 8 | thread << 16; }

CPM_FN bool gemm_is_two_chains(int row, int column) {
    const bool own = (column & 256) && (row >> 16) == (column >> 16);
    return (own ? row : row >> 8) & column & 255;
}
