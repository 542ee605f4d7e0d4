// The CUDA twin of host_sample.h: training samples from images, a batch at a time (kernels/samples/cuda.py launches).
//
// 1. resize_regions   what each crop shows of its resized image, as packed pixels in scratch memory
// 2. rotate_and_crop  `data`: rotation, crop, flip and normalisation in one pass, and the centre map
// 3. label_maps       `label`: all maps and both backgrounds in one pass
//
// The grid's z is the sample. Every element comes from the functions that the CPU calls.

#include "samples/packed_pixel.h"
#include "samples/sample.h"

// An 8-bit BGR image with any strides, in bytes.
struct SourceImage {
    const u8* first;
    long long row_stride, column_stride, channel_stride;

    CPM_DEVICE int operator()(int x, int y, int c) const {
        return first[y * row_stride + x * column_stride + c * channel_stride];
    }
};

struct GrayImage {
    SourceImage image;
    int profile;

    CPM_DEVICE int operator()(int x, int y, int) const {
        return gray_of_bgr(image(x, y, 0), image(x, y, 1), image(x, y, 2), profile);
    }
};

// The horizontal pass at one column: sums of four neighbouring source rows, which wander down the image.
struct RowSums {
    int channel[3][4];
    int below = -(1 << 30);  // the source row after the four

    // Rows first .. first + 3; if the image shrinks a lot, those in between are left out.
    template <class Source>
    CPM_DEVICE void move_to(int first, const Source& source, const Sample& s, const ResizeTap& across) {
        for (below = below < first ? first : below; below < first + 4; below++)
            for (int c = 0; c < 3; c++) {
                for (int k = 0; k < 3; k++) channel[c][k] = channel[c][k + 1];
                channel[c][3] = resize_across(source, s.columns, across, clamp_int(below, 0, s.rows - 1), c);
            }
    }

    // The vertical pass, the first `floats` channels in float32.
    CPM_DEVICE unsigned pixel(const ResizeTap& down, int floats, int profile) const {
        int value[3];
        for (int c = 0; c < 3; c++) value[c] = resize_down(channel[c], down.weight, profile);
        if (floats < 3)
            for (int c = 0; c < 3; c++)
                if (c >= floats) value[c] = resize_down_tail(channel[c], down.weight);
        return packed_pixel(value[0], value[1], value[2]);
    }
};

// A thread's pixels are 16 of a column, a warp's 32 columns wide, a block's 64 rows high.
constexpr int REGION_RUN = 16, REGION_COLUMNS = 32, REGION_ROWS = 64;

// A thread's pixels in `region`, from this column and row on: of the resized image or, beyond it, 128.
template <class Source>
CPM_DEVICE void resize_column(const Source& source, const Sample& s, int profile, const ResizeTap& across,
                              const ResizeTap* down, int column, int row, unsigned* region) {
    const bool copied = s.resized_columns == s.columns && s.resized_rows == s.rows;
    const int x = s.region_left + column, y = s.region_top + row;
    const bool has_column = x >= 0 && x < s.resized_columns;
    const Range inside{-y, has_column ? s.resized_rows - y : -y};
    const int floats = resize_tail(3 * s.resized_columns) - 3 * x;
    const int count = clamp_int(s.region_rows - row, 0, REGION_RUN);
    unsigned* out = region + (long long)row * s.region_columns + column;
    RowSums sums;
    for (int i = 0; i < count; i++, out += s.region_columns) {
        unsigned pixel = packed_pixel(128, 128, 128);
        if (inside.has(i) && copied) {
            pixel = packed_pixel(source(x, y + i, 0), source(x, y + i, 1), source(x, y + i, 2));
        } else if (inside.has(i)) {
            sums.move_to(down[i].first, source, s, across);
            pixel = sums.pixel(down[i], floats, profile);
        }
        *out = pixel;
    }
}

CPM_KERNEL(128, 6)
resize_regions(const u8* __restrict__ images, const Sample* __restrict__ samples, int gray, int profile,
               unsigned* __restrict__ regions) {
    CPM_SHARED ResizeTap down[REGION_ROWS];
    ThreadBlock<ResizeTap, 128> threads;
    const Sample& s = samples[blockIdx.z];
    const int left = blockIdx.x * REGION_COLUMNS, top = blockIdx.y * REGION_ROWS;
    if (left >= s.region_columns || top >= s.region_rows) return;
    threads.phase([&](ResizeTap& across, int id) {
        across = resize_tap(s.region_left + left + id % REGION_COLUMNS, s.factor);
        if (id < REGION_ROWS) down[id] = resize_tap(s.region_top + top + id, s.factor);
    });
    threads.phase([&](ResizeTap& across, int id) {
        const int column = left + id % REGION_COLUMNS, first = id / REGION_COLUMNS * REGION_RUN, row = top + first;
        if (column >= s.region_columns) return;
        const SourceImage source{images + s.image, s.row_stride, s.column_stride, s.channel_stride};
        unsigned* region = regions + s.region;
        if (gray) resize_column(GrayImage{source, profile}, s, profile, across, down + first, column, row, region);
        else resize_column(source, s, profile, across, down + first, column, row, region);
    });
}

// The rotation's weights for all fractions: weights 32 (y) x 32 (x) x 16. One thread each.
CPM_KERNEL(128, 1)
fill_warp_weights(short* weights) {
    const int k = (int)element_number();
    warp_weights(k % 32, k / 32, weights + 16 * k);
}

// The weighted sums of B, G and R at a position in the resized image. Far beyond it all of the region's edge is 128.
CPM_DEVICE void rotated_sums(const unsigned* __restrict__ regions, const Sample& s, const int4* __restrict__ weights,
                             WarpPosition x, WarpPosition y, int sums[3]) {
    const int pitch = s.region_columns;
    const int first_x = clamp_int(x.whole - 1 - s.region_left, 0, pitch - 4);
    const int first_y = clamp_int(y.whole - 1 - s.region_top, 0, s.region_rows - 4);
    const unsigned* pixels = regions + s.region + (long long)first_y * pitch + first_x;
    const int4* own = weights + 2 * (32 * y.fraction + x.fraction);
    const int4 upper = own[0], lower = own[1];
    const int of_row[4][2] = {{upper.x, upper.y}, {upper.z, upper.w}, {lower.x, lower.y}, {lower.z, lower.w}};
    sums[0] = sums[1] = sums[2] = 0;
    for (int k = 0; k < 4; k++, pixels += pitch) {
        add_two_taps(pixels[0], pixels[1], of_row[k][0], sums);
        add_two_taps(pixels[2], pixels[3], of_row[k][1], sums);
    }
}

// Squared distance (pixels) beyond which add_peak adds nothing. It leaves out exponents above 4.6052, that is, squares
// above 9.2104 sigma^2. 9.22 lies a thousandth further, all roundings together at most 2^-21; and where sigma^2 is
// subnormal, its rounding cannot pass a squared distance, which is a float too.
CPM_DEVICE float peak_reach(float sigma) { return 9.22f * sigma * sigma; }

// False only where add_peak would leave the sum as it is; its squared distance is this very float.
CPM_DEVICE bool in_reach(float x, float y, float centre_x, float centre_y, float reach) {
    const float dx = x - centre_x, dy = y - centre_y;
    return !(dx * dx + dy * dy > reach);
}

// A block's crop pixels are 32 x 32, a warp's 8 x 4 at a time: a turned patch touches fewer rows than a turned line.
constexpr int CROP_TILE = 32;

struct NoState {};

// data: samples x (3 or, with the centre map, 4) x crop_rows x crop_columns.
CPM_KERNEL(256, 4)
rotate_and_crop(const unsigned* __restrict__ regions, const Sample* __restrict__ samples,
                const int4* __restrict__ weights, const float* __restrict__ centres, int crop_rows, int crop_columns,
                int centre, int all_centers, float sigma_center, float* __restrict__ data) {
    CPM_SHARED int across[2][CROP_TILE], start[2][CROP_TILE];
    ThreadBlock<NoState, 256> threads;
    const Sample& s = samples[blockIdx.z];
    const int left = blockIdx.x * CROP_TILE, top = blockIdx.y * CROP_TILE;
    const Range xs = crop_inside(s.left, crop_columns, s.rotated_columns);
    const Range ys = crop_inside(s.top, crop_rows, s.rotated_rows);
    threads.phase([&](NoState&, int id) {
        if (id >= 4 * CROP_TILE) return;
        const int axis = id / CROP_TILE % 2, i = id % CROP_TILE;
        const double* inverse = s.inverse + 3 * axis;
        if (id < 2 * CROP_TILE) across[axis][i] = xs.has(left + i) ? warp_across(inverse[0], s.left + left + i) : 0;
        else start[axis][i] = ys.has(top + i) ? warp_start(inverse[1], inverse[2], s.top + top + i) : 0;
    });
    threads.phase([&](NoState&, int id) {
        const int warp = id / 32, column = warp % 4 * 8 + id % 8, x = left + column;
        if (x >= crop_columns) return;
        const int out_x = crop_column(x, 0, crop_columns, s.flip);
        const long long plane = (long long)crop_rows * crop_columns;
        const float reach = peak_reach(sigma_center);
        for (int row = warp / 4 * 4 + id % 32 / 8; row < CROP_TILE && top + row < crop_rows; row += 8) {
            const int y = top + row;
            int sums[3] = {128 << 15, 128 << 15, 128 << 15};
            if (xs.has(x) && ys.has(y)) {
                const WarpPosition px = warp_position(start[0][row], across[0][column]);
                const WarpPosition py = warp_position(start[1][row], across[1][column]);
                rotated_sums(regions, s, weights, px, py, sums);
            }
            float* out = data + blockIdx.z * (centre ? 4 : 3) * plane + (long long)y * crop_columns + out_x;
            for (int c = 0; c < 3; c++) out[c * plane] = normalised(warp_round(sums[c]));
            if (!centre) continue;
            const float* centre_of = centres + 2 * s.first_person;
            float largest = 0.0f;
            for (int person = 0; person < people_of_centre_map(s, all_centers); person++, centre_of += 2)
                if (in_reach(grid_position(out_x, 1), grid_position(y, 1), centre_of[0], centre_of[1], reach))
                    largest = larger(largest, centre_element(out_x, y, centre_of, 1, sigma_center));
            out[3 * plane] = largest;
        }
    });
}

// label: samples x 2 (parts + 1) x rows x columns. One thread per grid point; a part's sum after the first person
// belongs to the primary person's map.
CPM_KERNEL(128, 8)
label_maps(const float* __restrict__ joints, const Sample* __restrict__ samples, int parts, int stride, float sigma,
           int rows, int columns, float* __restrict__ label) {
    const int point = (int)element_number();
    if (point >= rows * columns) return;
    const Sample& s = samples[blockIdx.z];
    const float x = grid_position(point % columns, stride), y = grid_position(point / columns, stride);
    const float reach = peak_reach(sigma);
    const long long plane = (long long)rows * columns;
    float* primary = label + blockIdx.z * 2LL * (parts + 1) * plane + point;
    float* everybody = primary + (parts + 1) * plane;
    float largest_primary = 0.0f, largest = 0.0f;
    for (int part = 0; part < parts; part++, primary += plane, everybody += plane) {
        const float* joint = joints + 3 * (s.first_person * parts + part);
        float sum = 0.0f;
        for (int person = 0; person < s.people; person++, joint += 3 * parts) {
            if (has_peak(joint) && in_reach(x, y, joint[0], joint[1], reach))
                sum = add_peak(sum, x, y, joint[0], joint[1], sigma);
            if (person == 0) *primary = sum, largest_primary = sum > largest_primary ? sum : largest_primary;
        }
        *everybody = sum;
        largest = sum > largest ? sum : largest;
    }
    *primary = background_element(largest_primary);
    *everybody = background_element(largest);
}
