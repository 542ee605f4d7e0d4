// The inner loops of the CPU's samples: the two passes of the resize and the rotation, a row at a time.
//
// Pixels have four bytes (B, G, R, 0), so four neighbouring taps are 16 bytes, one vector. PortableTaps and Avx2Taps
// have the same functions and the same bits: integer sums may be taken in any order, float32 ones in the profile's.
// Vectors may read and write up to TAP_PADDING pixels beyond `count`; host_sample.h's arrays reach that far.

#pragma once
#include "common/cpu_version.h"
#include "samples/resize.h"
#include "samples/warp_affine.h"

constexpr int TAP_PADDING = 3;

struct WarpTable {
    short weight[32 * 32][16];

    WarpTable() {
        for (int k = 0; k < 32 * 32; k++) warp_weights(k % 32, k / 32, weight[k]);
    }
};

// Where the pixels of one row of the rotated image come from.
struct WarpRow {
    const u8* region;
    size_t pitch;        // bytes from a row of the region to the next
    const int* first;    // each one's first tap, in pixels from the region's first
    const int* weights;  // its place in WarpTable
};

struct PortableTaps {
    // Horizontal pass. Column i's four taps start `first[i]` bytes into `pixels`, its weights are weight[4 i] and the
    // next three. out: four sums per column.
    static void across(const u8* pixels, const int* first, const short* weight, int count, int* out) {
        for (int i = 0; i < count; i++)
            for (int c = 0; c < 4; c++) {
                int sum = 0;
                for (int k = 0; k < 4; k++) sum += pixels[first[i] + 4 * k + c] * weight[4 * i + k];
                out[4 * i + c] = sum;
            }
    }

    // Vertical pass of `count` elements of four rows.
    static void down(const int* const rows[4], const short weight[4], int profile, int count, u8* out) {
        for (int i = 0; i < count; i++) {
            const int column[4] = {rows[0][i], rows[1][i], rows[2][i], rows[3][i]};
            out[i] = resize_down(column, weight, profile);
        }
    }

    // out: `count` pixels.
    static void rotate(const WarpRow& row, const WarpTable& table, int count, u8* out) {
        for (int i = 0; i < count; i++) {
            const u8* pixels = row.region + 4 * (size_t)row.first[i];
            const short* weight = table.weight[row.weights[i]];
            for (int c = 0; c < 4; c++) {
                int sum = 0;
                for (int k = 0; k < 16; k++) sum += pixels[k / 4 * row.pitch + k % 4 * 4 + c] * weight[k];
                out[4 * i + c] = warp_round(sum);
            }
        }
    }
};

#if CPM_X86
#define CPM_AVX2 __attribute__((target("avx2,fma")))

struct Avx2Taps {
    // Weighted sums of four neighbouring pixels, two per channel: of taps 0 and 1, and of taps 2 and 3.
    CPM_AVX2 static inline __m256i half_sums(const u8* pixels, const short* weight) {
        const __m256i by_channel = _mm256_setr_epi8(0, -1, 4, -1, 8, -1, 12, -1, 1, -1, 5, -1, 9, -1, 13, -1,  //
                                                    2, -1, 6, -1, 10, -1, 14, -1, 3, -1, 7, -1, 11, -1, 15, -1);
        const __m256i four = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)pixels));
        long long weights;
        memcpy(&weights, weight, sizeof weights);
        return _mm256_madd_epi16(_mm256_shuffle_epi8(four, by_channel), _mm256_set1_epi64x(weights));
    }

    CPM_AVX2 static void across(const u8* pixels, const int* first, const short* weight, int count, int* out) {
        for (int i = 0; i < count; i += 2) {
            const __m256i one = half_sums(pixels + first[i], weight + 4 * i);
            const __m256i two = half_sums(pixels + first[i + 1], weight + 4 * i + 4);
            const __m256i sums = _mm256_hadd_epi32(one, two);  // B and G of both, then R and 0 of both
            _mm256_storeu_si256((__m256i*)(out + 4 * i), _mm256_permute4x64_epi64(sums, 0xd8));
        }
    }

    // resize_down of eight elements, not yet saturated. `scaled` are the weights as it scales them.
    CPM_AVX2 static inline __m256i down_8(const int* const rows[4], int i, const __m256 scaled[4], int profile) {
        __m256 p[4];
        for (int k = 0; k < 4; k++)
            p[k] = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i*)(rows[k] + i))), scaled[k]);
        if (profile == OPENCV2)
            return _mm256_cvtps_epi32(_mm256_add_ps(_mm256_add_ps(_mm256_add_ps(p[0], p[1]), p[2]), p[3]));
        return _mm256_cvtps_epi32(_mm256_add_ps(p[0], _mm256_add_ps(p[1], _mm256_add_ps(p[2], p[3]))));
    }

    CPM_AVX2 static void down(const int* const rows[4], const short weight[4], int profile, int count, u8* out) {
        if (count < 32) return PortableTaps::down(rows, weight, profile, count, out);
        __m256 scaled[4];
        for (int k = 0; k < 4; k++) scaled[k] = _mm256_set1_ps((float)weight[k] * (1.0f / (1 << 22)));
        const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        for (int next = 0; next < count; next += 32) {
            const int i = next < count - 32 ? next : count - 32;  // the last 32 may compute some elements again
            const __m256i left =
                _mm256_packs_epi32(down_8(rows, i, scaled, profile), down_8(rows, i + 8, scaled, profile));
            const __m256i right =
                _mm256_packs_epi32(down_8(rows, i + 16, scaled, profile), down_8(rows, i + 24, scaled, profile));
            const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(left, right), in_order);
            _mm256_storeu_si256((__m256i*)(out + i), bytes);
        }
    }

    CPM_AVX2 static inline __m256i half_sums_of_16(const u8* pixels, size_t pitch, const short* weight) {
        const __m256i upper = _mm256_add_epi32(half_sums(pixels, weight), half_sums(pixels + pitch, weight + 4));
        const __m256i lower = _mm256_add_epi32(half_sums(pixels + 2 * pitch, weight + 8),
                                               half_sums(pixels + 3 * pitch, weight + 12));
        return _mm256_add_epi32(upper, lower);
    }

    // warp_round of pixels i and i + 1, not yet saturated: B and G of both, then R and 0 of both.
    CPM_AVX2 static inline __m256i rotate_2(const WarpRow& row, const WarpTable& table, int i) {
        const u8 *one = row.region + 4 * (size_t)row.first[i], *two = row.region + 4 * (size_t)row.first[i + 1];
        const __m256i sums = _mm256_hadd_epi32(half_sums_of_16(one, row.pitch, table.weight[row.weights[i]]),
                                               half_sums_of_16(two, row.pitch, table.weight[row.weights[i + 1]]));
        return _mm256_srai_epi32(_mm256_add_epi32(sums, _mm256_set1_epi32(1 << 14)), 15);
    }

    CPM_AVX2 static void rotate(const WarpRow& row, const WarpTable& table, int count, u8* out) {
        for (int i = 0; i < count; i += 4) {
            const __m256i words = _mm256_packs_epi32(rotate_2(row, table, i), rotate_2(row, table, i + 2));
            const __m256i bytes = _mm256_packus_epi16(words, words);
            const __m128i blue_green = _mm256_castsi256_si128(bytes), red = _mm256_extracti128_si256(bytes, 1);
            _mm_storeu_si128((__m128i*)(out + 4 * i), _mm_unpacklo_epi16(blue_green, red));
        }
    }
};
#endif
