// Batch normalisation of rows of channels, (rows, channels), and its gradient (Caffe: batch_norm_layer.cpp).
//
// The rows are cut into shares whose number only their number says, and the shares' sums are added in their order: no bit
// depends on how many threads there are.

#include <algorithm>
#include <cmath>

#include "common/cpu_version.h"
#include "common/phases.h"
#include "fft/fft.h"

namespace {

using Index = long long;

// Rows of so many channels.
struct Rows {
    const float* values;
    Index count;
    int channels;
};

// sums (channels): of the values less `centre`, squared.
CPM_INLINE void add_squares(const Rows& rows, const float* centre, float* sums) {
    for (Index i = 0; i < rows.count; i++)
        for (int c = 0; c < rows.channels; c++) {
            const float value = rows.values[i * rows.channels + c] - centre[c];
            sums[c] += value * value;
        }
}

CPM_INLINE void add_values(const Rows& rows, float* sums) {
    for (Index i = 0; i < rows.count; i++)
        for (int c = 0; c < rows.channels; c++) sums[c] += rows.values[i * rows.channels + c];
}

// sums (2, channels): of the values, and of the values times those of `others`.
CPM_INLINE void add_values_and_products(const Rows& rows, const float* others, float* sums) {
    float* products = sums + rows.channels;
    for (Index i = 0; i < rows.count; i++)
        for (int c = 0; c < rows.channels; c++) {
            const Index at = i * rows.channels + c;
            sums[c] += rows.values[at];
            products[c] += rows.values[at] * others[at];
        }
}

CPM_INLINE void normalize(const Rows& rows, const float* mean, const float* scale, float* y) {
    for (Index i = 0; i < rows.count; i++)
        for (int c = 0; c < rows.channels; c++) {
            const Index at = i * rows.channels + c;
            y[at] = (rows.values[at] - mean[c]) * scale[c];
        }
}

// dx = (dy - mean of dy - y times mean of dy times y) times scale. means: (2, channels).
CPM_INLINE void normalize_back(const Rows& dy, const float* y, const float* means, const float* scale, float* dx) {
    const float* products = means + dy.channels;
    for (Index i = 0; i < dy.count; i++)
        for (int c = 0; c < dy.channels; c++) {
            const Index at = i * dy.channels + c;
            dx[at] = (dy.values[at] - means[c] - y[at] * products[c]) * scale[c];
        }
}

struct BatchNormKernels {
    void (*squares)(const Rows&, const float*, float*);
    void (*values)(const Rows&, float*);
    void (*values_and_products)(const Rows&, const float*, float*);
    void (*forward)(const Rows&, const float*, const float*, float*);
    void (*backward)(const Rows&, const float*, const float*, const float*, float*);
};

#define CPM_BATCH_NORM(NAME, TARGET)                                                                                   \
    struct NAME {                                                                                                      \
        TARGET static void squares(const Rows& r, const float* centre, float* s) { add_squares(r, centre, s); }        \
        TARGET static void values(const Rows& r, float* s) { add_values(r, s); }                                       \
        TARGET static void both(const Rows& r, const float* o, float* s) { add_values_and_products(r, o, s); }         \
        TARGET static void forward(const Rows& r, const float* m, const float* s, float* y) { normalize(r, m, s, y); } \
        TARGET static void backward(const Rows& r, const float* y, const float* m, const float* s, float* dx) {        \
            normalize_back(r, y, m, s, dx);                                                                            \
        }                                                                                                              \
        static BatchNormKernels all() { return {squares, values, both, forward, backward}; }                           \
    };

CPM_BATCH_NORM(Portable, )
#if CPM_X86
CPM_BATCH_NORM(Avx2, __attribute__((target("avx2"))))
CPM_BATCH_NORM(Avx512, __attribute__((target("avx512f"))))
#endif

static BatchNormKernels batch_norm_kernels(int version) {
#if CPM_X86
    if (version == CPU_AVX512) return Avx512::all();
    if (version == CPU_AVX2) return Avx2::all();
#endif
    return Portable::all();
}

constexpr Index ROWS_OF_SHARE = 64, MOST_ROW_SHARES = 64;

static Index row_shares(Index rows) {
    return std::min(MOST_ROW_SHARES, (rows + ROWS_OF_SHARE - 1) / ROWS_OF_SHARE);
}

// The rows of one share, and where in the whole they begin.
struct RowShare {
    Index first;
    Rows rows;
    RowShare(const float* values, Index rows, int channels, Index share, Index shares)
        : first(share_of(rows, share, shares) * channels),
          rows{values + first, share_of(rows, share + 1, shares) - first / channels, channels} {}
};

// out[i] = the sums of all shares, in their order, over `count`.
static void mean_of_shares(const float* sums, Index shares, Index size, Index count, float* out) {
    for (Index i = 0; i < size; i++) {
        double sum = 0;
        for (Index share = 0; share < shares; share++) sum += sums[share * size + i];
        out[i] = (float)(sum / count);
    }
}

}  // namespace

extern "C" {

// Floats of memory that both functions work with.
long long cpm_batch_norm_floats(long long rows, int channels) { return (row_shares(rows) + 1) * 2 * channels; }

// x (rows, channels) gives y, and mean, variance and scale, 1 / sqrt(variance + eps), of each channel.
void cpm_batch_norm(const float* x, long long rows, int channels, float eps, int threads, int version, float* memory,
                    float* y, float* mean, float* variance, float* scale) {
    const BatchNormKernels kernels = batch_norm_kernels(version);
    const Index shares = row_shares(rows);
    const auto share_rows = [&](Index share) { return RowShare(x, rows, channels, share, shares); };
    const auto cleared = [&](Index share) {
        float* sums = memory + share * channels;
        std::fill(sums, sums + channels, 0.0f);
        return sums;
    };
    run_phases(threads, {{shares, [&](Index share) { kernels.values(share_rows(share).rows, cleared(share)); }},
                         {1, [&](Index) { mean_of_shares(memory, shares, channels, rows, mean); }},
                         {shares, [&](Index share) { kernels.squares(share_rows(share).rows, mean, cleared(share)); }},
                         {1,
                          [&](Index) {
                              mean_of_shares(memory, shares, channels, rows, variance);
                              for (int c = 0; c < channels; c++) scale[c] = 1 / std::sqrt(variance[c] + eps);
                          }},
                         {shares, [&](Index share) {
                              const RowShare own = share_rows(share);
                              kernels.forward(own.rows, mean, scale, y + own.first);
                          }}});
}

// dx from dy, and from y and scale as the function above gave them.
void cpm_batch_norm_gradient(const float* dy, const float* y, const float* scale, long long rows, int channels,
                             int threads, int version, float* memory, float* dx) {
    const BatchNormKernels kernels = batch_norm_kernels(version);
    const Index shares = row_shares(rows), size = 2 * (Index)channels;
    float* means = memory + shares * size;
    run_phases(threads, {{shares,
                          [&](Index share) {
                              float* sums = memory + share * size;
                              std::fill(sums, sums + size, 0.0f);
                              const RowShare own(dy, rows, channels, share, shares);
                              kernels.values_and_products(own.rows, y + own.first, sums);
                          }},
                         {1, [&](Index) { mean_of_shares(memory, shares, size, rows, means); }},
                         {shares, [&](Index share) {
                              const RowShare own(dy, rows, channels, share, shares);
                              kernels.backward(own.rows, y + own.first, means, scale, dx + own.first);
                          }}});
}
}
