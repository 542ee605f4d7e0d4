// The C functions of fft_convolution.h's convolution but the gradient by the weights. They fill their outputs and need no
// zeroed memory.

#include "fft/fft_phases.h"
#include "fft/output_pooling.h"

#include "exact/gemm_host.h"

// Bins that a task takes; of Winograd's 18, two or three threads have as many each.
constexpr int BINS_PER_TASK = 3;

// Shares of the tiles among the threads: each is worth reading the weights for once more, as few and as long ones are.
constexpr int MOST_SHARES = 2;
constexpr int LEAST_ROWS = 8;

// Replaces x's spectra by y's: a bin's are copied out of the way first, and are then in the cache to be written over. Each
// half of the threads has a half of the tiles, of all bins, as it has in the forward and inverse phases.
// copy(a tile's cells, its row of x); multiply(bin, rows, x, the bin's cells, the next bin's to be fetched meanwhile).
template <class Copy, class Multiply>
static Phase replacing_phase(const FftConvolution& v, Index first, int threads, float* spectra, Index x_row,
                             const Copy& copy, const Multiply& multiply) {
    const TileSteps steps = in_place(v);
    const Index tiles = std::min<Index>(v.chunk, v.tiles() - first);
    const int shares = (int)std::clamp<Index>(tiles / LEAST_ROWS, 1, std::min(threads, MOST_SHARES));
    const Index of_share = (v.bins() + BINS_PER_TASK - 1) / BINS_PER_TASK;
    return {shares * of_share, [=, &v](Index task) {
        const int share = (int)(task / of_share);
        const Index begin = share_of(tiles, share, shares), rows = share_of(tiles, share + 1, shares) - begin;
        const Floats x = floats(rows * x_row);
        const Index bins = task % of_share * BINS_PER_TASK, end = std::min<Index>(v.bins(), bins + BINS_PER_TASK);
        for (Index bin = bins; bin < end; bin++) {
            float* cells = spectra + bin * steps.bin + begin * steps.row;
            for (Index tile = 0; tile < rows; tile++) copy(cells + tile * steps.row, x.get() + tile * x_row);
            const Ahead next = {cells + steps.bin, bin + 1 < end ? rows * steps.row : 0};
            multiply(bin, (int)rows, x.get(), cells, next);
        }
    }};
}

static Phase product_phase(const FftConvolution& v, const FftKernels& kernels, Index first, int threads,
                           const float* weights, float* spectra) {
    const Index of_block = (Index)v.channels * CELL, row = in_place(v).row;
    const Index x_row = (v.blocks(v.channels) | 1) * v.factor_cell();  // not a power of 2: the cache's sets
    const auto copy = [=, &v](const float* cells, float* x) { kernels.copy(cells, v.blocks(v.channels), x); };
    return replacing_phase(v, first, threads, spectra, x_row, copy,
                           [=, &v](Index bin, int rows, const float* x, float* cells, const Ahead& next) {
        for (int block = 0, taken; block < v.blocks(v.outputs); block += taken) {
            taken = v.tile == WINOGRAD && block + 1 < v.blocks(v.outputs) ? 2 : 1;
            const float* right = weights + bin * v.weight_bin() + block * of_block;
            ProductSteps product = {CELL, row, v.channels, false, (taken - 1) * of_block, (taken - 1) * CELL};
            product.weights = {right + taken * of_block, taken * of_block};
            if (block + taken == v.blocks(v.outputs)) product.tiles = next;
            kernels.multiply(rows, {x, x_row, 1, v.factor_cell()}, right, cells + block * CELL, product);
        }
    });
}

// The same with factors rounded to bfloat16.
static Phase pair_product_phase(const FftConvolution& v, Index first, int threads, const Pair* weights,
                                float* spectra) {
    const Index of_block = (Index)v.channels * BLOCK, row = in_place(v).row;
    const Index x_row = (v.blocks(v.channels) | 1) * BLOCK;
    const auto copy = [&v](const float* cells, float* x) {
        for (int block = 0; block < v.blocks(v.channels); block++)
            round_cell(cells + block * CELL, false, (Pair*)x + block * BLOCK);
    };
    return replacing_phase(v, first, threads, spectra, x_row, copy,
                           [=, &v](Index bin, int rows, const float* x, float* cells, const Ahead& next) {
        for (int block = 0; block < v.blocks(v.outputs); block++) {
            const Pair* right = weights + bin * v.weight_cells() * BLOCK + block * of_block;
            PairSteps product = {x_row, row, v.channels, {(const float*)right + of_block, of_block}};
            if (block + 1 == v.blocks(v.outputs)) product.tiles = next;
            multiply_pairs(rows, (const Pair*)x, right, cells + block * CELL, product);
        }
    });
}

struct TileRange {
    Index first, end;

    int count() const { return (int)(end - first); }
};

// Where outputs go, and what becomes of them. bands: output_patch's.
struct Outputs {
    float* y;
    int bands;
    const float* bias;
    bool relu;
    const unsigned* zeros;  // zero_windows of each tile
};

static void block_of_tile(const FftConvolution& v, const FftKernels& kernels, const float* cells, Index bin, Index tile,
                          int block, const Outputs& outputs) {
    kernels.inverse({cells, bin, false}, output_patch(v, outputs.y, tile, block, outputs.bands),
                    {transforms_scale(v), outputs.bias ? outputs.bias + block * BLOCK : nullptr, outputs.relu,
                     outputs.zeros[tile]});
}

// spectra: of the tiles from `first` on.
static Phase inverse_phase(const FftConvolution& v, const FftKernels& kernels, const TileRange& tiles, Index first,
                           const float* spectra, const Outputs& outputs) {
    const int row = v.widest();
    return {tiles.count(), [=, &v](Index i) {
        const Index tile = tiles.first + i;
        for (int block = 0; block < v.blocks(v.outputs); block++)
            block_of_tile(v, kernels, spectra + ((tile - first) * row + block) * CELL, v.tiles_bin(row), tile, block,
                          outputs);
    }};
}

// Inverse phases of the tiles, inverse(range); where outputs are pooled, for a group of bands at a time, with the
// maxima of all windows that are then complete.
template <class Inverse>
static void add_inverse_phases(const FftConvolution& v, const OutputPooling* pooling, const TileRange& tiles, int threads,
                               float* ring, float* y, std::vector<Phase>& phases, const Inverse& inverse) {
    const Index group = pooling ? pooling->group * v.tile_columns() : v.tiles();
    for (Index tile = tiles.first, end; tile < tiles.end; tile = end) {
        end = std::min(tiles.end, (tile / group + 1) * group);
        phases.push_back(inverse(TileRange{tile, end}));
        if (pooling && (end % group == 0 || end == v.tiles()))
            phases.push_back(pooling_phase(v, *pooling, (end - 1) / group, threads, ring, y));
    }
}

// A block's weights, floats from a bin to the next, and whether they must be fetched from memory.
struct BlockWeights {
    const float* spectra;
    Index bin;
    bool far;
};

// Bins that weights are asked for ahead, where few channels make products short.
constexpr int BINS_AHEAD = 8;

// A block of y from the tiles' spectra as left factors. cells: memory for its spectra.
static void block_of_outputs(const FftConvolution& v, const FftKernels& kernels, const TileRange& tiles, int block,
                             const float* factors, const BlockWeights& weights, float* cells, const Outputs& outputs) {
    ProductSteps steps = {CELL, CELL, v.channels, false};
    steps.bins = {v.bins(), v.factor_bin(), weights.bin, v.block_bin()};
    if (weights.far) steps.weights = {weights.spectra + BINS_AHEAD * weights.bin, (Index)v.channels * CELL};
    kernels.multiply(tiles.count(), {factors, v.factor_row(), 1, v.factor_cell()}, weights.spectra, cells, steps);
    for (Index tile = tiles.first; tile < tiles.end; tile++)
        block_of_tile(v, kernels, cells + (tile - tiles.first) * CELL, v.block_bin(), tile, block, outputs);
}

// From the image to the outputs, a chunk of the tiles at a time. slots: for a chunk's spectra of x and of a block of y.
static Phase core_phase(const FftConvolution& v, const FftKernels& kernels, const float* x, const TileRange& tiles,
                       const float* spectra, Slots& slots, unsigned* zeros, const Outputs& outputs) {
    const Index tasks = (tiles.count() + v.chunk - 1) / v.chunk;
    return {tasks, [=, &v, &slots](Index task) {
        const TileRange chunk = {tiles.first + share_of(tiles.count(), task, tasks),
                                 tiles.first + share_of(tiles.count(), task + 1, tasks)};
        slots.borrow([&](float* factors) {
            for (Index tile = chunk.first; tile < chunk.end; tile++)
                forward_tile(v, kernels, x, tile, as_factors(v), factors + (tile - chunk.first) * v.factor_row(), zeros);
            for (int block = 0; block < v.blocks(v.outputs); block++)
                block_of_outputs(v, kernels, chunk, block, factors,
                                 {spectra + block * v.channels * CELL, v.weight_bin(), true},
                                 factors + v.bins() * v.factor_bin(), outputs);
        });
    }};
}

// Where the weights' taps (outputs, channels, taps) lie; `turned` takes them in reverse, which makes the convolution the
// gradient by its input.
struct Taps {
    const float* weight;
    Index output_step, channel_step;
    bool turned;
};

// The spectrum of a block's taps for one channel, bins `bin` floats apart.
static void transform_taps(const FftConvolution& v, const FftKernels& kernels, const Taps& from, int block, int channel,
                           float* spectrum, Index bin) {
    const int taps = v.taps(), count = block_channels(v.outputs, block);
    TapsImage image;
    if (count < BLOCK) memset(image.values, 0, sizeof(float) * taps * BLOCK);
    const Rows<const float> lanes{from.weight + block * BLOCK * from.output_step + channel * from.channel_step,
                                  from.output_step};
    transpose(lanes, count, taps,
              from.turned ? Rows<float>{image.values + (taps - 1) * BLOCK, -BLOCK} : Rows<float>{image.values, BLOCK});
    for (int lane = 0; lane < count; lane++)
        for (int tap = 0; tap < taps; tap += BLOCK) __builtin_prefetch(lanes.row(lane) + from.channel_step + tap, 0, 2);
    kernels.forward_kernel(image.patch<const float>(v), {spectrum, bin, true});
}

// The same rounded to bfloat16, bins `bin` pairs apart.
static void transform_taps_to_pairs(const FftConvolution& v, const FftKernels& kernels, const Taps& from, int block,
                                    int channel, Pair* pairs, Index bin) {
    std::vector<float> spectrum((size_t)v.bins() * CELL);
    transform_taps(v, kernels, from, block, channel, spectrum.data(), CELL);
    for (int i = 0; i < v.bins(); i++) round_cell(spectrum.data() + i * CELL, true, pairs + i * bin);
}

extern "C" {

int cpm_cpu_bfloat16() { return cpu_bfloat16(); }

// spectra (with `bfloat16` pairs) from weight (outputs, channels, taps), whose first two axes are the given steps apart;
// `turned` takes the taps in reverse, which makes the convolution the gradient by its input.
void cpm_fft_transform_weights(const float* weight, Index output_step, Index channel_step, int turned,
                               const FftConvolution* sizes, int threads, int version, float* spectra) {
    const FftConvolution& v = *sizes;
    const FftKernels kernels = fft_kernels(v.tile, (CpuVersion)version);
    const Taps taps = {weight, output_step, channel_step, turned != 0};
    run_phases(threads, {{(Index)v.blocks(v.outputs) * v.channels, [&](Index i) {
        const int block = (int)(i / v.channels), channel = (int)(i % v.channels);
        if (v.bfloat16)
            transform_taps_to_pairs(v, kernels, taps, block, channel, (Pair*)spectra + i * BLOCK,
                                    v.weight_cells() * BLOCK);
        else
            transform_taps(v, kernels, taps, block, channel, spectra + i * CELL, v.weight_bin());
    }}});
}

// y = x convolved with the weights of these spectra, + bias (outputs) if not null, then ReLU if asked, then max pooling
// if not null.
// workspace: a chunk's spectra, in place of x and then of y; where these are pooled, then their rows.
void cpm_fft_convolve(const float* x, const float* spectra, const float* bias, const FftConvolution* sizes, int relu,
                      const OutputPooling* pooling, int threads, int version, float* workspace, float* y) {
    const FftConvolution& v = *sizes;
    const FftKernels kernels = fft_kernels(v.tile, (CpuVersion)version);
    std::vector<unsigned> zeros(v.tiles());
    float* ring = workspace + v.bins() * v.tiles_bin(v.widest());
    const Outputs outputs = {pooling ? ring : y, pooling ? pooling->bands : 0, bias, relu != 0, zeros.data()};
    std::vector<Phase> phases;
    for (Index first = 0; first < v.tiles(); first += v.chunk) {
        const TileRange tiles = {first, std::min(v.tiles(), first + v.chunk)};
        phases.push_back(forward_phase(v, kernels, x, first, in_place(v), workspace, zeros.data()));
        phases.push_back(v.bfloat16 ? pair_product_phase(v, first, threads, (const Pair*)spectra, workspace)
                                    : product_phase(v, kernels, first, threads, spectra, workspace));
        add_inverse_phases(v, pooling, tiles, threads, ring, y, phases, [&](const TileRange& part) {
            return inverse_phase(v, kernels, part, first, workspace, outputs);
        });
    }
    run_phases(threads, phases);
}

// cpm_fft_convolve for few channels or small weights, where a core's cache holds all that a chunk of tiles needs but the
// weights: a thread takes a chunk from the image to the outputs, a block of them at a time, and no core waits for what
// another wrote. The same bits.
// workspace: for each thread a chunk's spectra of x and of a block of y; then cpm_fft_convolve's rows.
void cpm_fft_convolve_by_core(const float* x, const float* spectra, const float* bias, const FftConvolution* sizes,
                          int relu, const OutputPooling* pooling, int threads, int version, float* workspace,
                          float* y) {
    const FftConvolution& v = *sizes;
    const FftKernels kernels = fft_kernels(v.tile, (CpuVersion)version);
    std::vector<unsigned> zeros(v.tiles());
    const Index slot = v.bins() * (v.factor_bin() + v.block_bin());
    Slots slots(workspace, slot, threads);
    float* ring = workspace + threads * slot;
    const Outputs outputs = {pooling ? ring : y, pooling ? pooling->bands : 0, bias, relu != 0, zeros.data()};
    std::vector<Phase> phases;
    add_inverse_phases(v, pooling, {0, v.tiles()}, threads, ring, y, phases, [&](const TileRange& part) {
        return core_phase(v, kernels, x, part, spectra, slots, zeros.data(), outputs);
    });
    run_phases(threads, phases);
}

// cpm_fft_transform_weights and cpm_fft_convolve in one, for weights that are used once and tiles of a single chunk: a
// block's weights are transformed, multiplied with and forgotten, while they are in a core's cache. The same bits.
// workspace: x's spectra, then for each thread a block's of the weights and of y.
void cpm_fft_convolve_once(const float* x, const float* weight, Index output_step, Index channel_step, int turned,
                           const float* bias, const FftConvolution* sizes, int relu, int threads, int version,
                           float* workspace, float* y) {
    const FftConvolution& v = *sizes;
    const FftKernels kernels = fft_kernels(v.tile, (CpuVersion)version);
    const Taps taps = {weight, output_step, channel_step, turned != 0};
    std::vector<unsigned> zeros(v.tiles());
    const Index weight_bin = ((Index)v.channels + 1) * CELL;
    Slots slots(workspace + v.bins() * v.factor_bin(), v.bins() * (weight_bin + v.block_bin()), threads);
    const Phase forward = forward_phase(v, kernels, x, 0, as_factors(v), workspace, zeros.data());
    run_phases(threads, {forward, {v.blocks(v.outputs), [&](Index block) {
        slots.borrow([&](float* weights) {
            float* cells = weights + v.bins() * weight_bin;
            for (int channel = 0; channel < v.channels; channel++)
                transform_taps(v, kernels, taps, (int)block, channel, weights + channel * CELL, weight_bin);
            const BlockWeights of_block = {weights, weight_bin, false};
            block_of_outputs(v, kernels, {0, v.tiles()}, (int)block, workspace, of_block, cells,
                             {y, 0, bias, relu != 0, zeros.data()});
        });
    }}});
}
}
