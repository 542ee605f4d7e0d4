// The solvers' update of whole blobs.

#include "common/parallel.h"
#include "exact/solvers.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define CPM_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CPM_CLONES
#endif

CPM_CLONES static void update(const SolverBlob* __restrict blob, long long first, long long end) {
    update_elements(*blob, first, end, 1);
}

extern "C" void cpm_solver_update(const SolverBlob* blob, int threads) {
    const long long chunk = 1 << 16;
    parallel_for(threads, (blob->count + chunk - 1) / chunk, [&](long long i) {
        const long long first = i * chunk, end = first + chunk < blob->count ? first + chunk : blob->count;
        update(blob, first, end);
    });
}
