// Winograd's F(4x4, 3x3): tiles of 6 x 6 pixels for 4 x 4 results of a 3 x 3 kernel, 16 channels at a time, in the place
// of fft_tile.h's transforms: 36 real products for 16 results, of tiles d, kernels g and results' gradients e
//   results = Aᵀ [(G g Gᵀ) · (Bᵀ d B)] A        kernels' gradient = Gᵀ [(Bᵀ d B) · (A e Aᵀ)] G
//
// The matrices evaluate polynomials at 0, 1, −1, 1/2, −2 and infinity: a point's reciprocal for the negative of it keeps
// rounding errors at half of what they are with the usual 2 and −2. Bᵀ's rows are scaled to have few digits.
// A cell of fft_tile.h's, 16 real and 16 imaginary parts, holds two of the 36 values of 16 channels.

#pragma once
#include "fft/fft_tile.h"

struct InputMatrix {  // Bᵀ
    static constexpr int rows = 6, columns = 6;
    static constexpr float at[rows][columns] = {{1, -1.5f, -2, 1.5f, 1, 0}, {0, -1, 0.5f, 2.5f, 1, 0},
                                                {0, -1, 2.5f, -0.5f, -1, 0}, {0, 2, 1, -2, -1, 0},
                                                {0, 0.5f, -1, -0.5f, 1, 0}, {0, 1, -1.5f, -2, 1.5f, 1}};
};

struct KernelMatrix {  // G
    static constexpr int rows = 6, columns = 3;
    static constexpr float at[rows][columns] = {{1, 0, 0}, {1 / 3.f, 1 / 3.f, 1 / 3.f}, {1 / 3.f, -1 / 3.f, 1 / 3.f},
                                                {16 / 15.f, 8 / 15.f, 4 / 15.f}, {1 / 15.f, -2 / 15.f, 4 / 15.f},
                                                {0, 0, 1}};
};

struct GradientMatrix {  // A
    static constexpr int rows = 6, columns = 4;
    static constexpr float at[rows][columns] = {{1, 0, 0, 0}, {1, 1, 1, 1}, {1, -1, 1, -1},
                                                {1, 0.5f, 0.25f, 0.125f}, {1, -2, 4, -8}, {0, 0, 0, 1}};
};

template <class Matrix>
struct Transposed {
    static constexpr int rows = Matrix::columns, columns = Matrix::rows;
    struct Elements {
        float of[rows][columns] = {};
        constexpr Elements() {
            for (int i = 0; i < rows; i++)
                for (int j = 0; j < columns; j++) of[i][j] = Matrix::at[j][i];
        }
    };
    static constexpr Elements elements{};
    static constexpr const float (&at)[rows][columns] = elements.of;
};

template <class Matrix, int L>
CPM_INLINE void multiply_vector(const Vector<L>* from, Vector<L>* to) {
    repeat<Matrix::rows>([&](auto i) CPM_INLINE_LAMBDA {
        Vector<L> sum = {};
        repeat<Matrix::columns>([&](auto j) CPM_INLINE_LAMBDA {
            constexpr float factor = Matrix::at[i][j];
            if constexpr (factor != 0) sum += from[j] * factor;
        });
        to[i] = sum;
    });
}

// M X Mᵀ: load(y, x) gives X's elements, store(y, x, value) takes the result's.
template <class Matrix, int L, class Load, class Store>
CPM_INLINE void multiply_both_sides(const Load& load_element, const Store& store_element) {
    Vector<L> half[Matrix::columns][Matrix::rows];
    for (int x = 0; x < Matrix::columns; x++) {
        Vector<L> column[Matrix::columns];
        repeat<Matrix::columns>([&](auto y) CPM_INLINE_LAMBDA { column[y] = load_element(y, x); });
        multiply_vector<Matrix, L>(column, half[x]);
    }
    for (int y = 0; y < Matrix::rows; y++) {
        Vector<L> row[Matrix::columns], result[Matrix::rows];
        repeat<Matrix::columns>([&](auto x) CPM_INLINE_LAMBDA { row[x] = half[x][y]; });
        multiply_vector<Matrix, L>(row, result);
        repeat<Matrix::rows>([&](auto x) CPM_INLINE_LAMBDA { store_element(y, x, result[x]); });
    }
}

// Where the value (y, x) of the 36 is, in the block's cells.
CPM_INLINE Index winograd_place(int y, int x, Index bin) {
    const int value = y * WINOGRAD + x;
    return value / 2 * bin + value % 2 * BLOCK;
}

template <class Matrix, int L>
CPM_INLINE void winograd_forward(const Patch<const float>& patch, const Spectrum<float>& out) {
    for (int lane = 0; lane < BLOCK; lane += L)
        multiply_both_sides<Matrix, L>(
            [&](int y, int x) CPM_INLINE_LAMBDA { return pixel<L>(patch, y, x, lane); },
            [&](int y, int x, const Vector<L>& value) CPM_INLINE_LAMBDA {
                float* cell = out.cells + winograd_place(y, x, out.bin);
                fetch_next_cell(cell);
                store<L>(cell + lane, value);
            });
}

template <class Matrix, int L>
CPM_INLINE void winograd_inverse(const Spectrum<const float>& from, const Patch<float>& out, const Finish& finish) {
    for (int lane = 0; lane < BLOCK && lane < out.channels; lane += L) {
        Vector<L> results[Matrix::rows][Matrix::rows];
        const Vector<L> none = {};
        multiply_both_sides<Matrix, L>(
            [&](int y, int x) CPM_INLINE_LAMBDA {
                const float* cell = from.cells + winograd_place(y, x, from.bin);
                fetch_next_cell(cell);
                return load<L>(cell + lane);
            },
            [&](int y, int x, const Vector<L>& value) CPM_INLINE_LAMBDA { results[y][x] = value; });
        const Vector<L> bias = finish.bias ? load_some<L>(finish.bias + lane, out.channels - lane) : Vector<L>{};
        for (int y = 0; y < out.bottom; y++)
            for (int x = 0; x < out.right; x++) {
                float* at = out.origin + y * out.row + x * out.pixel;
                fetch_next_pixel(at);
                const bool zero = finish.zeros >> (y * Matrix::rows + x) & 1;
                store_some<L>(at + lane, finished<L>(zero ? none : results[y][x], none, bias, finish),
                              out.channels - lane);
            }
    }
}
