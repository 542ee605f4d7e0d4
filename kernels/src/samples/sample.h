// One sample of a training batch: what the CPU (host_sample.h) and the GPU (sample.cu) need to make its `data` and
// `label`, and which part of the resized image its crop shows.
//
// cpm_kernels.samples.sample mirrors both structs. All images of a batch lie in one buffer of bytes, all people's joints
// (people x parts x 3, see gaussian.h) in one array, the samples' own one after another, their centres (people x 2) in
// another.

#pragma once
#include "samples/crop.h"
#include "samples/gaussian.h"
#include "samples/gray.h"
#include "samples/resize.h"
#include "samples/warp_affine.h"

// Half-open range of integers.
struct Range {
    int begin, end;

    CPM_FN int size() const { return end > begin ? end - begin : 0; }
    CPM_FN bool has(int i) const { return i >= begin && i < end; }
};

// What all samples of a batch share.
struct SampleShape {
    int crop_rows, crop_columns, stride, parts;
    int gray, profile;
    int centre;       // whether `data` has a fourth plane, the centre map
    int all_centers;  // whether that shows everybody, not only the primary person
    float sigma, sigma_center;
};

struct Sample {
    long long image;                                      // first byte of the image in the buffer
    long long row_stride, column_stride, channel_stride;  // bytes: planar and interleaved images both serve
    long long first_person;                               // the primary person's place among all people
    long long region;                                     // the GPU's: first pixel of the region in scratch memory
    double factor;                                        // of the resize
    double inverse[6];                                    // output to source of the rotation, see warp_inverse
    int rows, columns;
    int rotated_rows, rotated_columns;
    int left, top;  // of the crop's window in the rotated image
    int flip;
    int people;
    int resized_rows, resized_columns;
    int region_left, region_top, region_columns, region_rows;  // see set_region
};

// How many of a sample's people the centre map shows.
CPM_FN int people_of_centre_map(const Sample& s, int all_centers) { return all_centers ? s.people : 1; }

// Where the crop's columns (or rows) lie inside the rotated image.
CPM_FN Range crop_inside(int offset, int size, int limit) {
    return Range{clamp_int(-offset, 0, size), clamp_int(limit - offset, 0, size)};
}

// Source coordinates that the taps of crop columns xs and rows ys touch along one axis of the resized image. Positions
// grow or shrink steadily with x and with y, so the corners tell; three pixels beyond the image all is border.
CPM_FN Range touched(const double inverse[3], int left, int top, Range xs, Range ys, int size) {
    const int first_x = warp_across(inverse[0], left + xs.begin), last_x = warp_across(inverse[0], left + xs.end - 1);
    const int first_y = warp_start(inverse[1], inverse[2], top + ys.begin);
    const int last_y = warp_start(inverse[1], inverse[2], top + ys.end - 1);
    const int low_x = first_x < last_x ? first_x : last_x, high_x = first_x < last_x ? last_x : first_x;
    const int low_y = first_y < last_y ? first_y : last_y, high_y = first_y < last_y ? last_y : first_y;
    const int low = clamp_int(warp_position(low_y, low_x).whole, -3, size + 1);
    const int high = clamp_int(warp_position(high_y, high_x).whole, -3, size + 1);
    return Range{low - 1, high + 3};
}

// The sample's resized size and region: the rectangle of the resized image that the crop's taps touch. It may reach
// beyond the image, where all is 128; it is empty if the crop lies outside the rotated image.
CPM_FN void set_region(Sample& s, const SampleShape& shape) {
    s.resized_rows = resized_size(s.rows, s.factor), s.resized_columns = resized_size(s.columns, s.factor);
    const Range xs = crop_inside(s.left, shape.crop_columns, s.rotated_columns);
    const Range ys = crop_inside(s.top, shape.crop_rows, s.rotated_rows);
    s.region_left = s.region_top = s.region_columns = s.region_rows = 0;
    if (!xs.size() || !ys.size()) return;
    const Range across = touched(s.inverse, s.left, s.top, xs, ys, s.resized_columns);
    const Range down = touched(s.inverse + 3, s.left, s.top, xs, ys, s.resized_rows);
    s.region_left = across.begin, s.region_columns = across.size();
    s.region_top = down.begin, s.region_rows = down.size();
}
