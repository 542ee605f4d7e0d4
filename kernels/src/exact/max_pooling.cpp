// Max pooling of images with their channels last (max_pooling.h).

#include "exact/max_pooling.h"

#include <algorithm>

#include "common/cpu_version.h"
#include "common/lanes.h"
#include "common/phases.h"

// A pooling window over an image (height, width, channels): its first pixel, its size, floats from row to row; before
// the row `turn`, if it has so many, floats to go back.
struct WindowOfPixels {
    const float* first;
    int rows, columns, channels;
    long long row, turn, back;
};

// The maximum in each of R times L channels from `channel` on; NaN where the window has one.
template <int L, int R>
__attribute__((always_inline)) inline void maxima_of(const WindowOfPixels& window, int channel, float* out) {
    Vector<L> best[R];
    decltype(best[0] != best[0]) unordered[R];
    for (int r = 0; r < R; r++) {
        best[r] = Vector<L>{} - 3.402823466e+38f;
        unordered[r] = best[r] != best[r];
    }
    const float* from = window.first + channel;
    for (int y = 0; y < window.rows; y++, from += window.row) {
        if (y == window.turn) from -= window.back;
        for (int x = 0; x < window.columns; x++)
            for (int r = 0; r < R; r++) {
                const Vector<L> value = *(const Vector<L>*)(from + x * window.channels + r * L);
                best[r] = value > best[r] ? value : best[r];
                unordered[r] |= value != value;
            }
    }
    for (int r = 0; r < R; r++)
        *(Vector<L>*)(out + channel + r * L) = unordered[r] ? Vector<L>{} + __builtin_nanf("") : best[r];
}

// In the channels from `channel` on, R vectors at a time, then half as many; the last one may take channels again. Fewer
// channels than a vector has go by shorter ones.
template <int L, int R>
__attribute__((always_inline)) inline void maxima_by(const WindowOfPixels& window, int channel, float* out) {
    const int channels = window.channels;
    for (; channel + R * L <= channels; channel += R * L) maxima_of<L, R>(window, channel, out);
    if constexpr (R > 1) return maxima_by<L, R / 2>(window, channel, out);
    if (channel == channels) return;
    if (channels >= L) return maxima_of<L, 1>(window, channels - L, out);
    if constexpr (L > 1) maxima_by<L / 2, 1>(window, channel, out);
}

static void maxima(const WindowOfPixels& window, float* out) { maxima_by<4, 4>(window, 0, out); }

#if CPM_X86
__attribute__((target("avx2"))) static void maxima_avx2(const WindowOfPixels& window, float* out) {
    maxima_by<8, 4>(window, 0, out);
}

__attribute__((target("avx512f"))) static void maxima_avx512(const WindowOfPixels& window, float* out) {
    maxima_by<16, 8>(window, 0, out);
}
#endif

void max_pool_row(const Pooling& p, const RowsInTurns& image, int channels, int row, int first, int end, float* out) {
    auto* of_window = maxima;
#if CPM_X86
    const CpuVersion version = cpu_version();
    if (version != CPU_PORTABLE) of_window = version == CPU_AVX512 ? maxima_avx512 : maxima_avx2;
#endif
    for (int column = first; column < end; column++) {
        const PoolingWindow w = pooling_window(p, row, column);
        const long long top = (image.first + w.top) % image.count;
        of_window({image.memory + top * image.row + (long long)w.left * channels, w.bottom - w.top, w.right - w.left,
                   channels, image.row, image.count - top, image.count * image.row},
                  out + (long long)column * channels);
    }
}

extern "C" {

// x and out: (images, height, width, channels).
void cpm_max_pool_channels_last(const float* x, int images, int channels, const Pooling* pooling, int threads,
                                float* out) {
    const Pooling& p = *pooling;
    const long long x_row = (long long)p.width * channels, out_row = (long long)p.out_width * channels;
    run_phases(threads, {{(long long)images * p.out_height, [&](long long row) {
        const float* image = x + row / p.out_height * p.height * x_row;
        max_pool_row(p, {image, x_row, 0, std::max(1, p.height)}, channels, (int)(row % p.out_height), 0, p.out_width,
                     out + row * out_row);
    }}});
}
}
