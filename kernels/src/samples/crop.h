// The last image steps of the transformer: crop a window (what lies outside the image takes the border's value),
// mirror it, and turn 8-bit pixels into the network's float32.
//
// A Source gives the element at (x, y, channel), and the border's value outside the image.

#pragma once
#include "common/device.h"

// Column of the uncropped image behind column x of the crop, whose window starts at column `left`.
CPM_FN int crop_column(int x, int left, int crop_columns, bool flip) {
    return left + (flip ? crop_columns - 1 - x : x);
}

template <class Source>
CPM_FN u8 cropped_element(const Source& source, int x, int y, int c, int left, int top, int crop_columns, bool flip) {
    return (u8)source(crop_column(x, left, crop_columns, flip), top + y, c);
}

CPM_FN float normalised(u8 pixel) { return ((float)pixel - 128.0f) / 256.0f; }
