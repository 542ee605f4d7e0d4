// Convolution on the GPU without a column matrix in memory (Caffe: base_conv_layer.cpp, im2col.cpp).
//
// Forward and weight gradient are products with the column matrix, which panel_sources.h reads from the image. The
// data gradient is, per kernel offset in row-major order, a product of the transposed weights with the output's
// gradient; its terms are added from 0 in that order, as col2im adds the columns.

#pragma once

#include "exact/panel_sources.h"

CPM_DEVICE bool sixteen_bytes(const void* data, int stride) {
    return (unsigned long long)data % 16 == 0 && stride % 4 == 0;
}

// Places of a product's rows and columns; both null where no element is two chains.
struct Places {
    const int *rows, *columns;

    CPM_DEVICE bool two_chains(int row, int column) const { return gemm_is_two_chains(rows[row], columns[column]); }
};

CPM_DEVICE Output output_tile(float* data, int rows, int columns, long long kept, int first_row, int first_column,
                              const Places& places) {
    return {data,         rows,        columns,       (int)kept, first_row, first_column, sixteen_bytes(data, columns),
            places.rows, places.columns};
}

// Forward of one image and group: weight (M, K) times the column matrix (K, output pixels), plus bias (M).
template <class T, class How>
CPM_DEVICE void convolution_tile(const float* weight, const float* bottom, const float* bias, float* top,
                                 const int4* taps, const Image& image, int m, int k, BlasProfile profile,
                                 const Places& places) {
    using A = ContiguousInK<T::ROWS, T::THREADS>;
    using B = ColumnMatrix<T::COLUMNS, T::THREADS>;
    CPM_SHARED Panels<T> panels;
    ThreadBlock<ProductThread<A, B>, T::THREADS> threads;
    const int first_row = blockIdx.y * T::ROWS, first_column = blockIdx.x * T::COLUMNS;
    threads.phase([&](auto& thread, int id) {
        thread.a.data = weight, thread.a.stride = k, thread.a.rows = m, thread.a.first = first_row;
        thread.a.whole = sixteen_bytes(weight, k);
        thread.b.data = bottom, thread.b.taps = taps, thread.b.image = image;
        thread.b.begin(id, first_column);
    });
    const int n = image.out_rows * image.out_columns;
    const long long kept = gemm_lanes_from(GEMM_NN, m, n, k, profile);
    const Output c = output_tile(top, m, n, kept, first_row, first_column, places);
    multiply_tile<T, How>(threads, panels, k, gemm_rule(GEMM_NN, m, n, k, profile), c, false, bias);
}

// Weight gradient of one group, onto what is there: the top's gradient (M, output pixels) times the column matrix
// transposed (output pixels, taps), image by image.
template <class T, class How>
CPM_DEVICE void weight_gradient_tile(const float* top, const float* bottom, float* weight, const int4* taps,
                                     const Image& image, int m, int tap_count, BlasProfile profile,
                                     const Places& places, int images, long long top_step, long long bottom_step) {
    using A = ContiguousInK<T::ROWS, T::THREADS>;
    using B = ColumnMatrixTransposed<T::COLUMNS, T::THREADS>;
    CPM_SHARED Panels<T> panels;
    ThreadBlock<ProductThread<A, B>, T::THREADS> threads;
    const int first_row = blockIdx.y * T::ROWS, first_column = blockIdx.x * T::COLUMNS;
    const int area = image.out_rows * image.out_columns;
    const GemmRule rule = gemm_rule(GEMM_NT, m, tap_count, area, profile);
    const long long kept = gemm_lanes_from(GEMM_NT, m, tap_count, area, profile);
    const Output c = output_tile(weight, m, tap_count, kept, first_row, first_column, places);
#pragma unroll 1
    for (int i = 0; i < images; i++) {
        threads.phase([&](auto& thread, int) {
            thread.a.data = top + i * top_step, thread.a.stride = area, thread.a.rows = m, thread.a.first = first_row;
            thread.a.whole = sixteen_bytes(thread.a.data, area);
            thread.b.data = bottom + i * bottom_step, thread.b.taps = taps, thread.b.image = image;
            thread.b.rows = tap_count, thread.b.first = first_column;
        });
        multiply_tile<T, How>(threads, panels, area, rule, c, true, nullptr);
    }
}

// The tap sums of a thread beside the running sums of its input pixels.
template <class A, class B>
struct GradientThread : ProductThread<A, B> {
    float total[8][8];
};

// Adds a tap's sums to the totals of those columns (input pixels) that the tap joins to an output pixel.
template <class T, class Thread>
CPM_DEVICE void add_tap(Thread& thread, const Image& image, int first_column, int dy, int dx, int id) {
#pragma unroll
    for (int j = 0; j < 8; j++) {
        const int at = first_column + T::column(id) + j % 4 + j / 4 * T::QUARTER_COLUMNS, y = at / image.columns;
        if (y >= image.rows || output_pixel(image, y, at - y * image.columns, dy, dx) < 0) continue;
#pragma unroll
        for (int i = 0; i < 8; i++) thread.total[i][j] = thread.total[i][j] + thread.sum[i][j];
    }
}

// Data gradient of one image and group. weight is (kernel offset, output channel, input channel); all output
// channels are one block (the host sees to that).
template <class T>
CPM_DEVICE void data_gradient_tile(const float* weight, const float* top, float* bottom, const Image& image,
                                   int outputs, int inputs, int kernel_y, int kernel_x, int dilation_y,
                                   int dilation_x) {
    using A = ContiguousInRows<T::ROWS, T::THREADS>;
    using B = ShiftedGradient<T::COLUMNS, T::THREADS>;
    CPM_SHARED Panels<T> panels;
    ThreadBlock<GradientThread<A, B>, T::THREADS> threads;
    const int first_row = blockIdx.y * T::ROWS, first_column = blockIdx.x * T::COLUMNS;
    threads.phase([&](auto& thread, int) {
        thread.a.stride = inputs, thread.a.rows = inputs, thread.a.first = first_row;
        thread.b.data = top, thread.b.image = image, thread.b.first = first_column;
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
            for (int j = 0; j < 8; j++) thread.total[i][j] = 0.0f;
    });
#pragma unroll 1
    for (int offset = 0; offset < kernel_y * kernel_x; offset++) {
        const int dy = offset / kernel_x * dilation_y, dx = offset % kernel_x * dilation_x;
        threads.phase([&](auto& thread, int id) {
            thread.a.data = weight + (long long)offset * outputs * inputs;
            thread.a.whole = sixteen_bytes(thread.a.data, inputs);
            thread.b.shift(id, dy, dx);
        });
        multiply_block<T, FusedChains>(threads, panels, 0, outputs);
        threads.phase([&](auto& thread, int id) { add_tap<T>(thread, image, first_column, dy, dx, id); });
    }
    const int pixels = image.rows * image.columns;
    const Output c = output_tile(bottom, inputs, pixels, pixels, first_row, first_column, Places{});
    threads.phase([&](auto& thread, int id) {
        add_to_output<T, FusedChains>(thread.total, c, ADD_TO_NOTHING, nullptr, id);
    });
}

// col2im for one pixel of one channel: the columns' terms in row-major order of the kernel, from 0.
CPM_DEVICE float column_sum(const float* columns, const Image& image, int y, int x, int kernel_y, int kernel_x,
                            int dilation_y, int dilation_x) {
    const int area = image.out_rows * image.out_columns;
    float sum = 0.0f;
    for (int i = 0; i < kernel_y; i++)
        for (int j = 0; j < kernel_x; j++) {
            const int from = output_pixel(image, y, x, i * dilation_y, j * dilation_x);
            if (from >= 0) sum = sum + columns[(long long)(i * kernel_x + j) * area + from];
        }
    return sum;
}

// The column matrix's value at (tap, output pixel).
CPM_DEVICE float column_element(const float* bottom, const int4& tap, const Image& image, int pixel) {
    const int row = pixel / image.out_columns, column = pixel - row * image.out_columns;
    const int y = row * image.stride_y - image.pad_y, x = column * image.stride_x - image.pad_x;
    const bool inside =
        (unsigned)(y + tap.y) < (unsigned)image.rows && (unsigned)(x + tap.z) < (unsigned)image.columns;
    return inside ? bottom[tap.x + y * image.columns + x] : 0.0f;
}

// An element of 16 lanes (gemm_lanes_element), of factors that need not lie in memory as such: left(k), right(k).
template <class Left, class Right>
CPM_DEVICE float dot_of_lanes(int depth, bool halves_first, Left left, Right right) {
    float lane[16];
#pragma unroll
    for (int l = 0; l < 16; l++) lane[l] = 0.0f;
    for (int k = 0; k < depth; k += 16)
#pragma unroll
        for (int l = 0; l < 16; l++)
            if (k + l < depth) lane[l] = fmaf(left(k + l), right(k + l), lane[l]);
    return gemm_fold(lane, halves_first);
}
