// Where the panels of tile_product.h come from: a matrix, or an image seen as Caffe's column matrix.
//
// Each source brings an EXTENT x DEPTH panel into shared memory: fetch() reads this thread's share into registers,
// deposit() writes it down, k first. "Row" means a row of A or a column of B. Beyond the matrix there are zeros,
// which reach no element that is kept.
//
// The column matrix (im2col) has a row per tap, ordered channel, kernel row, kernel column, and a column per output
// pixel. `taps` holds for each tap: offset in the image, kernel row, kernel column (both times dilation), 0.

#pragma once

#include "exact/tile_product.h"

// Element (row, k) at data[row * stride + k]: k is contiguous.
template <int EXTENT, int THREADS>
struct ContiguousInK {
    static constexpr int LOADS = EXTENT * DEPTH / 4 / THREADS;
    const float* data;
    int stride, rows, first;
    bool whole;  // data and stride are multiples of 16 bytes
    float held[LOADS * 4];

    static CPM_DEVICE int stride_of(int, int depth) { return depth; }

    CPM_DEVICE void fetch(int id, int begin, int end) {
#pragma unroll
        for (int i = 0; i < LOADS; i++) {
            const int row = first + (id + i * THREADS) / 2, k = begin + (id + i * THREADS) % 2 * 4;
            const float* from = data + (long long)row * stride + k;
            if (whole && begin % 4 == 0 && row < rows && k + 4 <= end) {  // blocks shared by threads begin anywhere
                read4(from, held + i * 4);
                continue;
            }
#pragma unroll
            for (int j = 0; j < 4; j++) held[i * 4 + j] = row < rows && k + j < end ? from[j] : 0.0f;
        }
    }

    CPM_DEVICE void deposit(int id, float* panel) const {
#pragma unroll
        for (int i = 0; i < LOADS; i++)
#pragma unroll
            for (int j = 0; j < 4; j++)
                panel[((id + i * THREADS) % 2 * 4 + j) * (EXTENT + PADDING) + (id + i * THREADS) / 2] = held[i * 4 + j];
    }
};

// Element (row, k) at data[k * stride + row]: rows are contiguous.
template <int EXTENT, int THREADS>
struct ContiguousInRows {
    static constexpr int LOADS = EXTENT * DEPTH / 4 / THREADS, ACROSS = EXTENT / 4;
    const float* data;
    int stride, rows, first;
    bool whole;  // data and stride are multiples of 16 bytes
    float held[LOADS * 4];

    static CPM_DEVICE int stride_of(int rows, int) { return rows; }

    CPM_DEVICE void fetch(int id, int begin, int end) {
#pragma unroll
        for (int i = 0; i < LOADS; i++) {
            const int row = first + (id + i * THREADS) % ACROSS * 4, k = begin + (id + i * THREADS) / ACROSS;
            const float* from = data + (long long)k * stride + row;
            if (whole && row + 4 <= rows && k < end) {
                read4(from, held + i * 4);
                continue;
            }
#pragma unroll
            for (int j = 0; j < 4; j++) held[i * 4 + j] = row + j < rows && k < end ? from[j] : 0.0f;
        }
    }

    CPM_DEVICE void deposit(int id, float* panel) const {
#pragma unroll
        for (int i = 0; i < LOADS; i++) {
            const int slot = id + i * THREADS;
            write4(panel + slot / ACROSS * (EXTENT + PADDING) + slot % ACROSS * 4, held + i * 4);
        }
    }
};

// A convolution's geometry; `columns` and `out_columns` are widths.
struct Image {
    int rows, columns, out_rows, out_columns;
    int stride_y, stride_x, pad_y, pad_x;
};

// How a panel of single values is shared out: rows run along the threads, so that neighbours read neighbours.
template <int EXTENT, int THREADS>
struct SingleValues {
    static constexpr int COUNT = EXTENT * DEPTH / THREADS;
    static constexpr int ROWS = EXTENT > THREADS ? EXTENT / THREADS : 1;       // of one thread
    static constexpr int STEP = EXTENT > THREADS ? 1 : THREADS / EXTENT;       // between its values of k
    static CPM_DEVICE int row(int id, int i) { return id % EXTENT + i % ROWS * THREADS; }
    static CPM_DEVICE int k(int id, int i) { return id / EXTENT + i / ROWS * STEP; }
};

// Rows are output pixels, k is the tap: the column matrix of the forward pass.
template <int EXTENT, int THREADS>
struct ColumnMatrix {
    using Share = SingleValues<EXTENT, THREADS>;
    const float* data;
    const int4* taps;
    Image image;
    int y[Share::ROWS], x[Share::ROWS];
    float held[Share::COUNT];

    CPM_DEVICE void begin(int id, int first) {
#pragma unroll
        for (int i = 0; i < Share::ROWS; i++) {
            const int pixel = first + Share::row(id, i), row = pixel / image.out_columns;
            y[i] = row * image.stride_y - image.pad_y;
            x[i] = (pixel - row * image.out_columns) * image.stride_x - image.pad_x;
            if (row >= image.out_rows) y[i] = -(1 << 30);
        }
    }

    CPM_DEVICE void fetch(int id, int begin, int end) {
#pragma unroll
        for (int i = 0; i < Share::COUNT; i++) {
            const int k = begin + Share::k(id, i), n = i % Share::ROWS;
            held[i] = 0.0f;
            if (k >= end) continue;
            const int4 tap = taps[k];
            const bool inside =
                (unsigned)(y[n] + tap.y) < (unsigned)image.rows && (unsigned)(x[n] + tap.z) < (unsigned)image.columns;
            if (inside) held[i] = data[tap.x + y[n] * image.columns + x[n]];
        }
    }

    CPM_DEVICE void deposit(int id, float* panel) const {
#pragma unroll
        for (int i = 0; i < Share::COUNT; i++)
            panel[Share::k(id, i) * (EXTENT + PADDING) + Share::row(id, i)] = held[i];
    }
};

// Rows are taps, k is the output pixel: the column matrix transposed, of the weight gradient.
template <int EXTENT, int THREADS>
struct ColumnMatrixTransposed {
    static constexpr int COUNT = EXTENT * DEPTH / THREADS;
    const float* data;
    const int4* taps;
    Image image;
    int rows, first;
    float held[COUNT];

    CPM_DEVICE void fetch(int id, int begin, int end) {
        const int pixel = begin + id % DEPTH, row = pixel / image.out_columns;
        const int y = row * image.stride_y - image.pad_y;
        const int x = (pixel - row * image.out_columns) * image.stride_x - image.pad_x;
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            const int n = first + id / DEPTH + i * (THREADS / DEPTH);
            held[i] = 0.0f;
            if (n >= rows || pixel >= end) continue;
            const int4 tap = taps[n];
            const bool inside =
                (unsigned)(y + tap.y) < (unsigned)image.rows && (unsigned)(x + tap.z) < (unsigned)image.columns;
            if (inside) held[i] = data[tap.x + y * image.columns + x];
        }
    }

    CPM_DEVICE void deposit(int id, float* panel) const {
#pragma unroll
        for (int i = 0; i < COUNT; i++)
            panel[id % DEPTH * (EXTENT + PADDING) + id / DEPTH + i * (THREADS / DEPTH)] = held[i];
    }
};

// The output pixel that kernel offset (dy, dx) joins to input pixel (y, x); -1 if there is none.
CPM_DEVICE int output_pixel(const Image& image, int y, int x, int dy, int dx) {
    y += image.pad_y - dy, x += image.pad_x - dx;
    const int row = image.stride_y == 1 ? y : y / image.stride_y, column = image.stride_x == 1 ? x : x / image.stride_x;
    const bool exists = y >= 0 && x >= 0 && row * image.stride_y == y && column * image.stride_x == x &&
                        row < image.out_rows && column < image.out_columns;
    return exists ? row * image.out_columns + column : -1;
}

// Rows are input pixels, k is the output channel: the output's gradient as one kernel offset sees it.
template <int EXTENT, int THREADS>
struct ShiftedGradient {
    using Share = SingleValues<EXTENT, THREADS>;
    const float* data;
    Image image;
    int first;
    int pixel[Share::ROWS];
    float held[Share::COUNT];

    CPM_DEVICE void shift(int id, int dy, int dx) {
#pragma unroll
        for (int i = 0; i < Share::ROWS; i++) {
            const int at = first + Share::row(id, i), y = at / image.columns;
            pixel[i] = y < image.rows ? output_pixel(image, y, at - y * image.columns, dy, dx) : -1;
        }
    }

    CPM_DEVICE void fetch(int id, int begin, int end) {
        const int area = image.out_rows * image.out_columns;
#pragma unroll
        for (int i = 0; i < Share::COUNT; i++) {
            const int k = begin + Share::k(id, i), from = pixel[i % Share::ROWS];
            held[i] = k < end && from >= 0 ? data[k * area + from] : 0.0f;
        }
    }

    CPM_DEVICE void deposit(int id, float* panel) const {
#pragma unroll
        for (int i = 0; i < Share::COUNT; i++)
            panel[Share::k(id, i) * (EXTENT + PADDING) + Share::row(id, i)] = held[i];
    }
};
