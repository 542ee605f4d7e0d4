// Sizes of a convolution over two axes and where its column matrix lies in the zero-padded image (Caffe: im2col).
//
// Column matrix: row j = (channel, kernel row, kernel column), column s = (output row, output column); its element is
// the padded image's at tap(j) + position(s).

#pragma once
#include "exact/gemm_host.h"

// An array of this struct is what Python passes (all fields int32, in this order).
struct Convolution {
    int images, channels, height, width;  // of the side that has the column matrix
    int outputs, out_height, out_width;   // of the other side
    int kernel[2], stride[2], pad[2], dilation[2];
    int group;

    Index plane() const { return (Index)height * width; }
    Index positions() const { return (Index)out_height * out_width; }
    int taps() const { return channels / group * kernel[0] * kernel[1]; }
    int group_outputs() const { return outputs / group; }
    int group_channels() const { return channels / group; }
    bool is_padded() const { return pad[0] || pad[1]; }
    Index padded_width() const { return width + 2 * pad[1]; }
    Index padded_plane() const { return padded_width() * (height + 2 * pad[0]); }
    // Whether Caffe takes the image itself for the column matrix (is_1x1_).
    bool is_1x1() const {
        for (int axis = 0; axis < 2; axis++)
            if (kernel[axis] != 1 || stride[axis] != 1 || pad[axis] != 0) return false;
        return true;
    }
};

// Offset of each tap of one group in its padded channels.
inline std::vector<Index> tap_offsets(const Convolution& v) {
    std::vector<Index> offsets;
    offsets.reserve(v.taps());
    for (int c = 0; c < v.group_channels(); c++)
        for (int y = 0; y < v.kernel[0]; y++)
            for (int x = 0; x < v.kernel[1]; x++)
                offsets.push_back(c * v.padded_plane() + y * v.dilation[0] * v.padded_width() + x * v.dilation[1]);
    return offsets;
}

inline std::vector<Index> position_offsets(const Convolution& v) {
    std::vector<Index> offsets;
    offsets.reserve(v.positions());
    for (int y = 0; y < v.out_height; y++)
        for (int x = 0; x < v.out_width; x++)
            offsets.push_back(y * v.stride[0] * v.padded_width() + x * v.stride[1]);
    return offsets;
}
