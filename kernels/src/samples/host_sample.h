// CPU path of one training image: scale, rotate, crop, flip and normalise, computing only what the crop shows.
//
// Same bits as the four steps one after another: every element comes from resize.h, warp_affine.h and crop.h, or from
// the sums of tap_sums.h. The part of the resized image that the crop's pixels touch is kept as rows of 4-byte pixels
// (B, G, R, 0). Outside the images everything is 128, whose normalised value is 0.

#pragma once
#include <vector>

#include "samples/sample.h"
#include "samples/tap_sums.h"

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

// Scratch memory, kept per thread: fresh pages would cost more than the arithmetic.
struct SampleScratch {
    std::vector<u8> source_row, region, crop_row;
    std::vector<int> across[4], column_first;  // of the resize: four rows after the horizontal pass; taps per column
    std::vector<short> column_weight;
    std::vector<int> across_x, across_y;  // of the rotation: what each crop column adds to a source position
    std::vector<int> first, weights;      // see WarpRow
};

// `count` pixels as 4-byte pixels; with the column stride a constant, the loop becomes vector shuffles. (Strided loops
// count in 64 bits: Python builds with -fwrapv, under which 4 * i may wrap in an int, and GCC gives up vectors.)
CPM_FN void interleave(const u8* __restrict pixel, long long column_stride, long long channel_stride, int count,
                       u8* __restrict out) {
    for (long long i = 0; i < count; i++) {
        for (int c = 0; c < 3; c++) out[4 * i + c] = pixel[i * column_stride + c * channel_stride];
        out[4 * i + 3] = 0;
    }
}

// Source row y, columns `xs` (beyond the border: the edge repeated), as 4-byte pixels.
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
    for (long long i = 0; i < xs.size(); i++) {
        u8* bgr = out + 4 * i;
        bgr[0] = bgr[1] = bgr[2] = gray_of_bgr(bgr[0], bgr[1], bgr[2], profile);
    }
}

// The columns xs of the resized image, row by row.
template <class Taps>
struct RegionWriter {
    const StridedImage& source;
    const Sample& s;
    const SampleShape& shape;
    SampleScratch& scratch;
    Range xs;
    Range source_xs{0, 0};
    int row_in_slot[4] = {-1, -1, -1, -1};

    CPM_FN void prepare_columns() {
        const ResizeTap first = resize_tap(xs.begin, s.factor), last = resize_tap(xs.end - 1, s.factor);
        source_xs = Range{first.first, last.first + 4};
        const int padded = xs.size() + TAP_PADDING;
        scratch.source_row.resize(4 * source_xs.size());
        scratch.column_first.assign(padded, 0);
        scratch.column_weight.resize(4 * padded);
        for (int k = 0; k < 4; k++) scratch.across[k].resize(4 * padded);
        for (int x = xs.begin; x < xs.end; x++) {
            const ResizeTap tap = resize_tap(x, s.factor);
            scratch.column_first[x - xs.begin] = 4 * (tap.first - source_xs.begin);
            memcpy(&scratch.column_weight[4 * (x - xs.begin)], tap.weight, sizeof tap.weight);
        }
    }

    // Horizontal pass of source row y, kept in one of four slots.
    CPM_FN const int* across(int y) {
        const int slot = y & 3;
        int* out = scratch.across[slot].data();
        if (row_in_slot[slot] == y) return out;
        row_in_slot[slot] = y;
        copy_row(source, y, source_xs, shape.gray, shape.profile, scratch.source_row.data());
        Taps::across(scratch.source_row.data(), scratch.column_first.data(), scratch.column_weight.data(), xs.size(),
                     out);
        return out;
    }

    // Vertical pass of output row y.
    CPM_FN void row(int y, u8* out) {
        const ResizeTap tap = resize_tap(y, s.factor);
        const int* taps[4];
        for (int k = 0; k < 4; k++) taps[k] = across(clamp_int(tap.first + k, 0, source.rows - 1));
        Taps::down(taps, tap.weight, shape.profile, 4 * xs.size(), out);
        for (int e = resize_tail(3 * s.resized_columns); e < 3 * s.resized_columns; e++) {
            if (!xs.has(e / 3)) continue;
            const int i = 4 * (e / 3 - xs.begin) + e % 3;
            const int column[4] = {taps[0][i], taps[1][i], taps[2][i], taps[3][i]};
            out[i] = resize_down_tail(column, tap.weight);
        }
    }
};

// The sample's region of the resized image; where it reaches beyond the image, 128.
template <class Taps>
CPM_FN void fill_region(const StridedImage& source, const Sample& s, const SampleShape& shape, SampleScratch& scratch) {
    const Range xs{clamp_int(s.region_left, 0, s.resized_columns),
                   clamp_int(s.region_left + s.region_columns, 0, s.resized_columns)};
    const Range ys{clamp_int(s.region_top, 0, s.resized_rows),
                   clamp_int(s.region_top + s.region_rows, 0, s.resized_rows)};
    const size_t pitch = 4 * (size_t)s.region_columns;
    scratch.region.resize(pitch * s.region_rows);
    if (xs.size() < s.region_columns || ys.size() < s.region_rows)
        memset(scratch.region.data(), 128, scratch.region.size());
    if (!xs.size() || !ys.size()) return;
    const bool copied = s.resized_columns == s.columns && s.resized_rows == s.rows;
    RegionWriter<Taps> writer{source, s, shape, scratch, xs};
    if (!copied) writer.prepare_columns();
    for (int y = ys.begin; y < ys.end; y++) {
        u8* out = &scratch.region[pitch * (y - s.region_top) + 4 * (size_t)(xs.begin - s.region_left)];
        if (copied) copy_row(source, y, xs, shape.gray, shape.profile, out);
        else writer.row(y, out);
    }
}

// Whether no tap around this position lies inside the resized image.
CPM_FN bool beyond(WarpPosition x, WarpPosition y, const Sample& s) {
    return x.whole < -2 || x.whole > s.resized_columns || y.whole < -2 || y.whole > s.resized_rows;
}

// The crop row by row, from the region; mirrored if the sample is.
template <class Taps>
struct CropWriter {
    const Sample& s;
    const SampleShape& shape;
    SampleScratch& scratch;
    Range columns{0, 0};  // of the crop that lie inside the rotated image

    CPM_FN void prepare_columns() {
        const Range inside = crop_inside(s.left, shape.crop_columns, s.rotated_columns);
        columns = s.flip ? Range{shape.crop_columns - inside.end, shape.crop_columns - inside.begin} : inside;
        const int padded = shape.crop_columns + TAP_PADDING;
        for (auto* row : {&scratch.across_x, &scratch.across_y, &scratch.first, &scratch.weights}) row->resize(padded);
        scratch.crop_row.resize(4 * padded);
        for (int x = columns.begin; x < columns.end; x++) {
            const int column = crop_column(x, s.left, shape.crop_columns, s.flip);
            scratch.across_x[x] = warp_across(s.inverse[0], column);
            scratch.across_y[x] = warp_across(s.inverse[3], column);
        }
    }

    // The columns of a row that show something of the image. Positions go one way along a row, so they are neighbours.
    CPM_FN Range shown(int start_x, int start_y) const {
        const auto outside = [&](int x) {
            return beyond(warp_position(start_x, scratch.across_x[x]), warp_position(start_y, scratch.across_y[x]), s);
        };
        Range xs = columns;
        while (xs.begin < xs.end && outside(xs.begin)) xs.begin++;
        while (xs.begin < xs.end && outside(xs.end - 1)) xs.end--;
        return xs;
    }

    // Where the columns xs of a row have their first taps in the region, and which weights.
    CPM_FN void place_taps(int start_x, int start_y, Range xs) {
        const int *across_x = scratch.across_x.data() + xs.begin, *across_y = scratch.across_y.data() + xs.begin;
        int *first = scratch.first.data(), *weights = scratch.weights.data();
        const int left = s.region_left + 1, top = s.region_top + 1, pitch = s.region_columns;
        const int last_x = s.region_columns - 4, last_y = s.region_rows - 4;
        for (int i = 0; i < xs.size() + TAP_PADDING; i++) {
            const WarpPosition x = warp_position(start_x, across_x[i]), y = warp_position(start_y, across_y[i]);
            first[i] = clamp_int(y.whole - top, 0, last_y) * pitch + clamp_int(x.whole - left, 0, last_x);
            weights[i] = 32 * y.fraction + x.fraction;
        }
    }

    // Row y of the crop into scratch.crop_row; returns the columns that it now holds.
    CPM_FN Range rotate(int y, const WarpTable& table) {
        const int start_x = warp_start(s.inverse[1], s.inverse[2], s.top + y);
        const int start_y = warp_start(s.inverse[4], s.inverse[5], s.top + y);
        const Range xs = shown(start_x, start_y);
        place_taps(start_x, start_y, xs);
        const WarpRow row{scratch.region.data(), 4 * (size_t)s.region_columns, scratch.first.data(),
                          scratch.weights.data()};
        Taps::rotate(row, table, xs.size(), scratch.crop_row.data());
        return xs;
    }

    // One row of channel c of `data`: the columns xs from scratch.crop_row, 0 elsewhere.
    CPM_FN void write_row(Range xs, int c, float* __restrict out) const {
        const u8* __restrict pixels = scratch.crop_row.data();  // null where nothing is shown: no step from it
        memset(out, 0, sizeof(float) * xs.begin);
        for (long long i = 0; i < xs.size(); i++) out[xs.begin + i] = normalised(pixels[4 * i + c]);
        memset(out + xs.end, 0, sizeof(float) * (shape.crop_columns - xs.end));
    }
};

// The three planes of the image. data: 3 x crop_rows x crop_columns.
template <class Taps>
CPM_FN void sample_image(const u8* images, const Sample& s, const SampleShape& shape, float* data) {
    static const WarpTable table;
    static thread_local SampleScratch scratch;
    const StridedImage source{images + s.image, s.rows,          s.columns,
                              s.row_stride,     s.column_stride, s.channel_stride};
    const Range rows = s.region_rows ? crop_inside(s.top, shape.crop_rows, s.rotated_rows) : Range{0, 0};
    CropWriter<Taps> crop{s, shape, scratch};
    if (rows.size()) {
        fill_region<Taps>(source, s, shape, scratch);
        crop.prepare_columns();
    }
    for (int y = 0; y < shape.crop_rows; y++) {
        const Range xs = rows.has(y) ? crop.rotate(y, table) : Range{0, 0};
        for (int c = 0; c < 3; c++)
            crop.write_row(xs, c, data + ((size_t)c * shape.crop_rows + y) * shape.crop_columns);
    }
}
