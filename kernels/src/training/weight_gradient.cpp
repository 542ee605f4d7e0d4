// The gradient of a convolution by its weight, directly, of arrays with their channels last.
//
// The rows of results are cut into shares whose number only the sizes say; each share's sums go into memory of its own
// and are added in their order. So no bit depends on how many threads there are, as it does with oneDNN.

// All of the functions that take vectors are inlined: how these would be passed does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

#include <algorithm>
#include <utility>

#include "common/cpu_version.h"
#include "common/phases.h"
#include "exact/convolution.h"
#include "fft/fft.h"

#include "common/contracted.h"  // last: for what follows

namespace {

// So many pixels of a row: values of the image and of the results' gradients, and floats from one to the next.
struct PixelsOfRow {
    const float* x;
    const float* dy;
    Index x_step, dy_step;
    int count;
};

// sums (R channels, V * L outputs) += channels times outputs, pixel after pixel.
template <int L, int R, int V>
CPM_INLINE void add_products(const PixelsOfRow& pixels, float* sums, Index row) {
    alignas(sizeof(Vector<L>)) Vector<L> of[R][V];  // else clang may put it where its own moves may not be
    for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) of[r][v] = load<L>(sums + r * row + v * L);
    const float *x = pixels.x, *dy = pixels.dy;
    for (int i = 0; i < pixels.count; i++, x += pixels.x_step, dy += pixels.dy_step) {
        alignas(sizeof(Vector<L>)) Vector<L> outputs[V];
        for (int v = 0; v < V; v++) outputs[v] = load<L>(dy + v * L);
        for (int r = 0; r < R; r++)
            for (int v = 0; v < V; v++) of[r][v] += x[r] * outputs[v];
    }
    for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) store<L>(sums + r * row + v * L, of[r][v]);
}

// All outputs, V vectors at a time, then half as many, then shorter vectors.
template <int L, int R, int V>
CPM_INLINE void add_outputs(PixelsOfRow pixels, int outputs, float* sums, Index row) {
    for (; outputs >= V * L; outputs -= V * L, pixels.dy += V * L, sums += V * L)
        add_products<L, R, V>(pixels, sums, row);
    if constexpr (V > 1) return add_outputs<L, R, V / 2>(pixels, outputs, sums, row);
    if constexpr (V == 1 && L > 1) {
        if (outputs) add_outputs<L / 2, R, 1>(pixels, outputs, sums, row);
    }
}

// All channels, so many at a time that the sums stay in registers.
template <int L>
CPM_INLINE void add_channels(PixelsOfRow pixels, int channels, int outputs, float* sums, Index row) {
    constexpr int MOST = 6;
    for (; channels >= MOST; channels -= MOST, pixels.x += MOST, sums += MOST * row)
        add_outputs<L, MOST, 2>(pixels, outputs, sums, row);
    if (channels >= 3) {
        add_outputs<L, 3, 4>(pixels, outputs, sums, row);
        channels -= 3, pixels.x += 3, sums += 3 * row;
    }
    for (; channels > 0; channels--, pixels.x++, sums += row) add_outputs<L, 1, 4>(pixels, outputs, sums, row);
}

// Each channel has an output of its own: sums (channels) += channel times output.
template <int L>
CPM_INLINE void add_own_outputs(PixelsOfRow pixels, int channels, float* sums) {
    for (; channels >= L; channels -= L, pixels.x += L, pixels.dy += L, sums += L) {
        Vector<L> sum = load<L>(sums);
        for (int i = 0; i < pixels.count; i++)
            sum += load<L>(pixels.x + i * pixels.x_step) * load<L>(pixels.dy + i * pixels.dy_step);
        store<L>(sums, sum);
    }
    if constexpr (L > 1) {
        if (channels) add_own_outputs<L / 2>(pixels, channels, sums);
    }
}

struct AddPixels {
    void (*all)(PixelsOfRow, int channels, int outputs, float* sums, Index row);
    void (*own)(PixelsOfRow, int channels, float* sums);
};

#define CPM_WEIGHT_GRADIENT(NAME, LANES, TARGET)                                                           \
    TARGET static void all_##NAME(PixelsOfRow pixels, int channels, int outputs, float* sums, Index row) { \
        add_channels<LANES>(pixels, channels, outputs, sums, row);                                         \
    }                                                                                                      \
    TARGET static void own_##NAME(PixelsOfRow pixels, int channels, float* sums) {                         \
        add_own_outputs<LANES>(pixels, channels, sums);                                                    \
    }

CPM_WEIGHT_GRADIENT(portable, 4, )
#if CPM_X86
CPM_WEIGHT_GRADIENT(avx2, 8, __attribute__((target("avx2,fma"))))
CPM_WEIGHT_GRADIENT(avx512, 16, __attribute__((target("avx512f,fma"))))
#endif

static AddPixels add_pixels(int version) {
#if CPM_X86
    if (version == CPU_AVX512) return {all_avx512, own_avx512};
    if (version == CPU_AVX2) return {all_avx2, own_avx2};
#endif
    return {all_portable, own_portable};
}

// How the work is cut: shares of the rows of results, blocks of channels and of outputs of each group.
struct WeightShares {
    static constexpr int CHANNELS = 48, OUTPUTS = 64, TASKS = 32, MOST = 16;
    int channel_blocks, output_blocks, blocks, shares;

    WeightShares(const Convolution& v) {
        const bool own = by_channel(v);
        channel_blocks = own ? 1 : (v.group_channels() + CHANNELS - 1) / CHANNELS;
        output_blocks = own ? (v.outputs + OUTPUTS - 1) / OUTPUTS : (v.group_outputs() + OUTPUTS - 1) / OUTPUTS;
        blocks = channel_blocks * output_blocks * (own ? 1 : v.group);
        const Index rows = (Index)v.images * v.out_height;
        shares = (int)std::max<Index>(1, std::min<Index>({(TASKS + blocks - 1) / blocks, MOST, rows}));
    }

    static bool by_channel(const Convolution& v) { return v.group_channels() == 1 && v.group_outputs() == 1; }
};

// The results' columns whose tap of that offset lies in the image: from first to before end.
static void columns_inside(const Convolution& v, int offset, int& first, int& end) {
    const int stride = v.stride[1];
    first = offset < 0 ? (-offset + stride - 1) / stride : 0;
    end = offset >= v.width ? 0 : std::min(v.out_width, (v.width - 1 - offset) / stride + 1);
}

// sums: (kernel rows, kernel columns, channels of a group, outputs), of the rows of results of one share and one block.
static void add_block(const Convolution& v, const WeightShares& cut, int share, int block, AddPixels add, const float* x,
                      const float* dy, float* sums) {
    const bool own = WeightShares::by_channel(v);
    const int group = own ? 0 : block / (cut.channel_blocks * cut.output_blocks);
    const int channel = block / cut.output_blocks % cut.channel_blocks * WeightShares::CHANNELS;
    const int output = block % cut.output_blocks * WeightShares::OUTPUTS;
    const int channels = std::min(WeightShares::CHANNELS, v.group_channels() - channel);
    const int outputs = std::min(WeightShares::OUTPUTS, (own ? v.outputs : v.group_outputs()) - output);
    const int first_output = group * v.group_outputs() + output;
    const int first_channel = own ? output : group * v.group_channels() + channel;
    const Index rows = (Index)v.images * v.out_height, tap_size = (Index)v.group_channels() * v.outputs;
    for (int tap = 0; tap < v.kernel[0] * v.kernel[1]; tap++)
        for (int c = 0; c < channels; c++) {
            float* first = sums + tap * tap_size + (Index)(channel + c) * v.outputs + first_output;
            std::fill(first, first + outputs, 0.0f);
        }
    for (Index row = share_of(rows, share, cut.shares); row < share_of(rows, share + 1, cut.shares); row++) {
        const Index image = row / v.out_height;
        for (int tap = 0; tap < v.kernel[0] * v.kernel[1]; tap++) {
            const int y = (int)(row % v.out_height) * v.stride[0] - v.pad[0] + tap / v.kernel[1] * v.dilation[0];
            const int offset = tap % v.kernel[1] * v.dilation[1] - v.pad[1];
            int first, end;
            columns_inside(v, offset, first, end);
            if (y < 0 || y >= v.height || first >= end) continue;
            const Index pixel = (image * v.height + y) * v.width + (Index)first * v.stride[1] + offset;
            const PixelsOfRow pixels = {x + pixel * v.channels + first_channel,
                                        dy + (row * v.out_width + first) * v.outputs + first_output,
                                        (Index)v.stride[1] * v.channels, v.outputs, end - first};
            float* to = sums + tap * tap_size + (Index)channel * v.outputs + first_output;
            own ? add.own(pixels, outputs, to) : add.all(pixels, channels, outputs, to, v.outputs);
        }
    }
}

// The gradient of a product of matrices, which a kernel of one tap is: with image and maps exchanged the sums are in the
// order of the gradient.
bool is_matrix_product(const Convolution& v) { return v.is_1x1() && v.group == 1; }

Convolution exchanged(Convolution v) {
    std::swap(v.channels, v.outputs);
    return v;
}

constexpr Index ROWS = 64;  // of sums, whose lines stay in the cache while their columns are written

// dweight from the sums of the shares of some of their rows, a tap's channel each.
void add_shares(const Convolution& v, int shares, Index block, const float* sums, float* dweight) {
    const Index taps = v.kernel[0] * v.kernel[1], channels = v.group_channels(), outputs = v.outputs;
    const Index size = taps * channels * outputs, end = std::min(taps * channels, (block + 1) * ROWS);
    const bool in_order = is_matrix_product(v);
    for (Index output = 0; output < outputs; output++)
        for (Index row = block * ROWS; row < end; row++) {
            const float* from = sums + row * outputs + output;
            float sum = from[0];
            for (int share = 1; share < shares; share++) sum += from[share * size];
            const Index tap = row / channels, channel = row % channels;
            dweight[in_order ? row * outputs + output : (output * channels + channel) * taps + tap] = sum;
        }
}

}  // namespace

extern "C" {

// Floats of the shares' sums; none where they are added up in dweight.
long long cpm_weight_gradient_floats(const Convolution* convolution) {
    const Convolution& v = *convolution;
    const int shares = WeightShares(is_matrix_product(v) ? exchanged(v) : v).shares;
    if (shares == 1 && is_matrix_product(v)) return 0;
    return (long long)shares * v.kernel[0] * v.kernel[1] * v.group_channels() * v.outputs;
}

// x (images, height, width, channels) and dy (images, out_height, out_width, outputs) give dweight (outputs, channels of a
// group, kernel). sums: cpm_weight_gradient_floats of them.
void cpm_weight_gradient(const float* x, const float* dy, const Convolution* convolution, int threads, int version,
                         float* sums, float* dweight) {
    const bool turned = is_matrix_product(*convolution);
    const Convolution v = turned ? exchanged(*convolution) : *convolution;
    if (turned) std::swap(x, dy);
    const WeightShares cut(v);
    const AddPixels add = add_pixels(version);
    const Index rows = (Index)v.kernel[0] * v.kernel[1] * v.group_channels(), size = rows * v.outputs;
    const bool at_once = turned && cut.shares == 1;
    if (at_once) sums = dweight;
    const Phase products = {(Index)cut.shares * cut.blocks, [&](Index task) {
        const Index share = task / cut.blocks;
        add_block(v, cut, (int)share, (int)(task % cut.blocks), add, x, dy, sums + share * size);
    }};
    const Phase addition = {at_once ? 0 : (rows + ROWS - 1) / ROWS,
                            [&](Index block) { add_shares(v, cut.shares, block, sums, dweight); }};
    run_phases(threads, {products, addition});
}
}
