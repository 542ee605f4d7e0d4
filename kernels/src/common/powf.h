// powf with exponents 2 and 1/2 as glibc computes it since 2.27 on x86-64 machines with FMA: Caffe's adaptive solvers
// take squares and roots with it, and in 7 of 10,000 values neither x * x nor sqrtf has its bits.
//
// x = 2^k z with z in [0.697, 1.394), c near z from a table of 16: log2(x) = k + log2(c) + p(z/c - 1), in double, and
// 2^(y log2(x)) as in expf.h.

#pragma once
#include "common/expf.h"

// 1/c and log2(c) by the four highest bits of the mantissa, counted from 0.697's.
CPM_TABLE double powf_logarithms[16][2] = {
    {0x1.661ec79f8f3bep+0, -0x1.efec65b963019p-2}, {0x1.571ed4aaf883dp+0, -0x1.b0b6832d4fca4p-2},
    {0x1.49539f0f010bp+0, -0x1.7418b0a1fb77bp-2},  {0x1.3c995b0b80385p+0, -0x1.39de91a6dcf7bp-2},
    {0x1.30d190c8864a5p+0, -0x1.01d9bf3f2b631p-2}, {0x1.25e227b0b8eap+0, -0x1.97c1d1b3b7afp-3},
    {0x1.1bb4a4a1a343fp+0, -0x1.2f9e393af3c9fp-3}, {0x1.12358f08ae5bap+0, -0x1.960cbbf788d5cp-4},
    {0x1.0953f419900a7p+0, -0x1.a6f9db6475fcep-5}, {0x1p+0, 0x0p+0},
    {0x1.e608cfd9a47acp-1, 0x1.338ca9f24f53dp-4},  {0x1.ca4b31f026aap-1, 0x1.476a9543891bap-3},
    {0x1.b2036576afce6p-1, 0x1.e840b4ac4e4d2p-3},  {0x1.9c2d163a1aa2dp-1, 0x1.40645f0c6651cp-2},
    {0x1.886e6037841edp-1, 0x1.88e9c2c1b9ff8p-2},  {0x1.767dcf5534862p-1, 0x1.ce0a44eb17bccp-2}};

// log2 of a positive normal float, given by its bits.
CPM_FN double powf_log2(unsigned bits) {
    const unsigned from_first = bits - 0x3f330000u, exponent = from_first & 0xff800000u, mantissa = bits - exponent;
    const double* entry = powf_logarithms[(from_first >> 19) & 15];
    float z;
    memcpy(&z, &mantissa, sizeof z);
    const double r = fma((double)z, entry[0], -1.0), r2 = r * r, r4 = r2 * r2;
    const double whole = entry[1] + (double)((int)exponent >> 23);
    const double high = fma(0x1.27616c9496e0bp-2, r, -0x1.71969a075c67ap-2);
    const double middle = fma(0x1.ec70a6ca7baddp-2, r, -0x1.7154748bef6c8p-1);
    return fma(high, r4, fma(middle, r2, fma(0x1.71547652ab82bp0, r, whole)));
}

// powf(x, y) for y = 2, or y = 1/2 and x >= 0.
CPM_FN float glibc_powf(float x, float y) {
    if (x == 0.0f || !(x - x == 0.0f)) return x * x;  // zeros, infinities and NaN
    float magnitude = x < 0.0f ? -x : x;
    const bool subnormal = magnitude < 0x1p-126f;
    if (subnormal) magnitude *= 0x1p23f;
    unsigned bits;
    memcpy(&bits, &magnitude, sizeof bits);
    if (subnormal) bits -= 23u << 23;
    const double to_integer = 0x1.8p+52, power = (double)y * powf_log2(bits) * 32;
    const double shifted = power + to_integer;
    return (float)exp2_of_32nds(shifted, power - (shifted - to_integer));
}
