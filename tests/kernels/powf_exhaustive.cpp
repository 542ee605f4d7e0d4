// Compares glibc_powf with this machine's powf, exponents 2 and 1/2, on every float32 that is not NaN, or on every
// n-th if a number n is given; prints how many differ.

#include "common/powf.h"

#include <stdio.h>
#include <stdlib.h>

static bool differs(float x, float y) {
    const float ours = glibc_powf(x, y), theirs = powf(x, y);
    return memcmp(&ours, &theirs, sizeof ours) != 0;
}

int main(int count, char** words) {
    const unsigned long long step = count > 1 ? strtoull(words[1], nullptr, 10) : 1;
    unsigned long long differing = 0;
    for (unsigned long long at = 0; at < 1ull << 32; at += step) {
        const unsigned bits = (unsigned)at;
        float x;
        memcpy(&x, &bits, sizeof x);
        if (x == x) differing += differs(x, 2.0f) + (bits >> 31 ? 0 : differs(x, 0.5f));
    }
    printf("%llu\n", differing);
}
