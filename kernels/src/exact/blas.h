// Sums in the order of OpenBLAS's one-threaded x86-64 kernels with AVX-512 (SkylakeX, Cooperlake): dot products and
// matrix times a vector of ones, which is what Caffe asks of gemv.

#pragma once
#include "common/device.h"

// The sum of 8 lanes: halves, then neighbours.
CPM_FN float fold_8_lanes(const float* lane) {
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

// Four accumulators of 16 lanes over whole 64s, folded to 8 lanes that take whole 32s; the rest adds up in double.
CPM_FN float blas_dot(const float* x, const float* y, long long count) {
    const long long whole_64 = count & ~63LL, whole_32 = count & ~31LL;
    float wide[64] = {}, lane[32];
    for (long long i = 0; i < whole_64; i += 64)
        for (int l = 0; l < 64; l++) wide[l] = fmaf(x[i + l], y[i + l], wide[l]);
    for (int l = 0; l < 32; l++) lane[l] = wide[l / 8 * 16 + l % 8] + wide[l / 8 * 16 + 8 + l % 8];
    for (long long i = whole_64; i < whole_32; i += 32)
        for (int l = 0; l < 32; l++) lane[l] = fmaf(x[i + l], y[i + l], lane[l]);
    for (int l = 0; l < 8; l++) lane[l] = ((lane[l] + lane[8 + l]) + lane[16 + l]) + lane[24 + l];
    double sum = 0.0;
    for (long long i = whole_32; i < count; i++) sum += (double)(y[i] * x[i]);
    return (float)(sum + (double)(whole_32 ? fold_8_lanes(lane) : 0.0f));
}

// Elements that gemv takes at a time from a row.
constexpr int GEMV_BLOCK = 4096;

// Sum of `count` (a multiple of 4) elements: a first 4 if count is odd in fours, then 8 lanes.
CPM_FN float gemv_wide_sum(const float* row, int count) {
    float lane[8] = {};
    int i = count & 4;
    for (int l = 0; l < i; l++) lane[l] = row[l];
    for (; i < count; i += 8)
        for (int l = 0; l < 8; l++) lane[l] += row[i + l];
    return fold_8_lanes(lane);
}

CPM_FN float gemv_narrow_sum(const float* row, int count) {
    float lane[4] = {};
    for (int i = 0; i < count; i += 4)
        for (int l = 0; l < 4; l++) lane[l] += row[i + l];
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

// y plus `scale` times the sum of one of `rows` rows of 9 elements or more, row-major: 8 lanes but for two rows left
// over from the fours, which have 4. Shorter rows have kernels of their own in OpenBLAS and may differ by a rounding.
CPM_FN float gemv_add_row(const float* row, int length, int index, int rows, float scale, float y) {
    const bool in_fours = index < rows / 4 * 4;
    const bool wide = in_fours || rows % 4 == 1 || (rows % 4 == 3 && index == rows - 1);
    const int fours = length / 4 * 4;
    for (int start = 0; start < fours; start += GEMV_BLOCK) {
        const int count = fours - start < GEMV_BLOCK ? fours - start : GEMV_BLOCK;
        const float sum = wide ? gemv_wide_sum(row + start, count) : gemv_narrow_sum(row + start, count);
        y = in_fours ? y + sum * scale : fmaf(sum, scale, y);
    }
    const int left = length - fours;
    if (left == 0) return y;
    row += fours;
    if (left == 1) return fmaf(row[0], scale, y);
    const float pair = fmaf(row[0], scale, row[1] * scale);
    return y + (left == 2 ? pair : fmaf(row[2], scale, pair));
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

// y plus column `column` of a matrix of `rows` rows and `columns` columns, row-major: gemv by the transpose. Up to 48
// rows are one chain, as are the columns beyond the fours; else rows go by eights, then a four and what is left, and
// the first 4 or 12 columns of a block that are no sixteen keep even and odd rows apart.
CPM_FN float gemv_add_column(const float* a, int rows, int columns, int column, float y) {
    const float* first = a + column;
    const int fours = columns / 4 * 4;
    if (rows > 48 && fours == 0) return y + gemv_few_columns(first, columns, rows);
    if ((rows <= 48 && columns <= 16384) || column >= fours) return y + gemv_column_sum(first, columns, rows, false);
    const int start = column / GEMV_BLOCK * GEMV_BLOCK;
    const int width = fours - start < GEMV_BLOCK ? fours - start : GEMV_BLOCK;
    const bool apart = column - start < width % 16;
    for (int row = 0, length; row < rows; row += length) {
        const int left = rows - row;
        length = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
        y = y + gemv_column_sum(first + (long long)row * columns, columns, length, apart && length >= 4);
    }
    return y;
}
