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

enum Product { COMPLEX, TWO_REAL };

template <int L, Product P, int R>
CPM_INLINE void multiply_rows(const LeftFactor& a, const float* right, float* result, const ProductSteps& steps) {
    Vector<L> re[R] = {}, im[R] = {};
    const float* left = a.data;
    for (int first = 0; first < steps.depth; first += BLOCK, left += a.block) {
        const float* value = left;
        const int count = steps.depth - first < BLOCK ? steps.depth - first : BLOCK;
        for (int k = 0; k < count; k++, value += a.step, right += steps.right) {
            const Vector<L> right_re = load<L>(right), right_im = load<L>(right + BLOCK);
            repeat<R>([&](auto r) CPM_INLINE_LAMBDA {
                const float left_re = value[r * a.row], left_im = value[r * a.row + BLOCK];
                re[r] += right_re * left_re;
                im[r] += right_im * (P == COMPLEX ? left_re : left_im);
                if constexpr (P == COMPLEX) re[r] -= right_im * left_im, im[r] += right_re * left_im;
            });
        }
    }
    repeat<R>([&](auto r) CPM_INLINE_LAMBDA {
        float* cell = result + r * steps.result;
        if (steps.accumulate) re[r] += load<L>(cell), im[r] += load<L>(cell + BLOCK);
        store<L>(cell, re[r]);
        store<L>(cell + BLOCK, im[r]);
    });
}

// Of both blocks' cells L of the floats, which have one value of the left factor in common.
template <int L, int R>
CPM_INLINE void multiply_two_blocks(const LeftFactor& a, const float* right, float* result, const ProductSteps& steps) {
    Vector<L> one[R] = {}, two[R] = {};
    const float* left = a.data;
    for (int first = 0; first < steps.depth; first += BLOCK, left += a.block) {
        const float* value = left;
        const int count = steps.depth - first < BLOCK ? steps.depth - first : BLOCK;
        for (int k = 0; k < count; k++, value += a.step, right += steps.right) {
            const Vector<L> right_one = load<L>(right), right_two = load<L>(right + steps.second_right);
            repeat<R>([&](auto r) CPM_INLINE_LAMBDA {
                const float factor = value[r * a.row];
                one[r] += right_one * factor;
                two[r] += right_two * factor;
            });
        }
    }
    repeat<R>([&](auto r) CPM_INLINE_LAMBDA {
        float* cell = result + r * steps.result;
        if (steps.accumulate) one[r] += load<L>(cell), two[r] += load<L>(cell + steps.second_result);
        store<L>(cell, one[r]);
        store<L>(cell + steps.second_result, two[r]);
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
                multiply_two_blocks<L, R>({a.data + lane / BLOCK * BLOCK, a.row, a.step, a.block}, right + lane,
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
