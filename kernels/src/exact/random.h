// The random numbers of Caffe's fillers and dropout: mt19937 and the distributions of Boost 1.74 in float32.
//
// One 32-bit draw gives the ziggurats an 8-bit layer and a 24-bit fraction; more are drawn only where a point falls
// outside a layer's box. Nothing is kept between calls, so the generator's state is the whole state. exp is glibc's.

#pragma once
#include "common/device.h"
#include "common/expf.h"
#include "exact/ziggurat_tables.h"

struct MersenneTwister {
    unsigned word[624];
    unsigned next;  // 624: all words are used up
};

CPM_FN void seed_twister(MersenneTwister& twister, unsigned seed) {
    twister.word[0] = seed;
    for (unsigned i = 1; i < 624; i++) {
        const unsigned previous = twister.word[i - 1];
        twister.word[i] = 1812433253u * (previous ^ (previous >> 30)) + i;
    }
    twister.next = 624;
}

CPM_FN void twist(MersenneTwister& twister) {
    unsigned* word = twister.word;
    for (int i = 0; i < 624; i++) {
        const unsigned joined = (word[i] & 0x80000000u) | (word[(i + 1) % 624] & 0x7fffffffu);
        word[i] = word[(i + 397) % 624] ^ (joined >> 1) ^ (joined & 1 ? 0x9908b0dfu : 0u);
    }
    twister.next = 0;
}

CPM_FN unsigned draw(MersenneTwister& twister) {
    if (twister.next >= 624) twist(twister);
    unsigned value = twister.word[twister.next++];
    value ^= value >> 11;
    value ^= (value << 7) & 0x9d2c5680u;
    value ^= (value << 15) & 0xefc60000u;
    return value ^ (value >> 18);
}

// 0 <= value < 1; the few draws that round up to 1 are thrown away.
CPM_FN float draw_fraction(MersenneTwister& twister) {
    float value;
    do value = (float)draw(twister) * 0x1p-32f;
    while (!(value < 1.0f));
    return value;
}

struct LayerPoint {
    int layer;
    float fraction;
};

CPM_FN LayerPoint draw_layer(MersenneTwister& twister) {
    const unsigned value = draw(twister);
    return LayerPoint{(int)(value & 255u), (float)(value >> 8) * 0x1p-24f};
}

// Whether a point in the wedge of layer i lies under the curve: below (above) the tangent it is decided without exp.
CPM_FN bool under_normal_curve(MersenneTwister& twister, int i, float x) {
    const double *const xs = ziggurat_normal_x, *const ys = ziggurat_normal_y;
    const float share = draw_fraction(twister), outer = (float)xs[i], low = (float)ys[i];
    const float y = low + share * (float)(ys[i + 1] - ys[i]);
    const float above_chord = (float)(xs[i] - xs[i + 1]) * share - (outer - x);
    const float above_tangent = y - (low + (outer - x) * low * outer);
    const bool convex = xs[i] >= 1;
    const float above_upper = convex ? above_chord : above_tangent, above_lower = convex ? above_tangent : above_chord;
    return above_upper < 0 && (above_lower < 0 || y < glibc_expf(-(x * x / 2)));
}

CPM_FN bool under_exponential_curve(MersenneTwister& twister, int i, float x) {
    const double *const xs = ziggurat_exponential_x, *const ys = ziggurat_exponential_y;
    const float share = draw_fraction(twister), inner = (float)xs[i + 1], high = (float)ys[i + 1];
    const float y = (float)ys[i] + share * (float)(ys[i + 1] - ys[i]);
    const float above_upper = (float)(xs[i] - xs[i + 1]) * share - ((float)xs[i] - x);
    const float above_lower = y - (high + (inner - x) * high);
    return above_upper < 0 && (above_lower < 0 || y < glibc_expf(-x));
}

CPM_FN float draw_unit_exponential(MersenneTwister& twister) {
    float shift = 0;  // the tail looks like the whole, further out
    for (;;) {
        const LayerPoint point = draw_layer(twister);
        const float x = point.fraction * (float)ziggurat_exponential_x[point.layer];
        if (x < (float)ziggurat_exponential_x[point.layer + 1]) return shift + x;
        if (point.layer == 0)
            shift += (float)ziggurat_exponential_x[1];
        else if (under_exponential_curve(twister, point.layer, x))
            return x + shift;
    }
}

CPM_FN float draw_normal_tail(MersenneTwister& twister) {
    const float start = (float)ziggurat_normal_x[1];
    for (;;) {
        const float x = draw_unit_exponential(twister) / start, y = draw_unit_exponential(twister);
        if (2 * y > x * x) return x + start;
    }
}

CPM_FN float draw_unit_normal(MersenneTwister& twister) {
    for (;;) {
        const LayerPoint point = draw_layer(twister);
        const int i = point.layer >> 1;
        const float sign = point.layer & 1 ? 1.0f : -1.0f;
        const float x = point.fraction * (float)ziggurat_normal_x[i];
        if ((double)x < ziggurat_normal_x[i + 1]) return x * sign;
        if (i == 0) return draw_normal_tail(twister) * sign;
        if (under_normal_curve(twister, i, x)) return x * sign;
    }
}

CPM_FN float draw_normal(MersenneTwister& twister, float mean, float deviation) {
    return draw_unit_normal(twister) * deviation + mean;
}

// low <= value < high. Caffe hands in the float above its upper bound, so that the bound itself may come.
CPM_FN float draw_uniform(MersenneTwister& twister, float low, float high) {
    float value;
    do value = (float)draw(twister) * 0x1p-32f * (high - low) + low;
    while (!(value < high));
    return value;
}

// 1 with probability p. Real is the type in which the caller holds p, which decides the last bits of the comparison.
template <typename Real>
CPM_FN unsigned char draw_bernoulli(MersenneTwister& twister, Real p) {
    return p != 0 && (Real)draw(twister) <= p * (Real)0xffffffffu;
}
