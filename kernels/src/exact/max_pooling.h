// Max pooling of images with their channels last, a row of maxima at a time.

#pragma once
#include "exact/pooling.h"

// An image (height, width, channels) whose rows take turns in memory that has room for `count` of them: row y is the one
// at (first + y) % count. Of a whole image, `first` is 0 and `count` its height.
struct RowsInTurns {
    const float* memory;
    long long row;  // floats from one to the next
    long long first, count;
};

// Columns [first, end) of row `row` of the maxima, whose (out_width, channels) are at `out`; NaN where a window has one.
void max_pool_row(const Pooling& pooling, const RowsInTurns& image, int channels, int row, int first, int end,
                  float* out);
