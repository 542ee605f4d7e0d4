// A pixel in one word, for the GPU: B, G, R and 0, B in the lowest byte.
//
// Weighted sums of such pixels take two of PTX's instructions: prmt picks bytes out of two words, dp2a adds the
// products of two int16 and two bytes. The host's twins do what the PTX manual says; integer sums are exact in any
// order.

#pragma once
#include "common/device.h"
#include "common/thread_block.h"

#ifdef __CUDACC__
CPM_DEVICE unsigned pick_bytes(unsigned a, unsigned b, unsigned which) { return __byte_perm(a, b, which); }

CPM_DEVICE int add_products_of_low_bytes(int shorts, unsigned bytes, int sum) {
    asm("dp2a.lo.s32.u32 %0, %1, %2, %0;" : "+r"(sum) : "r"(shorts), "r"(bytes));
    return sum;
}

CPM_DEVICE int add_products_of_high_bytes(int shorts, unsigned bytes, int sum) {
    asm("dp2a.hi.s32.u32 %0, %1, %2, %0;" : "+r"(sum) : "r"(shorts), "r"(bytes));
    return sum;
}
#else
// Each of the four hexadecimal digits of `which` names a byte: 0 .. 3 of a, 4 .. 7 of b.
CPM_DEVICE unsigned pick_bytes(unsigned a, unsigned b, unsigned which) {
    const unsigned long long both = (unsigned long long)b << 32 | a;
    unsigned picked = 0;
    for (int i = 0; i < 4; i++) picked |= (unsigned)(both >> 8 * (which >> 4 * i & 7) & 255) << 8 * i;
    return picked;
}

CPM_DEVICE int add_products_of_low_bytes(int shorts, unsigned bytes, int sum) {
    return sum + (short)shorts * (int)(bytes & 255) + (shorts >> 16) * (int)(bytes >> 8 & 255);
}

CPM_DEVICE int add_products_of_high_bytes(int shorts, unsigned bytes, int sum) {
    return add_products_of_low_bytes(shorts, bytes >> 16, sum);
}
#endif

CPM_DEVICE unsigned packed_pixel(int blue, int green, int red) { return blue | green << 8 | red << 16; }

// Adds two pixels times their weights, `left`'s in the low half, to the sums of B, G and R.
CPM_DEVICE void add_two_taps(unsigned left, unsigned right, int weights, int sums[3]) {
    const unsigned blue_green = pick_bytes(left, right, 0x5140), red = pick_bytes(left, right, 0x7362);
    sums[0] = add_products_of_low_bytes(weights, blue_green, sums[0]);
    sums[1] = add_products_of_high_bytes(weights, blue_green, sums[1]);
    sums[2] = add_products_of_low_bytes(weights, red, sums[2]);
}
