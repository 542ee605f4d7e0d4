// The C functions of the gradient by the weights (fft_convolution.h). They fill their outputs and need no zeroed memory.

#include "fft/fft_phases.h"

// Spectra of dy's tiles, conjugated.
static Phase gradient_phase(const FftConvolution& v, const FftKernels& kernels, const float* dy, Index first,
                            float* spectra) {
    const int blocks = v.blocks(v.outputs);
    return {std::min<Index>(v.chunk, v.tiles() - first), [=, &v](Index tile) {
        for (int block = 0; block < blocks; block++)
            kernels.forward_gradient(output_patch(v, dy, first + tile, block),
                            {spectra + (tile * blocks + block) * CELL, v.tiles_bin(v.blocks(v.outputs)), true});
    }};
}

// weights[bin][block][channel] = or += Σ over the chunk's tiles of x's spectrum times dy's.
static Phase weight_product_phase(const FftConvolution& v, const FftKernels& kernels, Index first, const float* x,
                                  const float* dy, float* weights) {
    const int depth = (int)std::min<Index>(v.chunk, v.tiles() - first);
    const Index out_row = v.blocks(v.outputs) * CELL;
    return {v.bins(), [=, &v](Index bin) {
        for (int block = 0; block < v.blocks(v.outputs); block++)
            for (int channel = 0; channel < v.channels; channel += BLOCK)
                kernels.multiply(std::min(BLOCK, v.channels - channel),
                                 {x + bin * v.factor_bin() + channel / BLOCK * v.factor_cell(), 1, v.factor_row(),
                                  BLOCK * v.factor_row()},
                                 dy + bin * v.tiles_bin(v.blocks(v.outputs)) + block * CELL,
                                 weights + bin * v.weight_bin() + ((Index)block * v.channels + channel) * CELL,
                                 {out_row, CELL, depth, first > 0});
    }};
}

// gradient's taps of a block and one channel, from their spectrum.
static void gradient_of_taps(const FftConvolution& v, const FftKernels& kernels, const float* spectrum, Index bin,
                             int block, int channel, float* gradient) {
    const int taps = v.taps(), count = block_channels(v.outputs, block);
    TapsImage image;
    kernels.inverse_kernel({spectrum, bin, false}, image.patch<float>(v), {transforms_scale(v), nullptr, false});
    float* to = gradient + ((Index)block * BLOCK * v.channels + channel) * taps;
    transpose({image.values, BLOCK}, taps, count, {to, (Index)v.channels * taps});
}

extern "C" {

// gradient (outputs, channels, taps) of Σ y dy by the weights.
// workspace: a chunk's spectra of x, then of dy, then the weights' spectra.
void cpm_fft_weight_gradient(const float* x, const float* dy, const FftConvolution* sizes, int threads, int version,
                             float* workspace, float* gradient) {
    const FftConvolution& v = *sizes;
    const FftKernels kernels = fft_kernels(v.tile, (CpuVersion)version);
    float* dy_spectra = workspace + v.bins() * v.factor_bin();
    float* products = dy_spectra + v.bins() * v.tiles_bin(v.blocks(v.outputs));
    std::vector<Phase> phases;
    for (Index first = 0; first < v.tiles(); first += v.chunk) {
        phases.push_back(forward_phase(v, kernels, x, first, as_factors(v), workspace, nullptr));
        phases.push_back(gradient_phase(v, kernels, dy, first, dy_spectra));
        phases.push_back(weight_product_phase(v, kernels, first, workspace, dy_spectra, products));
    }
    phases.push_back({(Index)v.blocks(v.outputs) * v.channels, [&](Index i) {
        gradient_of_taps(v, kernels, products + i * CELL, v.weight_bin(), (int)(i / v.channels), (int)(i % v.channels),
                         gradient);
    }});
    run_phases(threads, phases);
}

// cpm_fft_weight_gradient for tiles of a single chunk, a block of outputs at a time as above. The same bits.
// workspace: the spectra of x, then of dy, then for each thread a block's of the weights.
void cpm_fft_weight_gradient_once(const float* x, const float* dy, const FftConvolution* sizes, int threads,
                                  int version, float* workspace, float* gradient) {
    const FftConvolution& v = *sizes;
    const FftKernels kernels = fft_kernels(v.tile, (CpuVersion)version);
    const int dy_row = v.blocks(v.outputs), tiles = (int)v.tiles();
    const Index bin_step = ((Index)v.channels + 1) * CELL;
    float* dy_spectra = workspace + v.bins() * v.factor_bin();
    Slots slots(dy_spectra + v.bins() * v.tiles_bin(dy_row), v.bins() * bin_step, threads);
    const Phase of_blocks = {dy_row, [&](Index block) {
        slots.borrow([&](float* products) {
            for (int bin = 0; bin < v.bins(); bin++)
                for (int channel = 0; channel < v.channels; channel += BLOCK)
                    kernels.multiply(std::min(BLOCK, v.channels - channel),
                                     {workspace + bin * v.factor_bin() + channel / BLOCK * v.factor_cell(), 1,
                                      v.factor_row(), BLOCK * v.factor_row()},
                                     dy_spectra + bin * v.tiles_bin(dy_row) + block * CELL,
                                     products + bin * bin_step + channel * CELL,
                                     {(Index)dy_row * CELL, CELL, tiles, false});
            for (int channel = 0; channel < v.channels; channel++)
                gradient_of_taps(v, kernels, products + channel * CELL, bin_step, (int)block, channel, gradient);
        });
    }};
    run_phases(threads, {forward_phase(v, kernels, x, 0, as_factors(v), workspace, nullptr),
                         gradient_phase(v, kernels, dy, 0, dy_spectra), of_blocks});
}
}
