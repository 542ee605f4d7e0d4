// Convolution by overlap-save: tiles of N x N pixels that overlap by the kernel's size less 1, their real 2-D spectra,
// per bin a complex matrix product over the channels, and back, keeping the (N - kernel + 1)² results that no
// wrapping-round has touched. The fast engine's convolution (stride 1, no dilation, no groups) and its two gradients.
// For 3 x 3 kernels Winograd's transforms may take the place of Fourier's (winograd_tile.h). Results may be pooled before
// they are in memory (output_pooling.h).
//
// Images are float32 (images, height, width, channels), a pixel's channels contiguous, pixels `x_pixel` or `y_pixel`
// floats apart. Spectra in memory:
//   weights  [bin][block of 16 outputs][input channel][cell]      conjugated, so that the product is a correlation
//   tiles    [bin][tile][block of 16 channels][cell]
// with a cell of 16 real and 16 imaginary parts (fft_tile.h), and one cell of padding after each bin: bins a power of 2
// apart would share the cache's sets. Where tiles are the left factor of products, their cells have sums, too.
// Weights rounded to bfloat16 have cells of 16 pairs (bfloat16_product.h).

#pragma once
#include <algorithm>

#include "fft/bfloat16_product.h"
#include "fft/fft_versions.h"

struct FftConvolution {
    int images, channels, height, width;
    int outputs, out_height, out_width;
    int kernel[2], pad[2];  // height, width
    int tile;               // N, one of FFT_SIZES, or WINOGRAD
    int chunk;              // tiles whose spectra are in memory at a time
    int bfloat16;           // whether forward products round their factors to it
    Index x_pixel, y_pixel;

    int kept(int axis) const { return tile - kernel[axis] + 1; }
    int tile_rows() const { return (out_height + kept(0) - 1) / kept(0); }
    int tile_columns() const { return (out_width + kept(1) - 1) / kept(1); }
    Index tiles() const { return (Index)images * tile_rows() * tile_columns(); }
    int bins() const { return bins_of(tile); }
    int taps() const { return kernel[0] * kernel[1]; }
    Index weight_bin() const { return weight_cells() * CELL; }
    Index weight_cells() const { return (Index)blocks(outputs) * channels + 1; }  // of a bin
    Index tiles_bin(int row) const { return ((Index)chunk * row + 1) * CELL; }  // row: blocks of a tile
    bool sums() const { return tile != WINOGRAD; }                              // in the cells of a left factor
    int factor_cell() const { return sums() ? CELL + BLOCK : CELL; }
    Index factor_row() const { return (Index)blocks(channels) * factor_cell(); }
    Index block_bin() const { return ((Index)chunk + 1) * CELL; }  // of one block of a chunk's tiles
    Index factor_bin() const { return chunk * factor_row() + factor_cell(); }
    int widest() const { return std::max(blocks(channels), blocks(outputs)); }

    static int blocks(int channels) { return (channels + BLOCK - 1) / BLOCK; }
};
