// Real two-dimensional transforms of N x N tiles, 16 channels at a time, between images and spectra.
//
// Images have their channels last, so that a pixel's 16 channels are one vector. Forward: pairs of real rows are
// transformed as one complex row; its two spectra are taken apart while the columns 0 … N/2 are transformed. The
// inverse does the same backwards and computes only the rows that are kept.
// A spectrum has N²/2 + 2 bins, column by column; of the columns 0 and N/2, which real input makes symmetric, only the
// rows 0 … N/2. A bin holds, for 16 channels, 16 real and then 16 imaginary parts. Forward gives twice the transform.

#pragma once
#include <string.h>

#include "fft/fft.h"

using Index = long long;

constexpr int BLOCK = 16;         // channels
constexpr int CELL = 2 * BLOCK;   // floats of a bin's complex values of a block

constexpr int WINOGRAD = 6;  // tiles of this size are winograd_tile.h's

constexpr int bins_of(int n) { return n == WINOGRAD ? n * n / 2 : n * n / 2 + 2; }

// A tile's pixels that exist: rows [top, bottom) and columns [left, right) of the tile, `channels` of the block.
// `origin` is where the tile's pixel (0, 0) would be. Written through by the inverse, which has top = left = 0.
template <class Float>
struct Patch {
    Float* origin;
    Index row, pixel;  // floats from one to the next
    int top, bottom, left, right, channels;
};

// The first bin's cell, and floats from a bin to the next. `sums`: forward, a cell's values are followed by 16 sums of
// their real and imaginary parts, which products need of a left factor.
template <class Float>
struct Spectrum {
    Float* cells;
    Index bin;
    bool conjugate;
    bool sums = false;

    int cell() const { return sums ? CELL + BLOCK : CELL; }
};

// What becomes of the inverse's results: value · scale + bias, then, with relu, the larger of it and 0.
struct Finish {
    float scale;
    const float* bias;  // of the block's channels, or null
    bool relu;
    unsigned zeros = 0;  // Winograd's results (a bit each, row by row) that are 0 before the bias: all their input is
};

template <int L>
CPM_INLINE Vector<L> load_some(const float* from, int count) {
    if (count >= L) return load<L>(from);
    if (count == 3) return Vector<L>{from[0], from[1], from[2]};  // an image's: not through memory
    float lanes[L] = {};
    for (int i = 0; i < count; i++) lanes[i] = from[i];
    return load<L>(lanes);
}

template <int L>
CPM_INLINE void store_some(float* to, const Vector<L>& value, int count) {
    if (count >= L) return store<L>(to, value);
    float lanes[L];
    store<L>(lanes, value);
    for (int i = 0; i < count; i++) to[i] = lanes[i];
}

// Asks for the 16 floats beside these, of the next block; beyond the last it asks in vain.
CPM_INLINE void fetch_next_pixel(const float* block) { __builtin_prefetch(block + BLOCK, 0, 2); }

CPM_INLINE void fetch_next_cell(const float* block, int cell = CELL) {
    for (int i = 0; i < cell; i += BLOCK) __builtin_prefetch(block + cell + i, 0, 2);
}

template <int L>
CPM_INLINE Vector<L> pixel(const Patch<const float>& patch, int y, int x, int lane) {
    if (y < patch.top || y >= patch.bottom || x < patch.left || x >= patch.right) return Vector<L>{};
    const float* at = patch.origin + y * patch.row + x * patch.pixel + lane;
    fetch_next_pixel(at);
    return load_some<L>(at, patch.channels - lane);
}

template <int N>
CPM_INLINE int first_bin(int column) {
    return column == 0 ? 0 : N / 2 + 1 + (column - 1) * N;
}

// Lanes [lane, lane + L) of the block.
template <int N, int L>
CPM_INLINE void forward_lanes(const Patch<const float>& patch, const Spectrum<float>& out, int lane) {
    // One cell more per row: rows a power of 2 apart would share the cache's sets.
    alignas(64) Complex<L> rows[N / 2][N + 1];
    for (int pair = 0; pair < N / 2; pair++) {
        if (2 * pair + 2 <= patch.top || 2 * pair >= patch.bottom) {  // nothing there, as beside a kernel's taps
            memset(rows[pair], 0, sizeof(rows[pair]));
            continue;
        }
        fft<N, L>(
            [&](int n) CPM_INLINE_LAMBDA {
                return Complex<L>{pixel<L>(patch, 2 * pair, n, lane), pixel<L>(patch, 2 * pair + 1, n, lane)};
            },
            [&](int k, const Complex<L>& z) CPM_INLINE_LAMBDA { rows[pair][k] = z; });
    }
    for (int column = 0; column <= N / 2; column++) {
        const int mirrored = (N - column) % N, kept = column % (N / 2) ? N : N / 2 + 1;
        float* cells = out.cells + first_bin<N>(column) * out.bin + lane;
        fft<N, L>(
            [&](int n) CPM_INLINE_LAMBDA {
                const Complex<L>&z = rows[n / 2][column], &w = rows[n / 2][mirrored];
                return n % 2 ? Complex<L>{z.im + w.im, w.re - z.re} : Complex<L>{z.re + w.re, z.im - w.im};
            },
            [&](int k, const Complex<L>& z) CPM_INLINE_LAMBDA {
                if (k >= kept) return;
                float* cell = cells + k * out.bin;
                const Vector<L> im = out.conjugate ? -z.im : z.im;
                fetch_next_cell(cell, out.cell());
                store<L>(cell, z.re);
                store<L>(cell + BLOCK, im);
                if (out.sums) store<L>(cell + 2 * BLOCK, z.re + im);
            });
    }
}

// Values this small beside the tile's root mean square are the transforms' rounding, and become 0: a direct
// convolution gives exactly 0 where all of its input is 0, and ReLU's gradient depends on it while biases are still 0.
constexpr float ROUNDING = 2e-6f;

template <int L>
CPM_INLINE Vector<L> finished(const Vector<L>& value, const Vector<L>& mean_square, const Vector<L>& bias,
                              const Finish& finish) {
    const Vector<L> scaled = value * finish.scale;
    const Vector<L> y = (scaled * scaled < mean_square * (ROUNDING * ROUNDING) ? Vector<L>{} : scaled) + bias;
    return finish.relu ? (y < 0.0f ? Vector<L>{} : y) : y;
}

template <int N, int L>
CPM_INLINE void inverse_lanes(const Spectrum<const float>& from, const Patch<float>& out, const Finish& finish,
                              int lane) {
    alignas(64) Complex<L> rows[N][N / 2 + 1];
    const int pairs = (out.bottom + 1) / 2;
    Vector<L> mean_square = {};  // by Parseval; all columns but the first and last count double, so these may, too
    for (int column = 0; column <= N / 2; column++) {
        const int kept = column % (N / 2) ? N : N / 2 + 1;
        const float* cells = from.cells + first_bin<N>(column) * from.bin + lane;
        fft<N, L>(
            [&](int k) CPM_INLINE_LAMBDA {
                const float* cell = cells + (k < kept ? k : N - k) * from.bin;
                fetch_next_cell(cell);
                const Vector<L> re = load<L>(cell), im = load<L>(cell + BLOCK);
                const Vector<L> scaled_re = re * finish.scale, scaled_im = im * finish.scale;
                mean_square += 2.0f * (scaled_re * scaled_re + scaled_im * scaled_im);
                return Complex<L>{k < kept ? im : -im, re};
            },
            [&](int n, const Complex<L>& z) CPM_INLINE_LAMBDA {
                if (n < 2 * pairs) rows[n][column] = {z.im, z.re};
            });
    }
    const Vector<L> bias = finish.bias ? load_some<L>(finish.bias + lane, out.channels - lane) : Vector<L>{};
    for (int y = 0; y < out.bottom; y += 2) {
        float* to = out.origin + y * out.row + lane;
        const bool both = y + 1 < out.bottom;
        fft<N, L>(
            [&](int k) CPM_INLINE_LAMBDA {
                const int column = k <= N / 2 ? k : N - k;
                const Complex<L>&a = rows[y][column], &b = rows[y + 1][column];
                return k <= N / 2 ? Complex<L>{a.im + b.re, a.re - b.im} : Complex<L>{b.re - a.im, a.re + b.im};
            },
            [&](int x, const Complex<L>& z) CPM_INLINE_LAMBDA {
                if (x >= out.right) return;
                float* at = to + x * out.pixel;
                fetch_next_pixel(at);
                store_some<L>(at, finished<L>(z.im, mean_square, bias, finish), out.channels - lane);
                if (!both) return;
                fetch_next_pixel(at + out.row);
                store_some<L>(at + out.row, finished<L>(z.re, mean_square, bias, finish), out.channels - lane);
            });
    }
}

template <int N, int L>
CPM_INLINE void forward_block(const Patch<const float>& patch, const Spectrum<float>& out) {
    for (int lane = 0; lane < BLOCK; lane += L) forward_lanes<N, L>(patch, out, lane);
}

template <int N, int L>
CPM_INLINE void inverse_block(const Spectrum<const float>& from, const Patch<float>& out, const Finish& finish) {
    for (int lane = 0; lane < BLOCK && lane < out.channels; lane += L) inverse_lanes<N, L>(from, out, finish, lane);
}
