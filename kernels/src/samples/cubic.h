// The cubic kernel with A = -0.75 that OpenCV's resize and warpAffine share, in float32, term by term.

#pragma once
#include "common/device.h"

// Weights of the four taps around a point that lies the fraction t (0 <= t < 1) beyond the second one.
CPM_FN void cubic_weights(float t, float weight[4]) {
    const float a = -0.75f;
    const float u = t + 1.0f, v = 1.0f - t;
    weight[0] = ((a * u - 5.0f * a) * u + 8.0f * a) * u - 4.0f * a;
    weight[1] = ((a + 2.0f) * t - (a + 3.0f)) * t * t + 1.0f;
    weight[2] = ((a + 2.0f) * v - (a + 3.0f)) * v * v + 1.0f;
    weight[3] = 1.0f - weight[0] - weight[1] - weight[2];
}
