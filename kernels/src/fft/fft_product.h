// The products of spectra: per bin a complex matrix product, rows (tiles) x depth (channels) times depth x 16 columns.
// Winograd's are two real ones, of the real parts and of the imaginary parts, which are values of two frequencies there.
//
// Rows are broadcast value by value, the 16 columns of the right factor are one vector; R rows' sums stay in registers.

#pragma once
#include "fft/fft_tile.h"

// Left factor: element (r, k) at data[r * row + (k / 16) * block + k % 16 * step], its imaginary part 16 floats on.
struct LeftFactor {
    const float* data;
    Index row, step, block;
};

// Right factor: cell k, and result: cell r, at multiples of these. Real products may take two blocks of columns at once,
// for which each value of the left factor is loaded once: the second block is these floats further on, or 0 if none is.
struct ProductSteps {
    Index right, result;
    int depth;
    bool accumulate;
    Index second_right = 0, second_result = 0;
};

// Of one block the complex product or two real ones, or of two blocks a real one each.
enum Product { COMPLEX, TWO_REAL, TWO_BLOCKS };

// Two sums a row: of the block's real and imaginary parts, or of both blocks.
template <int L, Product P, int R>
CPM_INLINE void multiply_rows(const LeftFactor& a, const float* right, float* result, const ProductSteps& steps) {
    const Index second_right = P == TWO_BLOCKS ? steps.second_right : BLOCK;
    const Index second_result = P == TWO_BLOCKS ? steps.second_result : BLOCK;
    Vector<L> one[R] = {}, two[R] = {};
    const float* left = a.data;
    for (int first = 0; first < steps.depth; first += BLOCK, left += a.block) {
        const float* value = left;
        const int count = steps.depth - first < BLOCK ? steps.depth - first : BLOCK;
        for (int k = 0; k < count; k++, value += a.step, right += steps.right) {
            const Vector<L> right_one = load<L>(right), right_two = load<L>(right + second_right);
            repeat<R>([&](auto r) CPM_INLINE_LAMBDA {
                const float* factor = value + r * a.row;
                one[r] += right_one * factor[0];
                two[r] += right_two * factor[P == TWO_REAL ? BLOCK : 0];
                if constexpr (P == COMPLEX) one[r] -= right_two * factor[BLOCK], two[r] += right_one * factor[BLOCK];
            });
        }
    }
    repeat<R>([&](auto r) CPM_INLINE_LAMBDA {
        float* cell = result + r * steps.result;
        if (steps.accumulate) one[r] += load<L>(cell), two[r] += load<L>(cell + second_result);
        store<L>(cell, one[r]);
        store<L>(cell + second_result, two[r]);
    });
}

// Rows that the registers have room for.
template <int L>
constexpr int MOST_ROWS = L == 16 ? 12 : L == 8 ? 5 : 4;

template <int L, Product P, int R>
CPM_INLINE void multiply_lanes(int rows, const LeftFactor& a, const float* right, float* result,
                               const ProductSteps& steps) {
    if constexpr (R > 0) {
        if (rows == R && P == TWO_REAL && steps.second_right)
            for (int lane = 0; lane < CELL; lane += L)
                multiply_rows<L, TWO_BLOCKS, R>({a.data + lane / BLOCK * BLOCK, a.row, a.step, a.block}, right + lane,
                                                result + lane, steps);
        else if (rows == R)
            for (int lane = 0; lane < BLOCK; lane += L) multiply_rows<L, P, R>(a, right + lane, result + lane, steps);
        else
            multiply_lanes<L, P, R - 1>(rows, a, right, result, steps);
    }
}

// As many rows at a time as there is room for, the groups of nearly equal size.
template <int L, Product P>
CPM_INLINE void multiply_groups(int rows, LeftFactor a, const float* right, float* result, const ProductSteps& steps) {
    for (int groups = (rows + MOST_ROWS<L> - 1) / MOST_ROWS<L>; groups > 0; groups--) {
        const int count = (rows + groups - 1) / groups;
        multiply_lanes<L, P, MOST_ROWS<L>>(count, a, right, result, steps);
        a.data += count * a.row;
        result += count * steps.result;
        rows -= count;
    }
}

// Winograd's sums are added up in chains of this many values: its inverse multiplies their rounding.
constexpr int CHAIN = 128;

template <int L, Product P>
CPM_INLINE void multiply_block(int rows, LeftFactor a, const float* right, float* result, ProductSteps steps) {
    int left = steps.depth;
    for (; P == TWO_REAL && left > CHAIN; left -= CHAIN) {
        steps.depth = CHAIN;
        multiply_groups<L, P>(rows, a, right, result, steps);
        a.data += CHAIN / BLOCK * a.block;
        right += CHAIN * steps.right;
        steps.accumulate = true;
    }
    steps.depth = left;
    multiply_groups<L, P>(rows, a, right, result, steps);
}
