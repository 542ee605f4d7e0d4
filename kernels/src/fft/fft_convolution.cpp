// The C functions of fft_convolution.h's convolution. All of them fill their outputs and need no zeroed memory.

#include "fft/fft_convolution.h"

#include "exact/gemm_host.h"
#include "common/phases.h"

// Where a tile lies: its image and the first of the outputs it keeps.
struct TilePlace {
    int image, y, x;
};

static TilePlace place_of(const FftConvolution& v, Index tile) {
    const Index row = tile / v.tile_columns();
    return {(int)(row / v.tile_rows()), (int)(row % v.tile_rows()) * v.kept(0),
            (int)(tile % v.tile_columns()) * v.kept(1)};
}

static int block_channels(int channels, int block) { return std::min(BLOCK, channels - block * BLOCK); }

// The block's part of x under the tile: zero outside the image.
static Patch<const float> input_patch(const FftConvolution& v, const float* x, Index tile, int block) {
    const TilePlace at = place_of(v, tile);
    const int top = at.y - v.pad[0], left = at.x - v.pad[1];
    const Index row = v.width * v.x_pixel;
    const float* image = x + at.image * v.height * row;
    return {image + top * row + left * v.x_pixel + block * BLOCK, row, v.x_pixel, -top, v.height - top,
            -left, v.width - left, block_channels(v.channels, block)};
}

// The block's part of y that the tile keeps.
template <class Float>
static Patch<Float> output_patch(const FftConvolution& v, Float* y, Index tile, int block) {
    const TilePlace at = place_of(v, tile);
    const Index row = v.out_width * v.y_pixel;
    Float* image = y + at.image * v.out_height * row;
    return {image + at.y * row + at.x * v.y_pixel + block * BLOCK, row, v.y_pixel, 0,
            std::min(v.kept(0), v.out_height - at.y), 0, std::min(v.kept(1), v.out_width - at.x),
            block_channels(v.outputs, block)};
}

// Undoes the sizes' factor of the unscaled transforms, and twice the factor 2 of the forward one.
static float transforms_scale(const FftConvolution& v) { return 0.25f / (float)(v.tile * v.tile); }

static Phase forward_phase(const FftConvolution& v, const FftKernels& kernels, const float* x, Index first, int row,
                           float* spectra) {
    return {std::min<Index>(v.chunk, v.tiles() - first), [=, &v](Index tile) {
        for (int block = 0; block < v.blocks(v.channels); block++)
            kernels.forward(input_patch(v, x, first + tile, block),
                            {spectra + (tile * row + block) * CELL, v.tiles_bin(row), false});
    }};
}

// Bins that a task takes.
constexpr int BINS_PER_TASK = 4;

// Replaces x's spectra by y's: a bin's are copied out of the way first, and are then in the cache to be written over.
static Phase product_phase(const FftConvolution& v, const FftKernels& kernels, Index first, const float* weights,
                           float* spectra) {
    const int row = v.widest();
    const Index rows = std::min<Index>(v.chunk, v.tiles() - first), in_row = v.blocks(v.channels) * CELL;
    return {(v.bins() + BINS_PER_TASK - 1) / BINS_PER_TASK, [=, &v](Index task) {
        const Floats x = floats(rows * in_row);
        for (Index bin = task * BINS_PER_TASK; bin < std::min<Index>(v.bins(), (task + 1) * BINS_PER_TASK); bin++) {
            float* cells = spectra + bin * v.tiles_bin(row);
            for (Index tile = 0; tile < rows; tile++)
                memcpy(x.get() + tile * in_row, cells + tile * row * CELL, sizeof(float) * in_row);
            for (int block = 0; block < v.blocks(v.outputs); block++)
                kernels.multiply((int)rows, {x.get(), in_row, 1, CELL},
                                 weights + bin * v.weight_bin() + (Index)block * v.channels * CELL,
                                 cells + block * CELL, {CELL, (Index)row * CELL, v.channels, false});
        }
    }};
}

static Phase inverse_phase(const FftConvolution& v, const FftKernels& kernels, Index first, const float* spectra,
                           const float* bias, bool relu, float* y) {
    const int row = v.widest();
    return {std::min<Index>(v.chunk, v.tiles() - first), [=, &v](Index tile) {
        for (int block = 0; block < v.blocks(v.outputs); block++)
            kernels.inverse({spectra + (tile * row + block) * CELL, v.tiles_bin(row), false},
                            output_patch(v, y, first + tile, block),
                            {transforms_scale(v), bias ? bias + block * BLOCK : nullptr, relu});
    }};
}

// Spectra of dy's tiles, conjugated.
static Phase gradient_phase(const FftConvolution& v, const FftKernels& kernels, const float* dy, Index first,
                            float* spectra) {
    const int blocks = v.blocks(v.outputs);
    return {std::min<Index>(v.chunk, v.tiles() - first), [=, &v](Index tile) {
        for (int block = 0; block < blocks; block++)
            kernels.forward(output_patch(v, dy, first + tile, block),
                            {spectra + (tile * blocks + block) * CELL, v.tiles_bin(v.blocks(v.outputs)), true});
    }};
}

// weights[bin][block][channel] = or += Σ over the chunk's tiles of x's spectrum times dy's.
static Phase weight_product_phase(const FftConvolution& v, const FftKernels& kernels, Index first, const float* x,
                                  const float* dy, float* weights) {
    const int depth = (int)std::min<Index>(v.chunk, v.tiles() - first);
    const Index in_row = v.blocks(v.channels) * CELL, out_row = v.blocks(v.outputs) * CELL;
    return {v.bins(), [=, &v](Index bin) {
        for (int block = 0; block < v.blocks(v.outputs); block++)
            for (int channel = 0; channel < v.channels; channel += BLOCK)
                kernels.multiply(std::min(BLOCK, v.channels - channel),
                                 {x + bin * v.tiles_bin(v.blocks(v.channels)) + 2 * channel, 1, in_row, BLOCK * in_row},
                                 dy + bin * v.tiles_bin(v.blocks(v.outputs)) + block * CELL,
                                 weights + bin * v.weight_bin() + ((Index)block * v.channels + channel) * CELL,
                                 {out_row, CELL, depth, first > 0});
    }};
}

extern "C" {

// spectra from weight (outputs, channels, taps), whose first two axes are the given steps apart; `turned` takes the
// taps in reverse, which makes the convolution the gradient by its input.
void cpm_fft_transform_weights(const float* weight, Index output_step, Index channel_step, int turned,
                               const FftConvolution* sizes, int threads, int version, float* spectra) {
    const FftConvolution& v = *sizes;
    const FftKernels kernels = fft_kernels(v.tile, (CpuVersion)version);
    run_phases(threads, {{(Index)v.blocks(v.outputs) * v.channels, [&](Index i) {
        const int block = (int)(i / v.channels), channel = (int)(i % v.channels);
        const int taps = v.taps(), count = block_channels(v.outputs, block);
        std::vector<float> image((size_t)taps * BLOCK);
        for (int lane = 0; lane < count; lane++) {
            const float* from = weight + (block * BLOCK + lane) * output_step + channel * channel_step;
            for (int tap = 0; tap < taps; tap++) image[(turned ? taps - 1 - tap : tap) * BLOCK + lane] = from[tap];
        }
        kernels.forward({image.data(), v.kernel[1] * BLOCK, BLOCK, 0, v.kernel[0], 0, v.kernel[1], BLOCK},
                        {spectra + i * CELL, v.weight_bin(), true});
    }}});
}

// y = x convolved with the weights of these spectra, + bias (outputs) if not null, then ReLU if asked.
// workspace: a chunk's spectra, in place of x and then of y.
void cpm_fft_convolve(const float* x, const float* spectra, const float* bias, const FftConvolution* sizes, int relu,
                      int threads, int version, float* workspace, float* y) {
    const FftConvolution& v = *sizes;
    const FftKernels kernels = fft_kernels(v.tile, (CpuVersion)version);
    std::vector<Phase> phases;
    for (Index first = 0; first < v.tiles(); first += v.chunk) {
        phases.push_back(forward_phase(v, kernels, x, first, v.widest(), workspace));
        phases.push_back(product_phase(v, kernels, first, spectra, workspace));
        phases.push_back(inverse_phase(v, kernels, first, workspace, bias, relu, y));
    }
    run_phases(threads, phases);
}

// gradient (outputs, channels, taps) of Σ y dy by the weights.
// workspace: a chunk's spectra of x, then of dy, then the weights' spectra.
void cpm_fft_weight_gradient(const float* x, const float* dy, const FftConvolution* sizes, int threads, int version,
                             float* workspace, float* gradient) {
    const FftConvolution& v = *sizes;
    const FftKernels kernels = fft_kernels(v.tile, (CpuVersion)version);
    float* dy_spectra = workspace + v.bins() * v.tiles_bin(v.blocks(v.channels));
    float* products = dy_spectra + v.bins() * v.tiles_bin(v.blocks(v.outputs));
    std::vector<Phase> phases;
    for (Index first = 0; first < v.tiles(); first += v.chunk) {
        phases.push_back(forward_phase(v, kernels, x, first, v.blocks(v.channels), workspace));
        phases.push_back(gradient_phase(v, kernels, dy, first, dy_spectra));
        phases.push_back(weight_product_phase(v, kernels, first, workspace, dy_spectra, products));
    }
    phases.push_back({(Index)v.blocks(v.outputs) * v.channels, [&](Index i) {
        const int block = (int)(i / v.channels), taps = v.taps(), count = block_channels(v.outputs, block);
        std::vector<float> image((size_t)taps * BLOCK);
        kernels.inverse({products + i * CELL, v.weight_bin(), false},
                        {image.data(), v.kernel[1] * BLOCK, BLOCK, 0, v.kernel[0], 0, v.kernel[1], BLOCK},
                        {transforms_scale(v), nullptr, false});
        float* to = gradient + ((Index)block * BLOCK * v.channels + i % v.channels) * taps;
        for (int lane = 0; lane < count; lane++)
            for (int tap = 0; tap < taps; tap++)
                to[(Index)lane * v.channels * taps + tap] = image[tap * BLOCK + lane];
    }});
    run_phases(threads, phases);
}
}
