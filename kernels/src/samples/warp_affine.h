// 8-bit cv::warpAffine with INTER_CUBIC and a constant border: the transformer's rotation step.
//
// Images are interleaved: element (y, x, channel). The matrix (2x3, row-major, double) maps source to output
// coordinates; it is inverted first. Source positions are fixed point, 32 steps per pixel; the 16 weights of a pixel
// are int16 with 15 fraction bits and add up to 2^15 exactly. A Source gives the element at (x, y, channel), and the
// border's value outside the image: `int operator()(int x, int y, int c) const`.

#pragma once
#include "samples/cubic.h"

// The 2x3 matrix from output to source coordinates.
CPM_FN void warp_inverse(const double m[6], double inverse[6]) {
    double determinant = m[0] * m[4] - m[1] * m[3];
    determinant = determinant != 0 ? 1.0 / determinant : 0;
    inverse[0] = m[4] * determinant;
    inverse[4] = m[0] * determinant;
    inverse[1] = m[1] * -determinant;
    inverse[3] = m[3] * -determinant;
    inverse[2] = -inverse[0] * m[2] - inverse[1] * m[5];
    inverse[5] = -inverse[3] * m[2] - inverse[4] * m[5];
}

// What output column x adds to a source coordinate, in 1/1024 pixels.
CPM_FN int warp_across(double slope, int x) { return round_to_int(slope * x * 1024); }

// Where output row y starts, in 1/1024 pixels, plus half of 1/32.
CPM_FN int warp_start(double slope, double shift, int y) { return round_to_int((slope * y + shift) * 1024) + 16; }

// A source position along one axis: `whole` pixels and `fraction` 32nds.
struct WarpPosition {
    int whole, fraction;
};

CPM_FN WarpPosition warp_position(int start, int across) {
    const int in_32nds = (start + across) >> 5;
    return WarpPosition{in_32nds >> 5, in_32nds & 31};
}

// The 16 weights (row by row) for fractions fx, fy in 0..31.
CPM_FN void warp_weights(int fx, int fy, short weight[16]) {
    float across[4], down[4];
    cubic_weights(fx * (1.0f / 32), across);
    cubic_weights(fy * (1.0f / 32), down);
    int sum = 0;
    for (int k = 0; k < 16; k++) {
        weight[k] = weight_to_short(down[k / 4] * across[k % 4] * 32768.0f);
        sum += weight[k];
    }
    if (sum == 32768) return;
    // What is missing goes to one of the weights at rows and columns 2-3, not to the largest of all.
    const int candidates[4] = {10, 11, 14, 15};
    int least = 10, most = 10;
    for (int k = 1; k < 4; k++) {
        if (weight[candidates[k]] < weight[least]) least = candidates[k];
        if (weight[candidates[k]] > weight[most]) most = candidates[k];
    }
    weight[sum < 32768 ? most : least] += (short)(32768 - sum);
}

CPM_FN u8 warp_round(int sum) { return saturate_u8((sum + (1 << 14)) >> 15); }

// Element c of the output pixel whose source position is (x, y), given that position's 16 weights.
template <class Source>
CPM_FN u8 warped_element(const Source& source, WarpPosition x, WarpPosition y, const short weight[16], int c) {
    int sum = 0;
    for (int k = 0; k < 16; k++) sum += weight[k] * source(x.whole - 1 + k % 4, y.whole - 1 + k / 4, c);
    return warp_round(sum);
}
