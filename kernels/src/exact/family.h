// What decides the bits of OpenBLAS: the family of its kernels and the number of its threads (profiles.py names them).

#pragma once
#include "common/device.h"

enum Family { COOPERLAKE, SKYLAKEX, HASWELL, ZEN, OLD_HASWELL, SANDYBRIDGE, NEHALEM };

struct BlasProfile {
    int family, threads;
};

CPM_FN bool has_avx512(BlasProfile profile) { return profile.family <= SKYLAKEX; }

// Zen runs Haswell's kernels, but for asum. So did Haswell up to OpenBLAS 0.3.7, with other products.
CPM_FN bool has_haswell_kernels(BlasProfile profile) {
    return profile.family >= HASWELL && profile.family <= OLD_HASWELL;
}

// Whether its kernels multiply and add with one rounding.
CPM_FN bool is_fused(BlasProfile profile) { return profile.family <= OLD_HASWELL; }

CPM_FN float multiply_add(bool fused, float a, float b, float c) { return fused ? fmaf(a, b, c) : a * b + c; }
