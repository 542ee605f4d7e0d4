// Peaks: the centre map (fourth plane of `data`) and the label's belief maps.
//
// Grid point g of a map with a stride lies at pixel g * stride + stride/2 - 0.5. A peak adds exp(-d^2 / (2 sigma^2))
// where that exponent is at most 4.6052, and the sum is clamped to 1 after every peak. Distances are float32, the
// divisions double, the exponential glibc's float32 one.
// Joints: (people, parts, 3) float32, x, y, visibility in crop pixels; person 0 is the primary one. Labels:
// (2 (parts + 1), rows, columns): the primary person's maps and background, then everybody's and background.
// Centres: (people, 2) float32, x, y in crop pixels. The centre map shows the primary person's peak; with all_centers
// (this project's own) the largest of everybody's, so that people who stand close together keep a peak each.

#pragma once
#include "common/expf.h"

CPM_FN float grid_position(int g, int stride) {
    const float start = (float)(stride / 2.0 - 0.5);
    return start + (float)(g * stride);
}

CPM_FN float peak_exponent(float dx, float dy, float sigma) {
    const float squared = dx * dx + dy * dy;
    return (float)((double)squared / 2.0 / (double)sigma / (double)sigma);
}

CPM_FN bool peak_reaches(float exponent) { return exponent <= 4.6052; }

CPM_FN float add_reaching_peak(float sum, float exponent) {
    sum += glibc_expf(-exponent);
    return sum > 1.0f ? 1.0f : sum;
}

CPM_FN float add_peak(float sum, float x, float y, float centre_x, float centre_y, float sigma) {
    const float exponent = peak_exponent(x - centre_x, y - centre_y, sigma);
    return peak_reaches(exponent) ? add_reaching_peak(sum, exponent) : sum;
}

// Further from the centre than this (pixels), along either axis, nothing is added: sqrt(2 * 4.6052) = 3.0349.
CPM_FN float peak_radius(float sigma) { return 3.04f * sigma + 1.0f; }

CPM_FN float larger(float a, float b) { return a > b ? a : b; }

// One element of the centre map: column x, row y of the crop, over the first `people` persons.
CPM_FN float centre_element(int x, int y, const float* centres, int people, float sigma) {
    float largest = 0.0f;
    for (int person = 0; person < people; person++) {
        const float* centre = centres + 2 * person;
        largest = larger(largest, add_peak(0.0f, grid_position(x, 1), grid_position(y, 1), centre[0], centre[1], sigma));
    }
    return largest;
}

// A joint that the original image did not contain (visibility 2) has no peak.
CPM_FN bool has_peak(const float joint[3]) { return joint[2] <= 1.0f; }

// Belief of one part at one grid point, over the first `people` persons.
CPM_FN float part_element(const float* joints, int people, int parts, int part, float x, float y, float sigma) {
    float sum = 0.0f;
    for (int person = 0; person < people; person++) {
        const float* joint = joints + 3 * (person * parts + part);
        if (has_peak(joint)) sum = add_peak(sum, x, y, joint[0], joint[1], sigma);
    }
    return sum;
}

CPM_FN float background_element(float largest_belief) {
    const float rest = 1.0f - largest_belief;
    return rest > 0.0f ? rest : 0.0f;
}

// One element of the label: channel 0 .. 2 parts + 1 at grid point (gx, gy).
CPM_FN float label_element(const float* joints, int people, int parts, int channel, int gx, int gy, int stride,
                           float sigma) {
    const float x = grid_position(gx, stride), y = grid_position(gy, stride);
    const int counted = channel > parts ? people : 1;
    const int part = channel % (parts + 1);
    if (part < parts) return part_element(joints, counted, parts, part, x, y, sigma);
    float largest = 0.0f;
    for (int p = 0; p < parts; p++) {
        const float belief = part_element(joints, counted, parts, p, x, y, sigma);
        largest = belief > largest ? belief : largest;
    }
    return background_element(largest);
}
