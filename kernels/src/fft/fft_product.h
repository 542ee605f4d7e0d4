// The products of spectra: per bin a complex matrix product, rows (tiles) x depth (channels) times depth x 16 columns.
// Winograd's are two real ones, of the real parts and of the imaginary parts, which are values of two frequencies there.
//
// Rows are broadcast value by value, the 16 columns of the right factor are one vector; R rows' sums stay in registers.

#pragma once
#include "fft/fft_tile.h"

// Of one block the complex product or two real ones, or of two blocks a real one each.
enum Product { COMPLEX, TWO_REAL, TWO_BLOCKS };

// Left factor: element (r, k) at data[r * row + (k / 16) * block + k % 16 * step], its imaginary part 16 floats on, the
// sum of both 16 further on. (Winograd's has no sums.)
struct LeftFactor {
    const float* data;
    Index row, step, block;
};

// A row of a left factor from so many cells, with sums for complex products.
template <int L, Product P>
CPM_INLINE void copy_factor(const float* cell, int cells, float* to) {
    for (int i = 0; i < cells; i++, cell += CELL, to += P == COMPLEX ? CELL + BLOCK : CELL)
        for (int lane = 0; lane < BLOCK; lane += L) {
            const Vector<L> real = load<L>(cell + lane), imaginary = load<L>(cell + BLOCK + lane);
            store<L>(to + lane, real);
            store<L>(to + BLOCK + lane, imaginary);
            if (P == COMPLEX) store<L>(to + 2 * BLOCK + lane, real + imaginary);
        }
}

// Memory that is read next, asked for a little at a time while the registers are busy: neither the weights nor a bin's
// tiles fit into a core's cache with the others', and a wait for memory would take a third of a product's time.
struct Ahead {
    const float* next = nullptr;
    Index count = 0, burst = 0;

    CPM_INLINE void spread(int times) { burst = count ? (count / times / BLOCK + 1) * BLOCK : 0; }

    CPM_INLINE void fetch() {
        const Index some = count < burst ? count : burst;
        for (Index i = 0; i < some; i += BLOCK) __builtin_prefetch(next + i, 0, 2);
        next += some;
        count -= some;
    }
};

// So many bins, one after the other, and floats from one to the next of each factor and of the result.
struct BinSteps {
    int count = 1;
    Index left = 0, right = 0, result = 0;
};

// Right factor: cell k, and result: cell r, at multiples of these. Real products may take two blocks of columns at once,
// for which each value of the left factor is loaded once: the second block is these floats further on, or 0 if none is.
// Ahead are the first bin's; the weights' moves on with each.
struct ProductSteps {
    Index right, result;
    int depth;
    bool accumulate;
    Index second_right = 0, second_result = 0;
    Ahead weights = {}, tiles = {};
    BinSteps bins = {};
};

// body(element (0, k), cell k) for every k.
template <class Body>
CPM_INLINE void for_depth(const LeftFactor& a, const float* right, ProductSteps& steps, const Body& body) {
    const float* left = a.data;
    for (int first = 0; first < steps.depth; first += BLOCK, left += a.block) {
        const float* value = left;
        const int count = steps.depth - first < BLOCK ? steps.depth - first : BLOCK;
        for (int k = 0; k < count; k++, value += a.step, right += steps.right) body(value, right);
        steps.weights.fetch();
        steps.tiles.fetch();
    }
}

template <int L>
CPM_INLINE void store_sum(float* to, const Vector<L>& value, bool accumulate) {
    store<L>(to, accumulate ? value + load<L>(to) : value);
}

// Two sums a row: of the block's two values, or of both blocks.
template <int L, Product P, int R>
CPM_INLINE void multiply_rows(const LeftFactor& a, const float* right, float* result, ProductSteps& steps) {
    const Index second_right = P == TWO_BLOCKS ? steps.second_right : BLOCK;
    const Index second_result = P == TWO_BLOCKS ? steps.second_result : BLOCK;
    Vector<L> one[R] = {}, two[R] = {};
    for_depth(a, right, steps, [&](const float* value, const float* cell) CPM_INLINE_LAMBDA {
        const Vector<L> right_one = load<L>(cell), right_two = load<L>(cell + second_right);
        repeat<R>([&](auto r) CPM_INLINE_LAMBDA {
            const float* factor = value + r * a.row;
            one[r] += right_one * factor[0];
            two[r] += right_two * factor[P == TWO_REAL ? BLOCK : 0];
        });
    });
    repeat<R>([&](auto r) CPM_INLINE_LAMBDA {
        store_sum<L>(result + r * steps.result, one[r], steps.accumulate);
        store_sum<L>(result + r * steps.result + second_result, two[r], steps.accumulate);
    });
}

// Three real products make a complex one (Gauss): of f + ig, broadcast, and c + id, a vector,
//   real part = c (f + g) - g (c + d)    imaginary part = c (f + g) + f (d - c)
template <int L, int R>
CPM_INLINE void multiply_complex_rows(const LeftFactor& a, const float* right, float* result, ProductSteps& steps) {
    Vector<L> both[R] = {}, of_imaginary[R] = {}, of_real[R] = {};
    for_depth(a, right, steps, [&](const float* value, const float* cell) CPM_INLINE_LAMBDA {
        const Vector<L> real = load<L>(cell), imaginary = load<L>(cell + BLOCK);
        const Vector<L> sum = real + imaginary, difference = imaginary - real;
        repeat<R>([&](auto r) CPM_INLINE_LAMBDA {
            const float* factor = value + r * a.row;
            both[r] += real * factor[2 * BLOCK];
            of_imaginary[r] += sum * factor[BLOCK];
            of_real[r] += difference * factor[0];
        });
    });
    repeat<R>([&](auto r) CPM_INLINE_LAMBDA {
        store_sum<L>(result + r * steps.result, both[r] - of_imaginary[r], steps.accumulate);
        store_sum<L>(result + r * steps.result + BLOCK, both[r] + of_real[r], steps.accumulate);
    });
}

// Rows that the registers have room for: two or three sums each, beside the vectors.
template <int L, Product P>
constexpr int MOST_ROWS = P == COMPLEX ? (L == 16 ? 9 : L == 8 ? 4 : 3) : (L == 16 ? 12 : L == 8 ? 5 : 4);

template <int L, Product P>
CPM_INLINE int groups_of(int rows) {
    return (rows + MOST_ROWS<L, P> - 1) / MOST_ROWS<L, P>;
}

template <int L, Product P, int R>
CPM_INLINE void multiply_lanes(int rows, const LeftFactor& a, const float* right, float* result, ProductSteps& steps) {
    if constexpr (R > 0) {
        if (rows != R) return multiply_lanes<L, P, R - 1>(rows, a, right, result, steps);
        if constexpr (P == COMPLEX)
            for (int lane = 0; lane < BLOCK; lane += L)
                multiply_complex_rows<L, R>(a, right + lane, result + lane, steps);
        else if (steps.second_right)
            for (int lane = 0; lane < CELL; lane += L)
                multiply_rows<L, TWO_BLOCKS, R>({a.data + lane / BLOCK * BLOCK, a.row, a.step, a.block}, right + lane,
                                                result + lane, steps);
        else
            for (int lane = 0; lane < BLOCK; lane += L) multiply_rows<L, P, R>(a, right + lane, result + lane, steps);
    }
}

// As many rows at a time as there is room for, the groups of nearly equal size.
template <int L, Product P>
CPM_INLINE void multiply_groups(int rows, LeftFactor a, const float* right, float* result, ProductSteps& steps) {
    for (int groups = groups_of<L, P>(rows); groups > 0; groups--) {
        const int count = (rows + groups - 1) / groups;
        multiply_lanes<L, P, MOST_ROWS<L, P>>(count, a, right, result, steps);
        a.data += count * a.row;
        result += count * steps.result;
        rows -= count;
    }
}

// Winograd's sums are added up in chains of this many values: its inverse multiplies their rounding.
constexpr int CHAIN = 128;

template <int L, Product P>
CPM_INLINE void multiply_bin(int rows, LeftFactor a, const float* right, float* result, ProductSteps steps) {
    const int lanes = (steps.second_right ? CELL : BLOCK) / L;
    const int loops = groups_of<L, P>(rows) * ((steps.depth + BLOCK - 1) / BLOCK) * lanes;
    steps.weights.spread(loops);
    steps.tiles.spread(loops);
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

template <int L, Product P>
CPM_INLINE void multiply_block(int rows, LeftFactor a, const float* right, float* result, ProductSteps steps) {
    const BinSteps bins = steps.bins;
    for (int bin = 0; bin < bins.count; bin++) {
        multiply_bin<L, P>(rows, a, right, result, steps);
        a.data += bins.left;
        right += bins.right;
        result += bins.result;
        steps.weights.next += bins.right;
    }
}
