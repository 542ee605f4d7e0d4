// Sums in the order of OpenBLAS's x86-64 kernels: dot products, and matrix times a vector of ones, which is what Caffe
// asks of gemv. docs/numerics.md has the rules.

#pragma once
#include "exact/family.h"

// The sum of 8 lanes: halves, then neighbours.
CPM_FN float fold_8_lanes(const float* lane) {
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

// 32 lanes over whole 32s, as 8 lanes of sums: AVX-512 has four accumulators of 16 lanes over whole 64s first.
CPM_FN void dot_lanes(const float* x, const float* y, long long whole_32, BlasProfile profile, float* lane) {
    const long long whole_64 = has_avx512(profile) ? whole_32 & ~63LL : 0;
    const bool fused = is_fused(profile);
    float wide[64] = {};
    for (long long i = 0; i < whole_64; i += 64)
        for (int l = 0; l < 64; l++) wide[l] = fmaf(x[i + l], y[i + l], wide[l]);
    for (int l = 0; l < 32; l++) lane[l] = wide[l / 8 * 16 + l % 8] + wide[l / 8 * 16 + 8 + l % 8];
    for (long long i = whole_64; i < whole_32; i += 32)
        for (int l = 0; l < 32; l++) lane[l] = multiply_add(fused, x[i + l], y[i + l], lane[l]);
}

// Four accumulators of 4 lanes over whole 16s: their sum.
CPM_FN float dot_nehalem(const float* x, const float* y, long long whole_32) {
    float lane[16] = {};
    for (long long i = 0; i < whole_32; i += 16)
        for (int l = 0; l < 16; l++) lane[l] = x[i + l] * y[i + l] + lane[l];
    for (int l = 0; l < 4; l++) lane[l] = (lane[l] + lane[4 + l]) + (lane[8 + l] + lane[12 + l]);
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

CPM_FN float dot_wide(const float* x, const float* y, long long whole_32, BlasProfile profile) {
    if (profile.family == NEHALEM) return dot_nehalem(x, y, whole_32);
    float lane[32];
    dot_lanes(x, y, whole_32, profile, lane);
    if (has_avx512(profile)) {
        for (int l = 0; l < 8; l++) lane[l] = ((lane[l] + lane[8 + l]) + lane[16 + l]) + lane[24 + l];
        return fold_8_lanes(lane);
    }
    for (int l = 0; l < 4; l++) {
        for (int i = l; i < 32; i += 8) lane[i] = lane[i] + lane[i + 4];
        lane[l] = (lane[l] + lane[8 + l]) + (lane[16 + l] + lane[24 + l]);
    }
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

// Lanes over whole 32s; the rest adds up in double.
CPM_FN float blas_dot(const float* x, const float* y, long long count, BlasProfile profile) {
    const long long whole_32 = count & ~31LL;
    double sum = 0.0;
    for (long long i = whole_32; i < count; i++) sum += (double)(y[i] * x[i]);
    return (float)(sum + (double)(whole_32 ? dot_wide(x, y, whole_32, profile) : 0.0f));
}

CPM_FN float chain_of_magnitudes(const float* x, int count) {
    float sum = 0.0f;
    for (int i = 0; i < count; i++) sum += fabsf(x[i]);
    return sum;
}

// The sum of magnitudes of SkylakeX and Haswell: from 256 values on what lies before the next boundary of a vector
// (16 or 8 floats) is one chain, then four vectors take whole 256s; eights have two times 4 lanes, the rest is a chain.
// `offset`: how many floats beyond a cache line's boundary x begins.
CPM_FN float asum_of_vectors(const float* x, int count, int offset, int width) {
    float sum = 0.0f, wide[64] = {}, lane[8] = {};
    int i = 0;
    if (count >= 256) {
        for (const int before = (width - offset % width) % width; i < before; i++) sum += fabsf(x[i]);
        const int whole = i + (count - i) / 256 * 256;
        for (; i < whole; i += 4 * width)
            for (int l = 0; l < 4 * width; l++) wide[l] += fabsf(x[i + l]);
        for (int l = 0; l < width; l++) wide[l] = ((wide[l] + wide[width + l]) + wide[2 * width + l]) + wide[3 * width + l];
        for (int half = width / 2; half >= 4; half /= 2)
            for (int l = 0; l < half; l++) wide[l] += wide[half + l];
        // SkylakeX folds halves to the end, Haswell neighbours.
        sum += width == 16 ? (wide[0] + wide[2]) + (wide[1] + wide[3]) : (wide[0] + wide[1]) + (wide[2] + wide[3]);
    }
    const int eights = i + (count - i) / 8 * 8;
    if (count >= 8) {
        for (; i < eights; i += 8)
            for (int l = 0; l < 8; l++) lane[l] += fabsf(x[i + l]);
        for (int l = 0; l < 4; l++) lane[l] += lane[4 + l];
        sum += (lane[0] + lane[1]) + (lane[2] + lane[3]);
    }
    for (; i < count; i++) sum += fabsf(x[i]);
    return sum;
}

// Zen's, Sandybridge's and Nehalem's: four sums of 4 lanes. What lies before a boundary of 4 floats goes to the
// first (one) and second (two); whole 32s go to all four, eights to the first two, then a four to the third, a two to the
// fourth and a last one to the third.
CPM_FN float asum_of_sse(const float* x, int count, int offset) {
    float sum[4][4] = {};
    int i = 0;
    if (count >= 4 && offset % 2) sum[0][0] = fabsf(x[i++]);
    if (count >= 4 && (offset + i) % 4)
        for (int l = 0; l < 2; l++) sum[1][l] = fabsf(x[i++]);
    for (; count - i >= 32; i += 32)
        for (int l = 0; l < 32; l++) sum[l / 4 % 4][l % 4] += fabsf(x[i + l]);
    for (; count - i >= 8; i += 8)
        for (int l = 0; l < 8; l++) sum[l / 4][l % 4] += fabsf(x[i + l]);
    const int left = count - i, twos = left & 4, last = left & 6;
    for (int l = 0; l < left; l++) {
        float& to = l < twos ? sum[2][l] : l < last ? sum[3][l - twos] : sum[2][0];
        to += fabsf(x[i + l]);
    }
    float lane[4];
    for (int l = 0; l < 4; l++) lane[l] = (sum[0][l] + sum[1][l]) + (sum[2][l] + sum[3][l]);
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

// Cooperlake's: four lanes over whole 8s, then the rest, summed for itself.
CPM_FN float blas_asum(const float* x, int count, int offset, BlasProfile profile) {
    if (profile.family == SKYLAKEX || profile.family == HASWELL)
        return asum_of_vectors(x, count, offset, profile.family == SKYLAKEX ? 16 : 8);
    if (profile.family >= ZEN) return asum_of_sse(x, count, offset);
    const int eights = count & ~7;
    float lane[4] = {};
    for (int i = 0; i < eights; i += 4)
        for (int l = 0; l < 4; l++) lane[l] += fabsf(x[i + l]);
    return (((lane[0] + lane[1]) + lane[2]) + lane[3]) + chain_of_magnitudes(x + eights, count - eights);
}

// Elements that gemv takes at a time from a row.
constexpr int GEMV_BLOCK = 4096;

// From so many elements on gemv shares its outputs among threads.
constexpr long long GEMV_SHARED = 9216;

// Outputs that one thread computes as a product of their own.
struct GemvPart {
    int first, count;
};

// The part of `outputs` that has this one: each thread takes its share of what is left, rounded up, and at least 4.
CPM_FN GemvPart gemv_part(int index, int outputs, long long elements, BlasProfile profile) {
    GemvPart part{0, outputs};
    if (profile.threads == 1 || elements < GEMV_SHARED) return part;
    for (int threads = profile.threads;; threads--) {
        const int left = outputs - part.first, share = (left + threads - 1) / threads, width = share < 4 ? 4 : share;
        part.count = left < width ? left : width;
        if (index < part.first + part.count) return part;
        part.first += part.count;
    }
}

// Elements beyond which axpy shares its work among threads.
constexpr long long AXPY_SHARED = 10000;

// Whether element `index` of `count` of y + a x is rounded once. On Haswell only whole 32s of a thread's share are.
CPM_FN bool axpy_is_fused(long long index, long long count, BlasProfile profile) {
    if (!has_haswell_kernels(profile)) return has_avx512(profile);
    if (profile.threads == 1 || count <= AXPY_SHARED) return index < count / 32 * 32;
    for (int threads = profile.threads;; threads--) {
        const long long share = (count + threads - 1) / threads;
        if (index < share) return index < share / 32 * 32;
        index -= share, count -= share;
    }
}

CPM_FN float axpy_element(float a, float x, float y, long long index, long long count, BlasProfile profile) {
    return multiply_add(axpy_is_fused(index, count, profile), a, x, y);
}

// How a row is summed over whole fours: 8 lanes, 4 lanes, or Sandybridge's 16.
enum RowLanes { ROW_WIDE, ROW_NARROW, ROW_SANDY, ROW_SANDY_SECOND };

CPM_FN RowLanes gemv_row_lanes(int index, int rows, BlasProfile profile) {
    if (index < rows / 4 * 4) {
        if (profile.family == NEHALEM) return ROW_NARROW;
        if (profile.family == SANDYBRIDGE) return index % 4 == 1 ? ROW_SANDY_SECOND : ROW_SANDY;
        return ROW_WIDE;
    }
    return rows % 4 == 1 || (rows % 4 == 3 && index == rows - 1) ? ROW_WIDE : ROW_NARROW;
}

CPM_FN float gemv_narrow_sum(const float* row, int count) {
    float lane[4] = {};
    for (int i = 0; i < count; i += 4)
        for (int l = 0; l < 4; l++) lane[l] += row[i + l];
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

// Sum of `count` (a multiple of 4) elements: a first 4 if count is odd in fours, then 8 lanes. Sandybridge goes on,
// after a first 8 if there is one left over, with two times 8 lanes: the second row of four begins with the second.
CPM_FN float gemv_row_sum(const float* row, int count, RowLanes lanes) {
    if (lanes == ROW_NARROW) return gemv_narrow_sum(row, count);
    float lane[16] = {};
    int i = count & 4;
    for (int l = 0; l < i; l++) lane[l] = row[l];
    const bool sandy = lanes != ROW_WIDE;
    for (const int end = sandy ? count & 12 : count; i < end; i += 8)
        for (int l = 0; l < 8; l++) lane[l] += row[i + l];
    for (const int second = lanes == ROW_SANDY_SECOND ? 8 : 0; i < count; i += 16)
        for (int l = 0; l < 8; l++) lane[l] += row[i + second + l], lane[8 + l] += row[i + 8 - second + l];
    for (int l = 0; l < 8 && sandy; l++) lane[l] = lane[l] + lane[8 + l];
    return fold_8_lanes(lane);
}

CPM_FN float gemv_chain(const float* row, int length) {
    float sum = row[0];
    for (int i = 1; i < length; i++) sum = sum + row[i];
    return sum;
}

// AVX-512, rows of 1 to 3 elements.
CPM_FN float gemv_add_row_to_3(const float* row, int length, int index, int rows, float scale, float y) {
    if (length == 1) return fmaf(row[0], scale, y);
    if (length == 2)
        return y + (index < rows / 16 * 16 ? fmaf(row[1], scale, row[0] * scale) : row[0] * scale + row[1] * scale);
    if (index >= rows / 4 * 4) return fmaf(gemv_chain(row, 3), scale, y);
    const float pair = index < rows / 8 * 8 ? fmaf(row[1], scale, row[0] * scale) : fmaf(row[0], scale, row[1] * scale);
    return y + fmaf(row[2], scale, pair);
}

// AVX-512, rows of 8 elements or fewer: kernels of their own, by the number of rows that are left at the end.
CPM_FN float gemv_add_short_row(const float* r, int length, int index, int rows, float scale, float y) {
    if (length < 4) return gemv_add_row_to_3(r, length, index, rows, scale, y);
    const bool in_twos = index < rows / 2 * 2, in_fours = index < rows / 4 * 4, in_eights = index < rows / 8 * 8;
    if (length == 4 && !in_fours)
        return fmaf(in_twos ? (r[0] + r[1]) + (r[2] + r[3]) : gemv_chain(r, 4), scale, y);
    if ((length == 5 && in_fours) || ((length == 6 || length == 7) && in_eights))
        return fmaf(gemv_chain(r, length), scale, y);
    if (length == 6 && in_fours) return y + ((r[0] + (r[1] + r[2])) * scale + (r[3] + (r[4] + r[5])) * scale);
    if (length == 7 && in_fours)
        return y + (((r[0] + r[1]) + (r[4] + r[5])) * scale + ((r[2] + r[3]) + r[6]) * scale);
    float v[8];
    for (int i = 0; i < length; i++) v[i] = r[i] * scale;
    if (length == 4) return y + ((v[0] + v[1]) + (v[2] + v[3]));
    if (length == 5) return y + gemv_chain(v, 5);
    if (length == 8 && in_fours) return y + (((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7])));
    if (length == 8 && in_twos) return y + (((v[0] + v[1]) + (v[4] + v[5])) + ((v[2] + v[3]) + (v[6] + v[7])));
    if (length == 8) return y + ((((v[0] + v[4]) + (v[1] + v[5])) + (v[2] + v[6])) + (v[3] + v[7]));
    for (int i = 0; i < length; i++) y = y + v[i];
    return y;
}

// Whether rows have those kernels.
CPM_FN bool gemv_is_short(int length, BlasProfile profile) { return has_avx512(profile) && length <= 8; }

// y plus `scale` times the sum of 1 to 3 elements that are left over from fours.
CPM_FN float gemv_add_rest(const float* rest, int count, float scale, float y, BlasProfile profile) {
    const bool fused = has_avx512(profile);
    if (count == 1) return multiply_add(fused, rest[0], scale, y);
    const float pair = fused ? fmaf(rest[0], scale, rest[1] * scale) : rest[0] * scale + rest[1] * scale;
    return y + (count == 2 ? pair : multiply_add(fused, rest[2], scale, pair));
}

// y plus `scale` times the sum of one of `rows` rows, row-major.
CPM_FN float gemv_add_row(const float* row, int length, int index, int rows, float scale, float y,
                          BlasProfile profile) {
    const GemvPart part = gemv_part(index, rows, (long long)rows * length, profile);
    index -= part.first, rows = part.count;
    if (gemv_is_short(length, profile)) return gemv_add_short_row(row, length, index, rows, scale, y);
    const bool fused = has_avx512(profile) && index >= rows / 4 * 4;
    const RowLanes lanes = gemv_row_lanes(index, rows, profile);
    const int fours = length / 4 * 4;
    for (int start = 0; start < fours; start += GEMV_BLOCK) {
        const int count = fours - start < GEMV_BLOCK ? fours - start : GEMV_BLOCK;
        y = multiply_add(fused, gemv_row_sum(row + start, count, lanes), scale, y);
    }
    return fours == length ? y : gemv_add_rest(row + fours, length - fours, scale, y, profile);
}

// Sum of `count` rows of one column: one chain, or even rows and odd rows apart.
CPM_FN float gemv_column_sum(const float* column, long long step, int count, bool apart) {
    float even = 0.0f, odd = 0.0f;
    for (int i = 0; i < count; i++) {
        float& sum = apart && i % 2 ? odd : even;
        sum += column[i * step];
    }
    return apart ? even + odd : even;
}

// The sum of one of 1 to 3 columns: rows by fours or, if there are several columns, by pairs.
CPM_FN float gemv_few_columns(const float* column, int columns, int rows) {
    const int group = columns == 1 ? 4 : 2, whole = rows / 4 * 4;
    float sum = 0.0f;
    for (int row = 0; row < whole; row += group)
        sum += gemv_column_sum(column + (long long)row * columns, columns, group, false);
    for (int row = whole; row < rows; row++) sum += column[(long long)row * columns];
    return sum;
}

// y plus one column of `rows` x `columns`, `step` from row to row: see gemv_add_column.
CPM_FN float gemv_add_column_of(const float* a, int rows, int columns, int step, int column, float y,
                                BlasProfile profile) {
    const float* first = a + column;
    const int fours = columns / 4 * 4;
    const bool avx512 = has_avx512(profile), one_chain = avx512 && rows <= 48 && rows != 4 && columns <= 16384;
    if (!one_chain && fours == 0 && step == columns) return y + gemv_few_columns(first, columns, rows);
    if (one_chain || column >= fours) return y + gemv_column_sum(first, step, rows, false);
    const int start = column / GEMV_BLOCK * GEMV_BLOCK;
    const int width = fours - start < GEMV_BLOCK ? fours - start : GEMV_BLOCK;
    const bool nehalem = profile.family == NEHALEM, apart = nehalem || column - start < width % 16;
    for (int row = 0, length; row < rows; row += length) {
        const int left = rows - row;
        length = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 && avx512 ? 2 : 1;
        const bool split = apart && length >= (nehalem ? 8 : 4);
        y = y + gemv_column_sum(first + (long long)row * step, step, length, split);
    }
    return y;
}

// y plus column `column` of a matrix of `rows` rows and `columns` columns, row-major: gemv by the transpose. Rows go
// by eights, then a four and what is left (two at a time with AVX-512, else one by one); the columns beyond the fours
// are one chain. Eights and fours keep even and odd rows apart in the first 4, 8 or 12 columns of a block that are no
// sixteen; Nehalem in all columns, but fours nowhere. With AVX-512 up to 48 rows, 4 excepted, are one chain. Threads
// for which there are no 4 columns each share the rows instead, and their sums are added.
CPM_FN float gemv_add_column(const float* a, int rows, int columns, int column, float y, BlasProfile profile) {
    const long long elements = (long long)rows * columns;
    if (columns > 4 * (profile.threads - 1) || elements < GEMV_SHARED) {
        const GemvPart part = gemv_part(column, columns, elements, profile);
        return gemv_add_column_of(a + part.first, rows, part.count, columns, column - part.first, y, profile);
    }
    for (GemvPart part{0, 0}; part.first + part.count < rows;) {
        part = gemv_part(part.first + part.count, rows, elements, profile);
        const float* first = a + (long long)part.first * columns;
        y = y + gemv_add_column_of(first, part.count, columns, columns, column, 0.0f, profile);
    }
    return y;
}
