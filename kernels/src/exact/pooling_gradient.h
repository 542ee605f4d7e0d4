// Gradients of Caffe's pooling for one input pixel: what Caffe scatters window by window, gathered.
//
// The windows over a pixel come in row-major order, so its terms are added, from 0, in the order in which Caffe's loop
// over the windows adds them.

#pragma once
#include "exact/pooling.h"

// The windows [begin, end) along one axis (0: rows, 1: columns) that hold position `at`.
struct WindowRange {
    int begin, end;
};

CPM_FN WindowRange windows_over(const Pooling& p, int axis, int at) {
    const int kernel = p.kernel[axis], stride = p.stride[axis], count = axis ? p.out_width : p.out_height;
    at += p.pad[axis];
    const int end = at / stride + 1;
    return WindowRange{at < kernel ? 0 : (at - kernel) / stride + 1, end < count ? end : count};
}

// `where` has each window's pooling_argmax.
CPM_FN float max_pool_gradient(const float* dy, const int* where, const Pooling& p, int row, int column) {
    const WindowRange y = windows_over(p, 0, row), x = windows_over(p, 1, column);
    float sum = 0.0f;
    for (int i = y.begin; i < y.end; i++)
        for (int j = x.begin; j < x.end; j++)
            if (where[i * p.out_width + j] == row * p.width + column) sum = sum + dy[i * p.out_width + j];
    return sum;
}

CPM_FN float ave_pool_gradient(const float* dy, const Pooling& p, int row, int column) {
    const WindowRange y = windows_over(p, 0, row), x = windows_over(p, 1, column);
    float sum = 0.0f;
    for (int i = y.begin; i < y.end; i++)
        for (int j = x.begin; j < x.end; j++)
            sum = sum + dy[i * p.out_width + j] / (float)pooling_window(p, i, j).area;
    return sum;
}
