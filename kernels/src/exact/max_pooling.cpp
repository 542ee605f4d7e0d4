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
    for (int r = 0; r < R; r++) best[r] = Vector<L>{} - 3.402823466e+38f;
    const float* from = window.first + channel;
    for (int y = 0; y < window.rows; y++, from += window.row) {
        if (y == window.turn) from -= window.back;
        for (int x = 0; x < window.columns; x++)
            for (int r = 0; r < R; r++) {
                const Vector<L> value = *(const Vector<L>*)(from + x * window.channels + r * L);
                best[r] = (value <= best[r]) | (best[r] != best[r]) ? best[r] : value;
            }
    }
    for (int r = 0; r < R; r++) *(Vector<L>*)(out + channel + r * L) = best[r];
}

// In all channels, four vectors at a time; the last vector may take channels again.
template <int L>
__attribute__((always_inline)) inline void maxima_by(const WindowOfPixels& window, float* out) {
    const int channels = window.channels;
    int c = 0;
    for (; c + 4 * L <= channels; c += 4 * L) maxima_of<L, 4>(window, c, out);
    if (channels >= L)
        for (; c < channels; c += L) maxima_of<L, 1>(window, c + L <= channels ? c : channels - L, out);
    for (; c < channels; c++) maxima_of<1, 1>(window, c, out);
}

static void maxima(const WindowOfPixels& window, float* out) { maxima_by<4>(window, out); }

#if CPM_X86
__attribute__((target("avx2"))) static void maxima_avx2(const WindowOfPixels& window, float* out) {
    maxima_by<8>(window, out);
}
#endif

void max_pool_row(const Pooling& p, const RowsInTurns& image, int channels, int row, float* out) {
    auto* of_window = maxima;
#if CPM_X86
    if (cpu_version() != CPU_PORTABLE) of_window = maxima_avx2;
#endif
    for (int column = 0; column < p.out_width; column++, out += channels) {
        const PoolingWindow w = pooling_window(p, row, column);
        const long long first = (image.first + w.top) % image.count;
        of_window({image.memory + first * image.row + (long long)w.left * channels, w.bottom - w.top, w.right - w.left,
                   channels, image.row, image.count - first, image.count * image.row},
                  out);
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
        max_pool_row(p, {image, x_row, 0, std::max(1, p.height)}, channels, (int)(row % p.out_height), out + row * out_row);
    }}});
}
}
