// Which elements of a product are two chains: those that OpenBLAS's kernels of Haswell and Nehalem compute in groups of
// 4 rows, and at the edges of a panel of columns. Groups and panels follow from how it cuts C, alone or among threads.

#pragma once
#include <vector>

#include "exact/gemm.h"

// gemm.h's places of all rows and all columns; both empty where no element is two chains.
struct GemmPlaces {
    std::vector<int> rows, columns;

    bool any() const { return !rows.empty(); }
};

GemmPlaces gemm_places(GemmForm form, long long m, long long n, long long k, BlasProfile profile);
