// Convolution as Caffe computes it on a CPU (base_conv_layer.cpp): per image and group a product with the column
// matrix, which is never built whole. The three products are those of Convolution's forward and backward;
// Deconvolution uses the same three with the sides exchanged.

#include "exact/convolution.h"

// One image with zeros around it; the image itself where there is no padding.
class PaddedImage {
  public:
    explicit PaddedImage(const Convolution& v)
        : v_(v), padded_(v.is_padded() ? floats((size_t)v.channels * v.padded_plane()) : nullptr) {}

    const float* of(const float* image, int threads) {
        if (!padded_) return image;
        parallel_for(threads, v_.channels, [&](Index channel) { fill(image, channel); });
        return padded_.get();
    }

  private:
    void fill(const float* image, Index channel) {
        float* out = padded_.get() + channel * v_.padded_plane();
        memset(out, 0, sizeof(float) * v_.padded_plane());
        for (int y = 0; y < v_.height; y++)
            memcpy(out + (y + v_.pad[0]) * v_.padded_width() + v_.pad[1], image + channel * v_.plane() + y * v_.width,
                   sizeof(float) * v_.width);
    }

    const Convolution& v_;
    Floats padded_;
};

static void add_bias(const Convolution& v, const float* bias, float* out, int threads) {
    parallel_for(threads, v.outputs, [&](Index channel) {
        float* plane = out + channel * v.positions();
        for (Index i = 0; i < v.positions(); i++) plane[i] += bias[channel];
    });
}

// Caffe's col2im for one channel: every pixel gets its terms in the order kernel row, kernel column, from 0 on.
static void columns_to_plane(const Convolution& v, const float* columns, float* plane) {
    memset(plane, 0, sizeof(float) * v.plane());
    for (int ky = 0; ky < v.kernel[0]; ky++)
        for (int kx = 0; kx < v.kernel[1]; kx++, columns += v.positions()) {
            const int top = ky * v.dilation[0] - v.pad[0], left = kx * v.dilation[1] - v.pad[1];
            for (int y = 0; y < v.out_height; y++) {
                const int row = top + y * v.stride[0];
                if (row < 0 || row >= v.height) continue;
                float* to = plane + (Index)row * v.width;
                const float* from = columns + (Index)y * v.out_width;
                int begin = left < 0 ? (-left + v.stride[1] - 1) / v.stride[1] : 0;
                int end = left < v.width ? (v.width - left + v.stride[1] - 1) / v.stride[1] : 0;
                end = end < v.out_width ? end : v.out_width;
                if (v.stride[1] == 1)
                    for (int x = begin; x < end; x++) to[left + x] += from[x];
                else
                    for (int x = begin; x < end; x++) to[left + x * v.stride[1]] += from[x];
            }
        }
}

// All of B in panels, block by block, as gemm_packed packs them one at a time.
static Floats pack_all_columns(const OffsetMatrix& b, Index columns, int depth, const GemmPlan& plan) {
    const GemmSettings& settings = plan.settings;
    const int panels = panels_of(columns, TILE_COLUMNS);
    Floats packed = floats((size_t)panels * TILE_COLUMNS * depth);
    parallel_for(settings.threads, panels, [&](Index panel) {
        const Index first = panel * TILE_COLUMNS;
        const int count = (int)(columns - first < TILE_COLUMNS ? columns - first : TILE_COLUMNS);
        for (const auto [start, length] : gemm_blocks(depth, plan.rule))
            pack_columns(b, start, length, first, count, settings.version,
                         packed.get() + ((size_t)start * panels + panel * length) * TILE_COLUMNS);
    });
    return packed;
}

// Rows [first_row, first_row + rows) of a product of packed panels: one channel of the column matrix's gradient.
static void multiply_panels(const float* packed_a, const float* packed_b, Index first_row, int rows, Index columns,
                            int depth, const GemmPlan& plan, float* c) {
    const GemmRule rule = plan.rule;
    const int row_panels = panels_of(rows, TILE_ROWS), column_panels = panels_of(columns, TILE_COLUMNS);
    for (const auto [start, length] : gemm_blocks(depth, rule)) {
        const float *a = packed_a + (size_t)start * row_panels * TILE_ROWS,
                    *b = packed_b + (size_t)start * column_panels * TILE_COLUMNS;
        for (int j = 0; j < column_panels; j++)
            for (int i = 0; i < row_panels; i++) {
                const int top = i * TILE_ROWS, height = rows - top < TILE_ROWS ? rows - top : TILE_ROWS;
                const Index first = (Index)j * TILE_COLUMNS;
                const int count = (int)(columns - first < TILE_COLUMNS ? columns - first : TILE_COLUMNS);
                run_tile(plan, first_row + top, first, length, a + (size_t)i * length * TILE_ROWS,
                         b + (size_t)j * length * TILE_COLUMNS,
                         Tile{c + top * columns + first, columns, height, count, tile_use(start == 0, false, rule)});
            }
    }
}

static GemmSettings settings_of(int family, int family_threads, int threads, int version) {
    return GemmSettings{{family, family_threads}, threads, (CpuVersion)version};
}

extern "C" {

// out (images, outputs, out_height, out_width) = weight (outputs, taps) times the column matrix of x, plus bias.
void cpm_convolve(const float* x, const float* weight, const float* bias, const Convolution* sizes, int family,
                  int family_threads, int threads, int version, float* out) {
    const Convolution& v = *sizes;
    const GemmSettings settings = settings_of(family, family_threads, threads, version);
    const GemmPlan plan(GEMM_NN, v.group_outputs(), v.positions(), v.taps(), settings);
    const Index lanes = gemm_lanes_from(GEMM_NN, v.group_outputs(), v.positions(), v.taps(), settings.profile);
    const std::vector<Index> taps = tap_offsets(v), positions = position_offsets(v);
    std::vector<Floats> packed;
    for (int g = 0; g < v.group; g++)
        packed.push_back(pack_rows({weight + (size_t)g * v.group_outputs() * v.taps(), v.taps(), 1},
                                   v.group_outputs(), v.taps(), plan.rule, threads));
    PaddedImage padded(v);
    for (int image = 0; image < v.images; image++) {
        const float* source = padded.of(x + image * v.channels * v.plane(), threads);
        float* to = out + image * v.outputs * v.positions();
        for (int g = 0; g < v.group; g++) {
            const OffsetMatrix b{source + g * v.group_channels() * v.padded_plane(), taps.data(), positions.data()};
            float* group_to = to + g * v.group_outputs() * v.positions();
            gemm_packed(packed[g].get(), b, v.group_outputs(), lanes, v.taps(), plan, false, group_to, v.positions());
            gemm_lanes({weight + (size_t)g * v.group_outputs() * v.taps(), v.taps(), 1}, b,
                       v.group_outputs(), lanes, v.positions(), v.taps(), false, group_to, v.positions());
        }
        if (bias) add_bias(v, bias, to, threads);
    }
}

// x (images, channels, height, width) = col2im of weight^T (taps, outputs) times y, plus bias (channels).
void cpm_convolve_transposed(const float* y, const float* weight, const float* bias, const Convolution* sizes,
                             int family, int family_threads, int threads, int version, float* x) {
    const Convolution& v = *sizes;
    const GemmSettings settings = settings_of(family, family_threads, threads, version);
    const GemmPlan plan(GEMM_TN, v.taps(), v.positions(), v.group_outputs(), settings);
    const std::vector<Index> row = linear_offsets(v.group_outputs(), v.positions());
    const std::vector<Index> column = linear_offsets(v.positions(), 1);
    const int window = v.kernel[0] * v.kernel[1];
    // Without im2col all channels of a group are rows of one product; else every channel is a product of its own.
    const int rows = v.is_1x1() ? v.group_channels() : window;
    const int parts = v.group_channels() * window / rows;
    const size_t packed_size = (size_t)panels_of(rows, TILE_ROWS) * TILE_ROWS * v.group_outputs();
    Floats packed = floats(packed_size * parts * v.group);
    parallel_for(threads, parts * v.group, [&](Index part) {
        const float* first = weight + part / parts * v.group_outputs() * v.taps() + part % parts * rows;
        const Floats a = pack_rows({first, 1, v.taps()}, rows, v.group_outputs(), plan.rule, 1);
        memcpy(packed.get() + part * packed_size, a.get(), sizeof(float) * packed_size);
    });
    for (int image = 0; image < v.images; image++) {
        float* to = x + image * v.channels * v.plane();
        for (int g = 0; g < v.group; g++) {
            const float* from = y + ((Index)image * v.outputs + g * v.group_outputs()) * v.positions();
            float* group_to = to + g * v.group_channels() * v.plane();
            const float* group_packed = packed.get() + g * parts * packed_size;
            if (v.is_1x1()) {
                gemm_packed(group_packed, {from, row.data(), column.data()}, rows, v.positions(), v.group_outputs(),
                            plan, false, group_to, v.positions());
                continue;
            }
            const Floats b = pack_all_columns({from, row.data(), column.data()}, v.positions(), v.group_outputs(),
                                              plan);
            parallel_for(threads, parts, [&](Index part) {
                Floats columns = floats((size_t)rows * v.positions());
                multiply_panels(group_packed + part * packed_size, b.get(), part * rows, rows, v.positions(),
                                v.group_outputs(), plan, columns.get());
                columns_to_plane(v, columns.get(), group_to + part * v.plane());
            });
        }
        if (bias)
            parallel_for(threads, v.channels, [&](Index channel) {
                for (Index i = 0; i < v.plane(); i++) to[channel * v.plane() + i] += bias[channel];
            });
    }
}

// gradient (outputs, taps) += y times the column matrix of x transposed, image by image.
void cpm_convolution_weights(const float* x, const float* y, const Convolution* sizes, int family,
                             int family_threads, int threads, int version, float* gradient) {
    const Convolution& v = *sizes;
    const GemmSettings settings = settings_of(family, family_threads, threads, version);
    const int depth = (int)v.positions();
    const GemmPlan plan(GEMM_NT, v.group_outputs(), v.taps(), depth, settings);
    const bool lanes = gemm_lanes_from(GEMM_NT, v.group_outputs(), v.taps(), depth, settings.profile) == 0;
    const std::vector<Index> taps = tap_offsets(v), positions = position_offsets(v);
    PaddedImage padded(v);
    for (int image = 0; image < v.images; image++) {
        const float* source = padded.of(x + image * v.channels * v.plane(), threads);
        for (int g = 0; g < v.group; g++) {
            const StridedMatrix a{y + ((Index)image * v.outputs + g * v.group_outputs()) * depth, depth, 1};
            const OffsetMatrix b{source + g * v.group_channels() * v.padded_plane(), positions.data(), taps.data()};
            float* to = gradient + (size_t)g * v.group_outputs() * v.taps();
            if (lanes) {
                gemm_lanes(a, b, v.group_outputs(), 0, v.taps(), depth, true, to, v.taps());
                continue;
            }
            const Floats packed = pack_rows(a, v.group_outputs(), depth, plan.rule, threads);
            gemm_packed(packed.get(), b, v.group_outputs(), v.taps(), depth, plan, true, to, v.taps());
        }
    }
}
}
