// Compares glibc_expf with this machine's expf on every float32 in [-4.6052, 0]; prints how many differ.

#include "common/expf.h"

#include <stdio.h>

int main() {
    const float lowest = -4.6052f;
    unsigned last, differing = 0;
    memcpy(&last, &lowest, sizeof last);
    for (unsigned bits = 0x80000000u; bits <= last; bits++) {
        float x;
        memcpy(&x, &bits, sizeof x);
        const float ours = glibc_expf(x), theirs = expf(x);
        differing += memcmp(&ours, &theirs, sizeof ours) != 0;
    }
    printf("%u\n", differing);
}
