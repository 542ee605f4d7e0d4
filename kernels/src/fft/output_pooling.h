// Max pooling of a convolution's results while they are in the cache: they go no further than a ring of rows.
//
// A band is the rows of results that a row of tiles gives; it belongs to one image. Bands take turns in the ring, and go
// through it in groups: when a group is there, so are all windows that end in it.

#pragma once
#include "exact/max_pooling.h"
#include "fft/fft_phases.h"

// Passed from Python. pooling's height and width are the convolution's out_height and out_width.
struct OutputPooling {
    Pooling pooling;
    int group, bands;  // of a group; in the ring, so many more that windows which end in a group begin in the ring
};

// Rows of maxima, of all images, whose windows end before that band.
inline Index pooled_before(const FftConvolution& v, const Pooling& p, Index band) {
    const int end = (int)(band % v.tile_rows()) * v.kept(0);
    int rows = 0;
    while (end > 0 && rows < p.out_height && pooling_window(p, rows, 0).bottom <= end) rows++;
    return band / v.tile_rows() * p.out_height + rows;
}

// The maxima of the windows that end in the group: rows of y, (images, pooled rows, pooled columns, outputs). Of a single
// band a thread's share of the tasks are columns, as of the inverse phase's.
inline Phase pooling_phase(const FftConvolution& v, const OutputPooling& pooled, Index group, int threads,
                           const float* ring, float* y) {
    const Pooling& p = pooled.pooling;
    const Index bands = (Index)v.images * v.tile_rows(), row = v.out_width * v.y_pixel;
    const Index first = pooled_before(v, p, group * pooled.group);
    const Index end = pooled_before(v, p, std::min(bands, (group + 1) * pooled.group));
    const int parts = pooled.group == 1 ? threads : 1;
    return {(end - first) * parts, [=, &v, &pooled, &p](Index task) {
        const Index i = first + task % (end - first), image = i / p.out_height;
        const int part = (int)(task / (end - first));
        const RowsInTurns rows = {ring, row, image * v.tile_rows() % pooled.bands * v.kept(0),
                                  (Index)pooled.bands * v.kept(0)};
        max_pool_row(p, rows, v.outputs, (int)(i % p.out_height), (int)share_of(p.out_width, part, parts),
                     (int)share_of(p.out_width, part + 1, parts), y + i * p.out_width * v.outputs);
    }};
}
