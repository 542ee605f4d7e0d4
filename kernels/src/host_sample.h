// CPU path of one training image: scale, rotate, crop, flip and normalise, computing only what the crop shows.
//
// Same bits as the four steps one after another (every element comes from resize.h, warp_affine.h and crop.h; integer
// sums may be taken in any order). The part of the resized image that the crop's pixels touch is kept as rows of
// 4-channel pixels (B, G, R, 0), so that four taps are 16 neighbouring bytes, one vector.
// Outside the images everything is 128, whose normalised value is 0.

#pragma once
#include <vector>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "crop.h"
#include "gray.h"
#include "resize.h"
#include "warp_affine.h"

// An 8-bit BGR image with any strides (in bytes), so that planar and interleaved ones both serve.
struct StridedImage {
    const u8* data;
    int rows, columns;
    long long row_stride, column_stride, channel_stride;

    int operator()(int x, int y, int c) const { return data[y * row_stride + x * column_stride + c * channel_stride]; }
};

// The same with a constant border.
struct BorderedImage {
    StridedImage image;
    int border;

    int operator()(int x, int y, int c) const {
        const bool inside = x >= 0 && y >= 0 && x < image.columns && y < image.rows;
        return inside ? image(x, y, c) : border;
    }
};

struct SampleGeometry {
    double factor;          // of the resize
    double inverse[6];      // output to source of the rotation, see warp_inverse
    int rotated_rows, rotated_columns;
    int left, top;          // of the crop's window in the rotated image
    int crop_rows, crop_columns;
    int flip, gray, profile;
};

// Half-open range of integers.
struct Range {
    int begin, end;

    int size() const { return end > begin ? end - begin : 0; }
    bool has(int i) const { return i >= begin && i < end; }
};

struct WarpTable {
    short weight[32 * 32][16];

    WarpTable() {
        for (int k = 0; k < 32 * 32; k++) warp_weights(k % 32, k / 32, weight[k]);
    }
};

// Scratch memory, kept per thread: fresh pages would cost more than the arithmetic.
struct SampleScratch {
    std::vector<u8> source_row, region;
    std::vector<int> across[4], column_offset, sums;
    std::vector<short> weight;  // four per column of the region
};

// Where, per axis, every output pixel of the crop starts in the source: the sum of a column's and a row's term.
struct SamplePositions {
    std::vector<int> across_x, across_y, start_x, start_y;
    Range rows, columns;  // of the crop that lie inside the rotated image
};

inline void find_positions(const SampleGeometry& g, SamplePositions& p) {
    const auto inside = [](int offset, int size, int limit) {
        return Range{clamp_int(-offset, 0, size), clamp_int(limit - offset, 0, size)};
    };
    p.columns = inside(g.left, g.crop_columns, g.rotated_columns);
    p.rows = inside(g.top, g.crop_rows, g.rotated_rows);
    p.across_x.resize(g.crop_columns), p.across_y.resize(g.crop_columns);
    p.start_x.resize(g.crop_rows), p.start_y.resize(g.crop_rows);
    for (int x = p.columns.begin; x < p.columns.end; x++) {
        p.across_x[x] = warp_across(g.inverse[0], g.left + x);
        p.across_y[x] = warp_across(g.inverse[3], g.left + x);
    }
    for (int y = p.rows.begin; y < p.rows.end; y++) {
        p.start_x[y] = warp_start(g.inverse[1], g.inverse[2], g.top + y);
        p.start_y[y] = warp_start(g.inverse[4], g.inverse[5], g.top + y);
    }
}

// Source coordinates that the taps touch along one axis; three pixels beyond the image all is border, so positions
// further out are drawn in.
inline Range touched(const std::vector<int>& across, Range xs, const std::vector<int>& start, Range ys, int size) {
    if (!xs.size() || !ys.size()) return Range{0, 0};
    int low_x = across[xs.begin], high_x = low_x, low_y = start[ys.begin], high_y = low_y;
    for (int x = xs.begin; x < xs.end; x++) {
        low_x = across[x] < low_x ? across[x] : low_x;
        high_x = across[x] > high_x ? across[x] : high_x;
    }
    for (int y = ys.begin; y < ys.end; y++) {
        low_y = start[y] < low_y ? start[y] : low_y;
        high_y = start[y] > high_y ? start[y] : high_y;
    }
    const int low = clamp_int(warp_position(low_y, low_x).whole, -3, size + 1);
    const int high = clamp_int(warp_position(high_y, high_x).whole, -3, size + 1);
    return Range{low - 1, high + 3};
}

// `count` pixels as 4-channel pixels; with the column stride a constant, the loop becomes vector shuffles.
CPM_FN void interleave(const u8* __restrict pixel, long long column_stride, long long channel_stride, int count,
                       u8* __restrict out) {
    for (int i = 0; i < count; i++) {
        for (int c = 0; c < 3; c++) out[4 * i + c] = pixel[i * column_stride + c * channel_stride];
        out[4 * i + 3] = 0;
    }
}

// Source row y, columns `xs` (beyond the border: the edge repeated), as 4-channel pixels.
CPM_FN void copy_row(const StridedImage& source, int y, Range xs, int gray, int profile, u8* out) {
    const Range inside{clamp_int(xs.begin, 0, source.columns - 1), clamp_int(xs.end, 1, source.columns)};
    const u8* pixel = source.data + y * source.row_stride + inside.begin * source.column_stride;
    u8* first = out + 4 * (inside.begin - xs.begin);
    if (source.column_stride == 3 && source.channel_stride == 1) interleave(pixel, 3, 1, inside.size(), first);
    else if (source.column_stride == 1) interleave(pixel, 1, source.channel_stride, inside.size(), first);
    else interleave(pixel, source.column_stride, source.channel_stride, inside.size(), first);
    for (int x = inside.begin - 1; x >= xs.begin; x--) memcpy(out + 4 * (x - xs.begin), first, 4);
    for (int x = inside.end; x < xs.end; x++) memcpy(out + 4 * (x - xs.begin), first + 4 * (inside.size() - 1), 4);
    if (!gray) return;
    for (int i = 0; i < xs.size(); i++, out += 4)
        out[0] = out[1] = out[2] = gray_of_bgr(out[0], out[1], out[2], profile);
}

// Sums of weighted taps, one per channel. `pixels` are four neighbours of four channels.
#ifdef __SSE2__
struct ChannelSums {
    __m128i sums = _mm_setzero_si128();

    CPM_FN void add(const u8* pixels, const short weight[4]) {
        const __m128i zero = _mm_setzero_si128(), p = _mm_loadu_si128((const __m128i*)pixels);
        const __m128i next = _mm_srli_si128(p, 4);  // each pixel's right neighbour
        const __m128i left = _mm_unpacklo_epi8(_mm_unpacklo_epi8(p, next), zero);
        const __m128i right = _mm_unpacklo_epi8(_mm_unpackhi_epi8(p, next), zero);
        int pair[2];
        memcpy(pair, weight, sizeof pair);
        sums = _mm_add_epi32(sums, _mm_madd_epi16(left, _mm_set1_epi32(pair[0])));
        sums = _mm_add_epi32(sums, _mm_madd_epi16(right, _mm_set1_epi32(pair[1])));
    }

    CPM_FN void store(int out[4]) const { _mm_storeu_si128((__m128i*)out, sums); }
};
#else
struct ChannelSums {
    int sums[4] = {0, 0, 0, 0};

    CPM_FN void add(const u8* pixels, const short weight[4]) {
        for (int c = 0; c < 4; c++)
            for (int k = 0; k < 4; k++) sums[c] += pixels[4 * k + c] * weight[k];
    }

    CPM_FN void store(int out[4]) const { memcpy(out, sums, sizeof sums); }
};
#endif

// The rectangle xs x ys of the resized image, written into `region` (pixels of `whole` columns per row).
struct RegionWriter {
    const StridedImage& source;
    const SampleGeometry& g;
    SampleScratch& scratch;
    Range xs, ys;
    int out_columns;
    Range source_xs;
    int row_in_slot[4];

    CPM_FN void prepare_columns() {
        const ResizeTap first = resize_tap(xs.begin, g.factor), last = resize_tap(xs.end - 1, g.factor);
        source_xs = Range{first.first, last.first + 4};
        scratch.source_row.resize(4 * source_xs.size());
        scratch.weight.resize(4 * xs.size());
        scratch.column_offset.resize(xs.size());
        for (int k = 0; k < 4; k++) scratch.across[k].resize(4 * xs.size()), row_in_slot[k] = -1;
        for (int x = xs.begin; x < xs.end; x++) {
            const ResizeTap tap = resize_tap(x, g.factor);
            scratch.column_offset[x - xs.begin] = 4 * (tap.first - source_xs.begin);
            memcpy(&scratch.weight[4 * (x - xs.begin)], tap.weight, sizeof tap.weight);
        }
    }

    // Horizontal pass of source row y, kept in one of four slots.
    CPM_FN const int* across(int y) {
        const int slot = y & 3;
        int* out = scratch.across[slot].data();
        if (row_in_slot[slot] == y) return out;
        row_in_slot[slot] = y;
        copy_row(source, y, source_xs, g.gray, g.profile, scratch.source_row.data());
        const short* weight = scratch.weight.data();
        const u8* pixels = scratch.source_row.data();
        for (int i = 0; i < xs.size(); i++) {
            ChannelSums sums;
            sums.add(pixels + scratch.column_offset[i], weight + 4 * i);
            sums.store(out + 4 * i);
        }
        return out;
    }

    // Vertical pass of output row y.
    CPM_FN void row(int y, u8* out) {
        const ResizeTap down = resize_tap(y, g.factor);
        const int* s[4];
        for (int k = 0; k < 4; k++) s[k] = across(clamp_int(down.first + k, 0, source.rows - 1));
        for (int i = 0; i < 4 * xs.size(); i++) {
            const int column[4] = {s[0][i], s[1][i], s[2][i], s[3][i]};
            out[i] = resize_down(column, down.weight, g.profile);
        }
        for (int e = resize_tail(3 * out_columns); e < 3 * out_columns; e++) {
            if (!xs.has(e / 3)) continue;
            const int i = 4 * (e / 3 - xs.begin) + e % 3;
            const int column[4] = {s[0][i], s[1][i], s[2][i], s[3][i]};
            out[i] = resize_down_tail(column, down.weight);
        }
    }
};

// The resized image over touched_x x touched_y, which may reach beyond it: there, 128.
CPM_FN void fill_region(const StridedImage& source, const SampleGeometry& g, Range touched_x, Range touched_y,
                        SampleScratch& scratch) {
    const int columns = resized_size(source.columns, g.factor), rows = resized_size(source.rows, g.factor);
    const Range xs{clamp_int(touched_x.begin, 0, columns), clamp_int(touched_x.end, 0, columns)};
    const Range ys{clamp_int(touched_y.begin, 0, rows), clamp_int(touched_y.end, 0, rows)};
    const size_t pitch = 4 * (size_t)touched_x.size();
    scratch.region.resize(pitch * touched_y.size());
    if (xs.size() < touched_x.size() || ys.size() < touched_y.size())
        memset(scratch.region.data(), 128, scratch.region.size());
    if (!xs.size() || !ys.size()) return;
    const bool copied = columns == source.columns && rows == source.rows;
    RegionWriter writer{source, g, scratch, xs, ys, columns, Range{0, 0}, {-1, -1, -1, -1}};
    if (!copied) writer.prepare_columns();
    for (int y = ys.begin; y < ys.end; y++) {
        u8* out = &scratch.region[pitch * (y - touched_y.begin) + 4 * (size_t)(xs.begin - touched_x.begin)];
        if (copied) copy_row(source, y, xs, g.gray, g.profile, out);
        else writer.row(y, out);
    }
}

// Rotation of one crop row: four weighted sums per pixel.
CPM_FN void rotate_row(const SamplePositions& p, const WarpTable& table, Range touched_x, Range touched_y,
                       const u8* region, int y, int* sums) {
    const size_t pitch = 4 * (size_t)touched_x.size();
    const int start_x = p.start_x[y], start_y = p.start_y[y];
    for (int x = p.columns.begin; x < p.columns.end; x++) {
        const WarpPosition px = warp_position(start_x, p.across_x[x]), py = warp_position(start_y, p.across_y[x]);
        const int first_x = clamp_int(px.whole - 1, touched_x.begin, touched_x.end - 4) - touched_x.begin;
        const int first_y = clamp_int(py.whole - 1, touched_y.begin, touched_y.end - 4) - touched_y.begin;
        const u8* pixels = region + pitch * first_y + 4 * (size_t)first_x;
        const short* weight = table.weight[32 * py.fraction + px.fraction];
        ChannelSums pixel;
        for (int k = 0; k < 4; k++) pixel.add(pixels + pitch * k, weight + 4 * k);
        pixel.store(sums + 4 * x);
    }
}

// Flip and normalisation of one crop row into the three planes of `data`.
CPM_FN void write_row(const SampleGeometry& g, Range columns, const int* sums, int y, float* data) {
    for (int c = 0; c < 3; c++) {
        float* row = data + ((size_t)c * g.crop_rows + y) * g.crop_columns;
        if (g.flip)
            for (int x = columns.begin; x < columns.end; x++)
                row[crop_column(x, 0, g.crop_columns, true)] = normalised(warp_round(sums[4 * x + c]));
        else
            for (int x = columns.begin; x < columns.end; x++) row[x] = normalised(warp_round(sums[4 * x + c]));
    }
}

// data: 3 x crop_rows x crop_columns.
CPM_FN void sample_image(const StridedImage& source, const SampleGeometry& g, float* data) {
    static const WarpTable table;
    static thread_local SampleScratch scratch;
    static thread_local SamplePositions positions;
    memset(data, 0, sizeof(float) * 3 * g.crop_rows * g.crop_columns);
    find_positions(g, positions);
    const SamplePositions& p = positions;
    if (!p.rows.size() || !p.columns.size()) return;
    const Range xs = touched(p.across_x, p.columns, p.start_x, p.rows, resized_size(source.columns, g.factor));
    const Range ys = touched(p.across_y, p.columns, p.start_y, p.rows, resized_size(source.rows, g.factor));
    fill_region(source, g, xs, ys, scratch);
    scratch.sums.resize(4 * g.crop_columns);
    for (int y = p.rows.begin; y < p.rows.end; y++) {
        rotate_row(p, table, xs, ys, scratch.region.data(), y, scratch.sums.data());
        write_row(g, p.columns, scratch.sums.data(), y, data);
    }
}
