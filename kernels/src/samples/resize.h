// 8-bit cv::resize with INTER_CUBIC and one factor for both axes: the transformer's scale step.
//
// Images are interleaved: element (y, x, channel). A Source gives the element at integer (x, y, channel) inside the
// image: `int operator()(int x, int y, int c) const`. Weights are int16 with 11 fraction bits. The horizontal pass
// is exact in int32; taps beyond the border repeat the edge. The vertical pass is float32 for all but the
// last (columns * channels) mod 8 elements of a row, which OpenCV finishes in integers.

#pragma once
#include "samples/cubic.h"
#include "samples/profile.h"

struct ResizeTap {
    int first;  // source index of tap 0; taps 0..3 are consecutive, and may lie outside
    short weight[4];
};

// Size of the resized image along one axis: size * factor, rounded half to even.
CPM_FN int resized_size(int size, double factor) { return round_to_int(size * factor); }

// Taps of output column (or row) i.
CPM_FN ResizeTap resize_tap(int i, double factor) {
    const float position = (float)((i + 0.5) * (1.0 / factor) - 0.5);
    const float whole = floorf(position);
    float weight[4];
    cubic_weights(position - whole, weight);
    ResizeTap tap;
    tap.first = (int)whole - 1;
    for (int k = 0; k < 4; k++) tap.weight[k] = weight_to_short(weight[k] * 2048.0f);
    return tap;
}

// Horizontal pass: one element of source row y (already inside the image).
template <class Source>
CPM_FN int resize_across(const Source& source, int columns, const ResizeTap& tap, int y, int c) {
    int sum = 0;
    for (int k = 0; k < 4; k++) sum += tap.weight[k] * source(clamp_int(tap.first + k, 0, columns - 1), y, c);
    return sum;
}

// First of the elements of a row that OpenCV computes in integers.
CPM_FN int resize_tail(int elements) { return elements & ~7; }

// Vertical pass in float32, for elements before resize_tail.
CPM_FN u8 resize_down(const int row[4], const short weight[4], int profile) {
    const float unit = 1.0f / (1 << 22);
    float p[4];
    for (int k = 0; k < 4; k++) p[k] = (float)row[k] * ((float)weight[k] * unit);
    const float sum = profile == OPENCV2 ? ((p[0] + p[1]) + p[2]) + p[3] : p[0] + (p[1] + (p[2] + p[3]));
    return saturate_u8(round_to_int(sum));
}

// Vertical pass in int32, for elements from resize_tail on.
CPM_FN u8 resize_down_tail(const int row[4], const short weight[4]) {
    const int sum = row[0] * weight[0] + row[1] * weight[1] + row[2] * weight[2] + row[3] * weight[3];
    return saturate_u8((sum + (1 << 21)) >> 22);
}

// Element (x, y, c) of the resized image. The source has rows x columns pixels of `channels`; the result has
// out_rows x out_columns, both from resized_size: if nothing changes, OpenCV copies.
template <class Source>
CPM_FN u8 resized_element(const Source& source, int rows, int columns, int channels, double factor, int x, int y, int c,
                          int profile) {
    const int out_columns = resized_size(columns, factor);
    if (out_columns == columns && resized_size(rows, factor) == rows) return (u8)source(x, y, c);
    const ResizeTap across = resize_tap(x, factor), down = resize_tap(y, factor);
    int row[4];
    for (int k = 0; k < 4; k++)
        row[k] = resize_across(source, columns, across, clamp_int(down.first + k, 0, rows - 1), c);
    const bool in_tail = x * channels + c >= resize_tail(out_columns * channels);
    return in_tail ? resize_down_tail(row, down.weight) : resize_down(row, down.weight, profile);
}
