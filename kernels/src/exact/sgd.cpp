// The SGD update of whole blobs.

#include "common/parallel.h"
#include "exact/sgd.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define CPM_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CPM_CLONES
#endif

CPM_CLONES static void update(const SgdStep& step, const float* gradient, float* weight, float* history,
                              long long count) {
    const SgdStep s = step;
    for (long long i = 0; i < count; i++) sgd_element(s, gradient[i], weight[i], history[i]);
}

extern "C" void cpm_sgd_update(const SgdStep* step, const float* gradient, float* weight, float* history,
                               long long count, int threads) {
    const long long chunk = 1 << 16;
    parallel_for(threads, (count + chunk - 1) / chunk, [&](long long i) {
        const long long begin = i * chunk, size = count - begin < chunk ? count - begin : chunk;
        update(*step, gradient + begin, weight + begin, history + begin, size);
    });
}
