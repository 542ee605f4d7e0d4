// What the convolution and its weight gradient share: where tiles and taps lie, their transforms, threads' memory.

#pragma once
#include <atomic>
#include <vector>

#include "common/phases.h"
#include "fft/fft_convolution.h"
#include "fft/transpose.h"

// Where a tile lies: its image and the first of the outputs it keeps.
struct TilePlace {
    int image, y, x;
};

inline TilePlace place_of(const FftConvolution& v, Index tile) {
    const Index row = tile / v.tile_columns();
    return {(int)(row / v.tile_rows()), (int)(row % v.tile_rows()) * v.kept(0),
            (int)(tile % v.tile_columns()) * v.kept(1)};
}

inline int block_channels(int channels, int block) { return std::min(BLOCK, channels - block * BLOCK); }

// The block's part of x under the tile: zero outside the image.
inline Patch<const float> input_patch(const FftConvolution& v, const float* x, Index tile, int block) {
    const TilePlace at = place_of(v, tile);
    const int top = at.y - v.pad[0], left = at.x - v.pad[1];
    const Index row = v.width * v.x_pixel;
    const float* image = x + at.image * v.height * row;
    return {image + top * row + left * v.x_pixel + block * BLOCK, row, v.x_pixel, -top, v.height - top,
            -left, v.width - left, block_channels(v.channels, block)};
}

// The block's part of y that the tile keeps. bands: 0 where y is whole images, else how many rows of tiles it has room
// for, which take turns.
template <class Float>
inline Patch<Float> output_patch(const FftConvolution& v, Float* y, Index tile, int block, int bands = 0) {
    const TilePlace at = place_of(v, tile);
    const Index row = v.out_width * v.y_pixel;
    const Index first = bands ? tile / v.tile_columns() % bands * v.kept(0) : (Index)at.image * v.out_height + at.y;
    return {y + first * row + at.x * v.y_pixel + block * BLOCK, row, v.y_pixel, 0,
            std::min(v.kept(0), v.out_height - at.y), 0, std::min(v.kept(1), v.out_width - at.x),
            block_channels(v.outputs, block)};
}

// Undoes the sizes' factor of the unscaled transforms, and twice the factor 2 of the forward one; Winograd has neither.
inline float transforms_scale(const FftConvolution& v) {
    return v.tile == WINOGRAD ? 1.0f : 0.25f / (float)(v.tile * v.tile);
}

inline bool all_zero(const float* values, int count) {
    for (int first = 0; first < count; first += BLOCK) {
        bool any = false;  // of a block at once: a branch for each value would be guessed wrongly too often
        for (int i = first; i < std::min(count, first + BLOCK); i++) any |= values[i] != 0;
        if (any) return false;
    }
    return true;
}

// The results of a Winograd tile that the pixel (i, j) takes part in, a bit each, row by row.
constexpr unsigned results_of_pixel(int i, int j) {
    unsigned results = 0;
    for (int y = std::max(0, i - 2); y <= std::min(3, i); y++)
        for (int x = std::max(0, j - 2); x <= std::min(3, j); x++) results |= 1u << (y * 4 + x);
    return results;
}

// Which of a Winograd tile's results have no input but zeros: there a direct convolution gives exactly 0, and ReLU's
// gradient depends on it. (Fourier's transforms leave so little that fft_tile.h's `finished` can tell.)
inline unsigned zero_windows(const FftConvolution& v, const float* x, Index tile) {
    if (v.tile != WINOGRAD) return 0;
    const Patch<const float> patch = input_patch(v, x, tile, 0);
    unsigned zeros = 0xffff;
    for (int place = 0; place < WINOGRAD * WINOGRAD && zeros; place++) {
        const int i = (place / WINOGRAD + 2) % WINOGRAD, j = (place % WINOGRAD + 2) % WINOGRAD;  // the middle first
        if (i < patch.top || i >= patch.bottom || j < patch.left || j >= patch.right) continue;
        const unsigned results = results_of_pixel(i, j);
        if (zeros & results && !all_zero(patch.origin + i * patch.row + j * patch.pixel, v.channels)) zeros &= ~results;
    }
    return zeros;
}

// Where the spectra of tiles lie: floats from a tile to the next and from a bin to the next, and whether with sums.
struct TileSteps {
    Index row, bin;
    bool sums;
};

// As left factors of products, or to be replaced by y's.
inline TileSteps as_factors(const FftConvolution& v) { return {v.factor_row(), v.factor_bin(), v.sums()}; }
inline TileSteps in_place(const FftConvolution& v) {
    return {(Index)v.widest() * CELL, v.tiles_bin(v.widest()), false};
}

// zeros: zero_windows of each tile, noted while its pixels are in the cache; or null.
inline void forward_tile(const FftConvolution& v, const FftKernels& kernels, const float* x, Index tile,
                         const TileSteps& steps, float* spectra, unsigned* zeros) {
    Spectrum<float> to = {spectra, steps.bin, false, steps.sums};
    for (int block = 0; block < v.blocks(v.channels); block++, to.cells += to.cell())
        kernels.forward(input_patch(v, x, tile, block), to);
    if (zeros) zeros[tile] = zero_windows(v, x, tile);
}

// Of a chunk of tiles from `first` on.
inline Phase forward_phase(const FftConvolution& v, const FftKernels& kernels, const float* x, Index first,
                           const TileSteps& steps, float* spectra, unsigned* zeros) {
    return {std::min<Index>(v.chunk, v.tiles() - first), [=, &v](Index tile) {
        forward_tile(v, kernels, x, first + tile, steps, spectra + tile * steps.row, zeros);
    }};
}

// A block's taps for one channel as pixels.
struct TapsImage {
    static constexpr int MOST = FFT_SIZES[FFT_SIZE_COUNT - 1];
    alignas(64) float values[MOST * MOST * BLOCK];

    template <class Float>
    Patch<Float> patch(const FftConvolution& v) {
        return {values, v.kernel[1] * BLOCK, BLOCK, 0, v.kernel[0], 0, v.kernel[1], BLOCK};
    }
};

// Parts of a workspace, one for each of the threads: a task borrows one while it runs, its thread's own if that is free.
struct Slots {
    float* memory;
    Index size;
    std::vector<std::atomic_flag> taken;

    Slots(float* memory, Index size, int threads) : memory(memory), size(size), taken(threads) {}

    template <class Work>
    void borrow(const Work& work) {
        size_t slot = thread_in_phases % taken.size();
        while (taken[slot].test_and_set(std::memory_order_acquire)) slot = (slot + 1) % taken.size();
        work(memory + slot * size);
        taken[slot].clear(std::memory_order_release);
    }
};
