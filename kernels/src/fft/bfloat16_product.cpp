#include "fft/bfloat16_product.h"

#include "common/cpu_version.h"

#if CPM_X86

#define CPM_BFLOAT16 __attribute__((target("avx512f,avx512bf16")))

Bfloat16 cpu_bfloat16() {
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bf16")) return BFLOAT16_NONE;
    return __builtin_cpu_is("amd") ? BFLOAT16_FAST : BFLOAT16_SLOW;
}

CPM_BFLOAT16 void round_cell(const float* cell, bool conjugate, Pair* pairs) {
    const __m512i halves[] = {_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(cell))),
                              _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(cell + BLOCK)))};
    const __m512i pair = _mm512_or_si512(halves[0], _mm512_slli_epi32(halves[1], 16));
    _mm512_storeu_si512(pairs, _mm512_xor_si512(pair, _mm512_set1_epi32(conjugate ? (int)0x80000000 : 0)));
}

// R rows' sums stay in registers.
template <int R>
CPM_BFLOAT16 static void multiply_rows(const Pair* left, const Pair* right, float* result, PairSteps& steps) {
    const __m512i sign_of_lower = _mm512_set1_epi32(0x8000);
    __m512 re[R], im[R];
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) re[r] = im[r] = _mm512_setzero_ps();
    for (int k = 0; k < steps.depth; k++, right += BLOCK) {
        if (k % BLOCK == 0) steps.weights.fetch(), steps.tiles.fetch();
        const __m512i for_re = _mm512_loadu_si512(right);
        const __m512i for_im = _mm512_xor_si512(_mm512_rol_epi32(for_re, 16), sign_of_lower);
#pragma GCC unroll 16
        for (int r = 0; r < R; r++) {
            const __m512bh factor = (__m512bh)_mm512_set1_epi32((int)left[r * steps.left + k]);
            re[r] = _mm512_dpbf16_ps(re[r], (__m512bh)for_re, factor);
            im[r] = _mm512_dpbf16_ps(im[r], (__m512bh)for_im, factor);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
        _mm512_storeu_ps(result + r * steps.result, re[r]);
        _mm512_storeu_ps(result + r * steps.result + BLOCK, im[r]);
    }
}

constexpr int MOST_ROWS_OF_PAIRS = 12;

template <int R>
static void multiply_some(int rows, const Pair* left, const Pair* right, float* result, PairSteps& steps) {
    if constexpr (R > 0) {
        if (rows == R) return multiply_rows<R>(left, right, result, steps);
        multiply_some<R - 1>(rows, left, right, result, steps);
    }
}

void multiply_pairs(int rows, const Pair* left, const Pair* right, float* result, PairSteps steps) {
    int groups = (rows + MOST_ROWS_OF_PAIRS - 1) / MOST_ROWS_OF_PAIRS;
    const int loops = groups * ((steps.depth + BLOCK - 1) / BLOCK);
    steps.weights.spread(loops);
    steps.tiles.spread(loops);
    for (; groups > 0; groups--) {
        const int count = (rows + groups - 1) / groups;
        multiply_some<MOST_ROWS_OF_PAIRS>(count, left, right, result, steps);
        left += count * steps.left;
        result += count * steps.result;
        rows -= count;
    }
}

#else

Bfloat16 cpu_bfloat16() { return BFLOAT16_NONE; }
void round_cell(const float*, bool, Pair*) {}
void multiply_pairs(int, const Pair*, const Pair*, float*, PairSteps) {}

#endif
