// expf as glibc computes it since 2.27, in the build that glibc selects on x86-64 machines with FMA: the label maps of
// the original went through it, and neither NumPy's nor CUDA's own expf has the same bits.
//
// With N = 32: x = (k + r) ln2/N, |r| <= 1/2, exp(x) = 2^(k/N) p(r), all in double; p is a cubic polynomial and
// 2^(k/N) comes from a table of 32 entries plus k/N added to the exponent. Valid where the result is a normal float
// (the maps need [-4.6052, 0]); overflow, underflow and NaN are left out.

#pragma once
#include "common/device.h"

// The bit pattern of 2^(i/32), i = 0..31.
CPM_TABLE unsigned long long exp2_32nds[32] = {
    0x3ff0000000000000, 0x3ff059b0d3158574, 0x3ff0b5586cf9890f, 0x3ff11301d0125b51,
    0x3ff172b83c7d517b, 0x3ff1d4873168b9aa, 0x3ff2387a6e756238, 0x3ff29e9df51fdee1,
    0x3ff306fe0a31b715, 0x3ff371a7373aa9cb, 0x3ff3dea64c123422, 0x3ff44e086061892d,
    0x3ff4bfdad5362a27, 0x3ff5342b569d4f82, 0x3ff5ab07dd485429, 0x3ff6247eb03a5585,
    0x3ff6a09e667f3bcd, 0x3ff71f75e8ec5f74, 0x3ff7a11473eb0187, 0x3ff82589994cce13,
    0x3ff8ace5422aa0db, 0x3ff93737b0cdc5e5, 0x3ff9c49182a3f090, 0x3ffa5503b23e255d,
    0x3ffae89f995ad3ad, 0x3ffb7f76f2fb5e47, 0x3ffc199bdd85529c, 0x3ffcb720dcef9069,
    0x3ffd5818dcfba487, 0x3ffdfc97337b9b5f, 0x3ffea4afa2a490da, 0x3fff50765b6e4540};

// 2^((k + r)/32) for the integer k that adding 1.5 * 2^52 left in the low bits of `shifted`, |r| <= 1/2.
CPM_FN double exp2_of_32nds(double shifted, double r) {
    const double c3 = 0x1.c6af84b912394p-5 / 32 / 32 / 32;
    const double c2 = 0x1.ebfce50fac4f3p-3 / 32 / 32;
    const double c1 = 0x1.62e42ff0c52d6p-1 / 32;
    long long k;
    memcpy(&k, &shifted, sizeof k);
    unsigned long long bits = exp2_32nds[k & 31] + ((unsigned long long)(k >> 5) << 52);
    double power;
    memcpy(&power, &bits, sizeof power);
    return fma(fma(c3, r, c2), r * r, fma(c1, r, 1.0)) * power;
}

CPM_FN float glibc_expf(float x) {
    const double per_ln2 = 0x1.71547652b82fep+0 * 32;
    const double to_integer = 0x1.8p+52;  // adding it leaves the rounded integer in the low bits
    const double shifted = fma(per_ln2, (double)x, to_integer);
    return (float)exp2_of_32nds(shifted, fma(per_ln2, (double)x, -(shifted - to_integer)));
}
