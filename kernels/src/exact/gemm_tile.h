// The innermost product on packed panels, for the host: 8 rows of A by 48 columns of B over one block of k.
//
// A panel of A holds [k][8], a panel of B [k][48] floats. Each of the 384 results is one chain of multiply-adds, each
// rounded once (FUSED) or twice, so the three versions (AVX-512, AVX2 with FMA, any CPU) have the same bits.

#pragma once
#include "common/cpu_version.h"
#include "exact/family.h"

constexpr int TILE_ROWS = 8, TILE_COLUMNS = 48;

// What becomes of a block's chains: kept, added to zero, or added to what C holds.
enum TileUse { TILE_STORE, TILE_STORE_SUM, TILE_ADD };

struct Tile {
    float* c;
    long long stride;  // from a row of C to the next
    int rows, columns;
    TileUse use;
};

inline float tile_result(float chain, float c, TileUse use) {
    return use == TILE_ADD ? c + chain : use == TILE_STORE_SUM ? 0.0f + chain : chain;
}

// For CPUs without FMA instructions: fmaf in software, slow.
template <bool FUSED>
inline void tile_portable(int depth, const float* a, const float* b, const Tile& tile) {
    for (int i = 0; i < tile.rows; i++)
        for (int j = 0; j < tile.columns; j++) {
            float chain = 0.0f;
            for (int k = 0; k < depth; k++)
                chain = multiply_add(FUSED, a[k * TILE_ROWS + i], b[k * TILE_COLUMNS + j], chain);
            float& c = tile.c[i * tile.stride + j];
            c = tile_result(chain, c, tile.use);
        }
}

#if CPM_X86
template <bool FUSED>
__attribute__((target("avx512f,fma"), always_inline)) inline __m512 add_product(__m512 a, __m512 b, __m512 sum) {
    return FUSED ? _mm512_fmadd_ps(a, b, sum) : _mm512_add_ps(_mm512_mul_ps(a, b), sum);
}

template <bool FUSED>
__attribute__((target("avx2,fma"), always_inline)) inline __m256 add_product(__m256 a, __m256 b, __m256 sum) {
    return FUSED ? _mm256_fmadd_ps(a, b, sum) : _mm256_add_ps(_mm256_mul_ps(a, b), sum);
}

template <bool FUSED>
__attribute__((target("avx512f,fma"))) inline void tile_avx512(int depth, const float* a, const float* b,
                                                               const Tile& tile) {
    __m512 chain[TILE_ROWS][3];
#pragma GCC unroll 8
    for (int i = 0; i < TILE_ROWS; i++)
#pragma GCC unroll 3
        for (int j = 0; j < 3; j++) chain[i][j] = _mm512_setzero_ps();
    for (int k = 0; k < depth; k++, a += TILE_ROWS, b += TILE_COLUMNS) {
        const __m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + 16), b2 = _mm512_loadu_ps(b + 32);
#pragma GCC unroll 8
        for (int i = 0; i < TILE_ROWS; i++) {
            const __m512 ai = _mm512_set1_ps(a[i]);
            chain[i][0] = add_product<FUSED>(ai, b0, chain[i][0]);
            chain[i][1] = add_product<FUSED>(ai, b1, chain[i][1]);
            chain[i][2] = add_product<FUSED>(ai, b2, chain[i][2]);
        }
    }
    const unsigned long long columns = tile.columns >= 48 ? ~0ULL : (1ULL << tile.columns) - 1;
#pragma GCC unroll 8
    for (int i = 0; i < TILE_ROWS; i++) {
        if (i >= tile.rows) break;
#pragma GCC unroll 3
        for (int j = 0; j < 3; j++) {
            float* c = tile.c + i * tile.stride + 16 * j;
            const __mmask16 mask = (__mmask16)(columns >> (16 * j));
            __m512 result = chain[i][j];
            if (tile.use == TILE_ADD) result = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), result);
            if (tile.use == TILE_STORE_SUM) result = _mm512_add_ps(_mm512_setzero_ps(), result);
            _mm512_mask_storeu_ps(c, mask, result);
        }
    }
}

// 4 x 24 chains at a time: 12 of the 16 registers.
template <bool FUSED>
__attribute__((target("avx2,fma"))) inline void tile_quarter_avx2(int depth, const float* a, const float* b,
                                                                  float* out) {
    __m256 chain[4][3];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
#pragma GCC unroll 3
        for (int j = 0; j < 3; j++) chain[i][j] = _mm256_setzero_ps();
    for (int k = 0; k < depth; k++, a += TILE_ROWS, b += TILE_COLUMNS) {
        const __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8), b2 = _mm256_loadu_ps(b + 16);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            const __m256 ai = _mm256_broadcast_ss(a + i);
            chain[i][0] = add_product<FUSED>(ai, b0, chain[i][0]);
            chain[i][1] = add_product<FUSED>(ai, b1, chain[i][1]);
            chain[i][2] = add_product<FUSED>(ai, b2, chain[i][2]);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
#pragma GCC unroll 3
        for (int j = 0; j < 3; j++) _mm256_storeu_ps(out + i * TILE_COLUMNS + 8 * j, chain[i][j]);
}

template <bool FUSED>
inline void tile_avx2(int depth, const float* a, const float* b, const Tile& tile) {
    float chain[TILE_ROWS * TILE_COLUMNS];
    for (int i = 0; i < tile.rows; i += 4)
        for (int j = 0; j < tile.columns; j += 24) 
            tile_quarter_avx2<FUSED>(depth, a + i, b + j, chain + i * TILE_COLUMNS + j);
    for (int i = 0; i < tile.rows; i++)
        for (int j = 0; j < tile.columns; j++) {
            float& c = tile.c[i * tile.stride + j];
            c = tile_result(chain[i * TILE_COLUMNS + j], c, tile.use);
        }
}

// 4 x 8 results of two fused chains, of even and odd k over whole eights; the even one goes on alone (gemm.h:
// gemm_two_chains, of Haswell).
__attribute__((target("avx2,fma"))) inline void two_chains_avx2(int depth, const float* a, const float* b, float* out) {
    __m256 even[4], odd[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) even[i] = odd[i] = _mm256_setzero_ps();
    int k = 0;
    for (; k < depth / 8 * 8; k += 2, a += 2 * TILE_ROWS, b += 2 * TILE_COLUMNS) {
        const __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + TILE_COLUMNS);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            even[i] = _mm256_fmadd_ps(_mm256_broadcast_ss(a + i), b0, even[i]);
            odd[i] = _mm256_fmadd_ps(_mm256_broadcast_ss(a + TILE_ROWS + i), b1, odd[i]);
        }
    }
    for (; k < depth; k++, a += TILE_ROWS, b += TILE_COLUMNS)
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            even[i] = _mm256_fmadd_ps(_mm256_broadcast_ss(a + i), _mm256_loadu_ps(b), even[i]);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) _mm256_storeu_ps(out + 8 * i, _mm256_add_ps(even[i], odd[i]));
}

// count floats from source to target, at most 48.
__attribute__((target("avx512f"))) inline void copy_avx512(const float* source, float* target, int count) {
    for (; count > 16; count -= 16, source += 16, target += 16) _mm512_storeu_ps(target, _mm512_loadu_ps(source));
    const __mmask16 mask = (__mmask16)((1u << count) - 1);
    _mm512_mask_storeu_ps(target, mask, _mm512_maskz_loadu_ps(mask, source));
}
#endif
