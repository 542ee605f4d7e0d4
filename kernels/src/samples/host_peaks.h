// CPU path of the centre map and the label maps: only the elements that a peak can reach are computed.
//
// Every element comes from gaussian.h; the loops over a row become vectors.

#pragma once
#include "samples/sample.h"

// Which grid points lie within `radius` (pixels) of `centre` along one axis; one or two more.
CPM_FN Range peak_range(float centre, float radius, int stride, int size) {
    const float first = grid_position(0, stride);
    const float low = floorf((centre - radius - first) / (float)stride) - 1.0f;
    const float high = ceilf((centre + radius - first) / (float)stride) + 2.0f;
    const auto limited = [size](float v) { return v > 0.0f ? (v < (float)size ? (int)v : size) : 0; };
    return Range{limited(low), limited(high)};
}

// How a peak joins a map: clamped sum or the larger of both.
enum Joined { ADDED, LARGEST };

// Draws one peak into a map of rows x columns.
template <Joined joined = ADDED>
CPM_FN void draw_peak(float* map, int rows, int columns, int stride, float x, float y, float sigma) {
    const float radius = peak_radius(sigma);
    const Range xs = peak_range(x, radius, stride, columns), ys = peak_range(y, radius, stride, rows);
    for (int gy = ys.begin; gy < ys.end; gy++) {
        float* row = map + (size_t)gy * columns;
        const float row_y = grid_position(gy, stride);
        for (int gx = xs.begin; gx < xs.end; gx++) {
            const float exponent = peak_exponent(grid_position(gx, stride) - x, row_y - y, sigma);
            const bool reaches = peak_reaches(exponent);
            const float before = joined == ADDED ? row[gx] : 0.0f;
            const float peak = add_reaching_peak(before, reaches ? exponent : 0.0f);
            const float after = joined == ADDED ? peak : larger(row[gx], peak);
            row[gx] = reaches ? after : row[gx];
        }
    }
}

// The background of a person's or everybody's maps, into the plane after them.
CPM_FN void draw_background(float* maps, int parts, size_t plane) {
    float* background = maps + parts * plane;
    memset(background, 0, sizeof(float) * plane);
    for (int part = 0; part < parts; part++)
        for (size_t i = 0; i < plane; i++) {
            const float belief = maps[part * plane + i];
            background[i] = belief > background[i] ? belief : background[i];
        }
    for (size_t i = 0; i < plane; i++) background[i] = background_element(background[i]);
}

// centres: people x 2; out: rows x columns.
CPM_FN void draw_centre_map(const float* centres, int people, float sigma, int rows, int columns, float* out) {
    memset(out, 0, sizeof(float) * rows * columns);
    for (int person = 0; person < people; person++)
        draw_peak<LARGEST>(out, rows, columns, 1, centres[2 * person], centres[2 * person + 1], sigma);
}

// joints: people x parts x 3; out: 2 (parts + 1) x rows x columns.
CPM_FN void draw_label_maps(const float* joints, int people, int parts, int stride, float sigma, int rows, int columns,
                            float* out) {
    const size_t plane = (size_t)rows * columns;
    memset(out, 0, sizeof(float) * 2 * (parts + 1) * plane);
    for (int person = 0; person < people; person++)
        for (int part = 0; part < parts; part++) {
            const float* joint = joints + 3 * (person * parts + part);
            if (!has_peak(joint)) continue;
            float* everybody = out + (parts + 1 + part) * plane;
            draw_peak(everybody, rows, columns, stride, joint[0], joint[1], sigma);
            if (person == 0) draw_peak(out + part * plane, rows, columns, stride, joint[0], joint[1], sigma);
        }
    draw_background(out, parts, plane);
    draw_background(out + (parts + 1) * plane, parts, plane);
}
