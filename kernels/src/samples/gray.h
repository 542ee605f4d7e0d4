// Gray of a BGR pixel: OpenCV's 8-bit BGR2GRAY, which the transformer's `gray` option puts back into all three planes.
//
// Fixed point: 15 bits in OpenCV 4, 14 bits in OpenCV 2.

#pragma once
#include "common/device.h"
#include "samples/profile.h"

CPM_FN u8 gray_of_bgr(int blue, int green, int red, int profile) {
    if (profile == OPENCV2) return (u8)((1868 * blue + 9617 * green + 4899 * red + (1 << 13)) >> 14);
    return (u8)((3735 * blue + 19235 * green + 9798 * red + (1 << 14)) >> 15);
}
