// The kernels that compute a product tile by tile, for every tile size: what exact.cu and families.cu instantiate.
//
// Grid (column tiles, row tiles, batch); the tile's size is at the end of the name. All arrays are float32,
// contiguous, in Caffe's order (N, C, H, W).

#pragma once

#include "exact/convolution_tiles.h"

using T128 = Tile<128, 128>;
using T64 = Tile<64, 64>;
using T32 = Tile<32, 128>;

// C[z] = A[z] . B[z] (+ bias per row), onto C if asked; A repeats after a_count, so that a batch shares weights.
template <class T, class How, class A, class B>
CPM_DEVICE void product_tile(const float* a, const float* b, float* c, const float* bias, int m, int n, int k,
                             int a_stride, int b_stride, GemmForm form, BlasProfile profile, const Places& places,
                             int onto, int a_count, long long a_step, long long b_step, long long c_step) {
    CPM_SHARED Panels<T> panels;
    ThreadBlock<ProductThread<A, B>, T::THREADS> threads;
    const int first_row = blockIdx.y * T::ROWS, first_column = blockIdx.x * T::COLUMNS, z = blockIdx.z;
    threads.phase([&](auto& thread, int) {
        thread.a.data = a + z % a_count * a_step, thread.b.data = b + z * b_step;
        thread.a.stride = a_stride, thread.a.rows = m, thread.a.first = first_row;
        thread.b.stride = b_stride, thread.b.rows = n, thread.b.first = first_column;
        thread.a.whole = sixteen_bytes(thread.a.data, a_stride);
        thread.b.whole = sixteen_bytes(thread.b.data, b_stride);
    });
    const long long kept = gemm_lanes_from(form, m, n, k, profile);
    const Output tile = output_tile(c + z * c_step, m, n, kept, first_row, first_column, places);
    const GemmRule rule = gemm_rule(form, m, n, k, profile);
    multiply_tile<T, How>(threads, panels, k, rule, tile, onto, bias ? bias + z % a_count * m : nullptr);
}

#define PRODUCT_KERNEL(name, T, How, form, A, B) \
    CPM_KERNEL(T::THREADS, How::LEAVES_SOME ? T::FEWER : T::RESIDENT) \
    name(const float* a, const float* b, float* c, const float* bias, int m, int n, int k, PROFILE_ARGUMENTS, \
         int onto, int a_count, long long a_step, long long b_step, long long c_step) { \
        product_tile<T, How, A<T::ROWS, T::THREADS>, B<T::COLUMNS, T::THREADS>>( \
            a, b, c, bias, m, n, k, A<T::ROWS, T::THREADS>::stride_of(m, k), \
            B<T::COLUMNS, T::THREADS>::stride_of(n, k), form, PROFILE, PLACES, onto, a_count, a_step, b_step, c_step); \
    }

#define CONVOLUTION_KERNEL(name, T, How) \
    CPM_KERNEL(T::THREADS, How::LEAVES_SOME ? T::FEWER : T::RESIDENT) \
    name(const float* weight, const float* bottom, const float* bias, float* top, const int4* taps, IMAGE_ARGUMENTS, \
         int m, int k, PROFILE_ARGUMENTS, int group, int channels) { \
        const int g = blockIdx.z % group; \
        convolution_tile<T, How>(weight + (long long)g * m * k, \
                                 bottom + (long long)blockIdx.z * channels * rows * columns, \
                                 bias ? bias + g * m : nullptr, \
                                 top + (long long)blockIdx.z * m * out_rows * out_columns, taps, IMAGE, m, k, PROFILE, \
                                 PLACES); \
    }

#define WEIGHT_GRADIENT_KERNEL(name, T, How) \
    CPM_KERNEL(T::THREADS, T::FEWER) \
    name(const float* top, const float* bottom, float* weight, const int4* taps, IMAGE_ARGUMENTS, int m, int k, \
         PROFILE_ARGUMENTS, int group, int channels, int images) { \
        const long long top_area = (long long)m * out_rows * out_columns, area = (long long)channels * rows * columns; \
        const int g = blockIdx.z; \
        weight_gradient_tile<T, How>(top + g * top_area, bottom + g * area, weight + (long long)g * m * k, taps, \
                                     IMAGE, m, k, PROFILE, PLACES, images, group * top_area, group * area); \
    }

#define DATA_GRADIENT_KERNEL(name, T) \
    CPM_KERNEL(T::THREADS, T::FEWER) \
    name(const float* weight, const float* top, float* bottom, IMAGE_ARGUMENTS, int outputs, int inputs, int kernel_y, \
         int kernel_x, int dilation_y, int dilation_x, int group) { \
        const long long per_group = (long long)outputs * inputs * kernel_y * kernel_x; \
        data_gradient_tile<T>(weight + blockIdx.z % group * per_group, \
                              top + (long long)blockIdx.z * outputs * out_rows * out_columns, \
                              bottom + (long long)blockIdx.z * inputs * rows * columns, IMAGE, outputs, inputs, \
                              kernel_y, kernel_x, dilation_y, dilation_x); \
    }

// prefix: before every kernel's name; SIZE: the tile's name, T its type.
#define TILED_KERNELS(prefix, SIZE, T, How) \
    PRODUCT_KERNEL(prefix##product_nn_##SIZE, T, How, GEMM_NN, ContiguousInK, ContiguousInRows) \
    PRODUCT_KERNEL(prefix##product_nt_##SIZE, T, How, GEMM_NT, ContiguousInK, ContiguousInK) \
    PRODUCT_KERNEL(prefix##product_tn_##SIZE, T, How, GEMM_TN, ContiguousInRows, ContiguousInRows) \
    CONVOLUTION_KERNEL(prefix##convolution_##SIZE, T, How) \
    WEIGHT_GRADIENT_KERNEL(prefix##weight_gradient_##SIZE, T, How)

#define IMAGE_ARGUMENTS \
    int rows, int columns, int out_rows, int out_columns, int stride_y, int stride_x, int pad_y, int pad_x
#define IMAGE Image{rows, columns, out_rows, out_columns, stride_y, stride_x, pad_y, pad_x}

// Whose bits (family.h), and where the product's elements of two chains are (gemm.h), or null.
#define PROFILE_ARGUMENTS int family, int blas_threads, const int *row_places, const int *column_places
#define PROFILE BlasProfile{family, blas_threads}
#define PLACES Places{row_places, column_places}
