// The kernels of the exact engine's CUDA twin: Caffe's CPU arithmetic, element by element (kernels/exact/cuda.py launches).
//
// The tiled kernels are those of tiled_kernels.h, for the families with AVX-512 (families.cu has the others). The rest
// have one thread per element of what they write. All arrays are float32, contiguous, in Caffe's order (N, C, H, W).

#include "exact/blas.h"
#include "exact/pooling_gradient.h"
#include "exact/solvers.h"
#include "exact/tiled_kernels.h"

TILED_KERNELS(, 128x128, T128, FusedChains)
TILED_KERNELS(, 64x64, T64, FusedChains)
TILED_KERNELS(, 32x128, T32, FusedChains)
DATA_GRADIENT_KERNEL(data_gradient_128x128, T128)
DATA_GRADIENT_KERNEL(data_gradient_64x64, T64)
DATA_GRADIENT_KERNEL(data_gradient_32x128, T32)

// What the tiled kernels leave alone: the elements that are dot products of 16 lanes, one thread per element of C.

// As product_tile; a_row leads from row to row of A and a_k along k, likewise for B's columns.
CPM_KERNEL(128, 1)
product_lanes(const float* a, const float* b, float* c, const float* bias, int form, int m, int n, int k,
              PROFILE_ARGUMENTS, int a_row, int a_k, int b_column, int b_k, int onto, int a_count, long long a_step,
              long long b_step, int batch) {
    const long long at = element_number(), z = at / ((long long)m * n);
    const int row = at / n % m, column = at % n;
    if (z >= batch || column < gemm_lanes_from((GemmForm)form, m, n, k, PROFILE)) return;
    const float* left = a + z % a_count * a_step + (long long)row * a_row;
    const float* right = b + z * b_step + (long long)column * b_column;
    const bool halves_first = gemm_halves_first(row, column, m, n);
    const float sum = gemm_lanes_element(left, a_k, right, b_k, k, halves_first, onto ? c[at] : 0.0f, onto);
    c[at] = with_nan_of_x86(bias ? sum + bias[z % a_count * m + row] : sum);
}

CPM_KERNEL(128, 1)
convolution_lanes(const float* weight, const float* bottom, const float* bias, float* top, const int4* taps,
                  IMAGE_ARGUMENTS, int m, int k, PROFILE_ARGUMENTS, int group, int channels, int images) {
    const int n = out_rows * out_columns;
    const long long at = element_number(), z = at / ((long long)m * n);
    const int row = at / n % m, pixel = at % n, g = z % group;
    if (z >= (long long)images * group || pixel < gemm_lanes_from(GEMM_NN, m, n, k, PROFILE)) return;
    const float* left = weight + ((long long)g * m + row) * k;
    const float* image = bottom + z * channels * rows * columns;
    const float sum = dot_of_lanes(
        k, gemm_halves_first(row, pixel, m, n), [&](int i) { return left[i]; },
        [&](int i) { return column_element(image, taps[i], IMAGE, pixel); });
    top[at] = with_nan_of_x86(bias ? sum + bias[g * m + row] : sum);
}

// Image by image, onto what is there.
CPM_KERNEL(128, 1)
weight_gradient_lanes(const float* top, const float* bottom, float* weight, const int4* taps, IMAGE_ARGUMENTS, int m,
                      int k, PROFILE_ARGUMENTS, int group, int channels, int images) {
    const long long at = element_number();
    const int g = at / (m * k), row = at / k % m, tap = at % k, area = out_rows * out_columns;
    if (g >= group || tap < gemm_lanes_from(GEMM_NT, m, k, area, PROFILE)) return;
    for (int i = 0; i < images; i++) {
        const float* left = top + ((long long)(i * group + g) * m + row) * area;
        const float* image = bottom + (long long)(i * group + g) * channels * rows * columns;
        const float sum = dot_of_lanes(
            area, gemm_halves_first(row, tap, m, k), [&](int p) { return left[p]; },
            [&](int p) { return column_element(image, taps[tap], IMAGE, p); });
        weight[at] = with_nan_of_x86(weight[at] + sum);
    }
}

// Sums of the output gradient's maps by blocks of gemv (blas.h): sums (images * maps, blocks). Eight threads to a
// sum, one per lane, 32 sums to a thread block.
CPM_KERNEL(256, 1)
block_sums(const float* dy, float* sums, int maps, int area, int blocks, int images, int family, int gemv_threads) {
    CPM_SHARED float lanes[256];
    ThreadBlock<float, 256> threads;
    const long long first = (long long)blockIdx.x * 32;
    threads.phase([&](float& sum, int id) {
        const long long at = first + id / 8;
        sum = 0.0f;
        if (at >= (long long)images * maps * blocks) return;
        const int start = at % blocks * GEMV_BLOCK, left = area / 4 * 4 - start;
        const int count = left < GEMV_BLOCK ? left : GEMV_BLOCK, odd = count & 4;
        const float* from = dy + at / blocks * area + start + id % 8;
        if (id % 8 < odd) sum = from[0];
        for (int i = odd; i < count; i += 8) sum = sum + from[i];
        lanes[id] = sum;
    });
    threads.phase([&](float&, int id) {
        const long long at = first + id / 8;
        if (id % 8 || at >= (long long)images * maps * blocks) return;
        const int map = at / blocks % maps, start = at % blocks * GEMV_BLOCK, left = area / 4 * 4 - start;
        const BlasProfile profile{family, gemv_threads};
        const GemvPart part = gemv_part(map, maps, (long long)maps * area, profile);
        const RowLanes kind = gemv_row_lanes(map - part.first, part.count, profile);
        const float* from = dy + at / blocks * area + start;
        sums[at] = kind == ROW_WIDE ? fold_8_lanes(lanes + id)
                                    : gemv_row_sum(from, left < GEMV_BLOCK ? left : GEMV_BLOCK, kind);
    });
}

// Bias gradient, onto what is there, image by image: the map's block sums, then what is left over from fours.
CPM_KERNEL(128, 1)
add_block_sums(const float* dy, const float* sums, float* bias, int maps, int area, int blocks, int images, int family,
               int gemv_threads) {
    const long long map = element_number();
    if (map >= maps) return;
    const BlasProfile profile{family, gemv_threads};
    const int fours = area / 4 * 4;
    float total = bias[map];
    for (int image = 0; image < images; image++) {
        const long long from = image * (long long)maps + map;
        const float* row = dy + from * area;
        if (gemv_is_short(area, profile)) {
            total = gemv_add_row(row, area, (int)map, maps, 1.0f, total, profile);
            continue;
        }
        for (int i = 0; i < blocks; i++) total = total + sums[from * blocks + i];
        if (fours < area) total = gemv_add_rest(row + fours, area - fours, 1.0f, total, profile);
    }
    bias[map] = with_nan_of_x86(total);
}

// Image gradient from the columns' gradient (maps, kernel offset, output pixel): one thread per input pixel.
CPM_KERNEL(256, 1)
columns_to_image(const float* columns_gradient, float* bottom, IMAGE_ARGUMENTS, int kernel_y, int kernel_x,
                 int dilation_y, int dilation_x, int maps) {
    const long long at = element_number();
    if (at >= (long long)maps * rows * columns) return;
    const long long map = at / (rows * columns);
    const int pixel = at % (rows * columns);
    bottom[at] = with_nan_of_x86(
        column_sum(columns_gradient + map * kernel_y * kernel_x * out_rows * out_columns, IMAGE, pixel / columns,
                   pixel % columns, kernel_y, kernel_x, dilation_y, dilation_x));
}

#define POOLING_ARGUMENTS \
    int height, int width, int out_height, int out_width, int kernel_y, int kernel_x, int stride_y, int stride_x, \
        int pad_y, int pad_x, int planes
#define POOLING \
    Pooling { height, width, out_height, out_width, {kernel_y, kernel_x}, {stride_y, stride_x}, {pad_y, pad_x} }

// Maxima and, in `where`, the index of each in its plane.
CPM_KERNEL(256, 1)
max_pool(const float* x, float* y, int* where, POOLING_ARGUMENTS) {
    const long long at = element_number(), area = (long long)out_height * out_width;
    if (at >= planes * area) return;
    const float* plane = x + at / area * height * width;
    where[at] = pooling_argmax(plane, POOLING, at % area / out_width, at % area % out_width);
    y[at] = where[at] < 0 ? -3.402823466e+38f : plane[where[at]];
}

CPM_KERNEL(256, 1)
max_pool_backward(const float* dy, const int* where, float* dx, POOLING_ARGUMENTS) {
    const long long at = element_number(), area = (long long)height * width;
    if (at >= planes * area) return;
    const long long from = at / area * out_height * out_width;
    dx[at] = with_nan_of_x86(
        max_pool_gradient(dy + from, where + from, POOLING, at % area / width, at % area % width));
}

CPM_KERNEL(256, 1)
ave_pool(const float* x, float* y, POOLING_ARGUMENTS) {
    const long long at = element_number(), area = (long long)out_height * out_width;
    if (at < planes * area)
        y[at] = with_nan_of_x86(
            pooling_mean(x + at / area * height * width, POOLING, at % area / out_width, at % area % out_width));
}

CPM_KERNEL(256, 1)
ave_pool_backward(const float* dy, float* dx, POOLING_ARGUMENTS) {
    const long long at = element_number(), area = (long long)height * width;
    if (at < planes * area)
        dx[at] = with_nan_of_x86(ave_pool_gradient(dy + at / area * out_height * out_width, POOLING, at % area / width,
                                                   at % area % width));
}

// max(x, 0) + slope * min(x, 0) as relu_layer.cpp has it: x itself where it is not negative.
CPM_KERNEL(256, 1)
relu(const float* x, float* y, float slope, long long count) {
    const long long at = element_number();
    if (at < count) y[at] = x[at] < 0.0f ? with_nan_of_x86(0.0f + slope * x[at]) : x[at];
}

CPM_KERNEL(256, 1)
relu_backward(const float* x, const float* dy, float* dx, float slope, long long count) {
    const long long at = element_number();
    if (at < count) dx[at] = with_nan_of_x86(dy[at] * (x[at] > 0.0f ? 1.0f : x[at] <= 0.0f ? slope : 0.0f));
}

// Updates every blob's histories, puts the update's value where the gradient was and subtracts it from the weight.
// Grid: `blocks` that share a blob, blobs.
CPM_KERNEL(256, 1)
solver_update(const SolverBlob* blobs, int blocks) {
    const SolverBlob blob = blobs[blockIdx.y];
    update_elements(blob, element_number(), blob.count, (long long)blocks * blockDim.x);
}
