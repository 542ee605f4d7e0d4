// Caffe's pooling windows over one plane (pooling_layer.cpp): clipped at the edge; a mean's divisor counts padding.

#pragma once
#include "common/device.h"

// Passed from Python as int32 in this order.
struct Pooling {
    int height, width, out_height, out_width;
    int kernel[2], stride[2], pad[2];
};

struct PoolingWindow {
    int top, bottom, left, right;  // clipped; bottom and right are exclusive
    int area;                      // with the padding that it covers
};

CPM_FN PoolingWindow pooling_window(const Pooling& p, int row, int column) {
    const int top = row * p.stride[0] - p.pad[0], left = column * p.stride[1] - p.pad[1];
    const int bottom = clamp_int(top + p.kernel[0], 0, p.height + p.pad[0]);
    const int right = clamp_int(left + p.kernel[1], 0, p.width + p.pad[1]);
    return PoolingWindow{clamp_int(top, 0, p.height), clamp_int(bottom, 0, p.height), clamp_int(left, 0, p.width),
                         clamp_int(right, 0, p.width), (bottom - top) * (right - left)};
}

// Where the window's first maximum lies in the plane; -1 if all is NaN or below the lowest float.
CPM_FN int pooling_argmax(const float* plane, const Pooling& p, int row, int column) {
    const PoolingWindow w = pooling_window(p, row, column);
    float maximum = -3.402823466e+38f;
    int where = -1;
    for (int y = w.top; y < w.bottom; y++)
        for (int x = w.left; x < w.right; x++)
            if (plane[y * p.width + x] > maximum) {
                maximum = plane[y * p.width + x];
                where = y * p.width + x;
            }
    return where;
}

CPM_FN float pooling_mean(const float* plane, const Pooling& p, int row, int column) {
    const PoolingWindow w = pooling_window(p, row, column);
    float sum = 0.0f;
    for (int y = w.top; y < w.bottom; y++)
        for (int x = w.left; x < w.right; x++) sum += plane[y * p.width + x];
    return sum / (float)w.area;
}
