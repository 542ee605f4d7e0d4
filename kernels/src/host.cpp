// The CPU library of cpm_kernels: C functions over NumPy's memory, called through ctypes.
//
// The Python modules beside this folder check every size and dtype before they call. Whole-image functions run the
// headers' element functions one element at a time and serve the tests and debugging; sample_image and label_maps are
// what training calls.

#include "expf.h"
#include "gaussian.h"
#include "host_sample.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define CPM_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CPM_CLONES
#endif

static StridedImage image_of(const u8* data, int rows, int columns, const long long strides[3]) {
    return StridedImage{data, rows, columns, strides[0], strides[1], strides[2]};
}

static Range peak_range(float centre, float sigma, int stride, int size) {
    const float first = grid_position(0, stride), radius = peak_radius(sigma);
    const float low = floorf((centre - radius - first) / (float)stride) - 1.0f;
    const float high = ceilf((centre + radius - first) / (float)stride) + 2.0f;
    const auto limited = [size](float v) { return v > 0.0f ? (v < (float)size ? (int)v : size) : 0; };
    return Range{limited(low), limited(high)};
}

// Adds one peak to a map of rows x columns.
CPM_FN void draw_peak(float* map, int rows, int columns, int stride, float x, float y, float sigma) {
    const Range xs = peak_range(x, sigma, stride, columns), ys = peak_range(y, sigma, stride, rows);
    for (int gy = ys.begin; gy < ys.end; gy++)
        for (int gx = xs.begin; gx < xs.end; gx++) {
            float& element = map[(size_t)gy * columns + gx];
            element = add_peak(element, grid_position(gx, stride), grid_position(gy, stride), x, y, sigma);
        }
}

CPM_FN void draw_background(float* maps, int parts, size_t plane) {
    float* background = maps + parts * plane;
    for (int part = 0; part < parts; part++)
        for (size_t i = 0; i < plane; i++) {
            const float belief = maps[part * plane + i];
            background[i] = belief > background[i] ? belief : background[i];
        }
    for (size_t i = 0; i < plane; i++) background[i] = background_element(background[i]);
}

extern "C" {

void cpm_expf(const float* x, float* out, long long count) {
    for (long long i = 0; i < count; i++) out[i] = glibc_expf(x[i]);
}

void cpm_gray(const u8* bgr, u8* out, long long pixels, int profile) {
    for (long long i = 0; i < pixels; i++) {
        const u8 gray = gray_of_bgr(bgr[3 * i], bgr[3 * i + 1], bgr[3 * i + 2], profile);
        for (int c = 0; c < 3; c++) out[3 * i + c] = gray;
    }
}

int cpm_resized_size(int size, double factor) { return resized_size(size, factor); }

// out: resized_size(rows) x resized_size(columns) x channels.
void cpm_resize(const u8* data, int rows, int columns, int channels, double factor, int profile, u8* out) {
    const StridedImage source{data, rows, columns, (long long)columns * channels, channels, 1};
    const int out_rows = resized_size(rows, factor), out_columns = resized_size(columns, factor);
    for (int y = 0; y < out_rows; y++)
        for (int x = 0; x < out_columns; x++)
            for (int c = 0; c < channels; c++)
                *out++ = resized_element(source, rows, columns, channels, factor, x, y, c, profile);
}

// out: out_rows x out_columns x channels.
void cpm_warp_affine(const u8* data, int rows, int columns, int channels, const double matrix[6], int border,
                     int out_rows, int out_columns, u8* out) {
    const BorderedImage source{{data, rows, columns, (long long)columns * channels, channels, 1}, border};
    double inverse[6];
    warp_inverse(matrix, inverse);
    for (int y = 0; y < out_rows; y++)
        for (int x = 0; x < out_columns; x++) {
            const WarpPosition px = warp_position(warp_start(inverse[1], inverse[2], y), warp_across(inverse[0], x));
            const WarpPosition py = warp_position(warp_start(inverse[4], inverse[5], y), warp_across(inverse[3], x));
            short weight[16];
            warp_weights(px.fraction, py.fraction, weight);
            for (int c = 0; c < channels; c++) *out++ = warped_element(source, px, py, weight, c);
        }
}

// out: crop_rows x crop_columns x channels.
void cpm_crop(const u8* data, int rows, int columns, int channels, int left, int top, int flip, int border,
              int crop_rows, int crop_columns, u8* out) {
    const BorderedImage source{{data, rows, columns, (long long)columns * channels, channels, 1}, border};
    for (int y = 0; y < crop_rows; y++)
        for (int x = 0; x < crop_columns; x++)
            for (int c = 0; c < channels; c++) *out++ = cropped_element(source, x, y, c, left, top, crop_columns, flip);
}

// bgr: pixels x channels interleaved; out: channels planes.
void cpm_normalise(const u8* bgr, long long pixels, int channels, float* out) {
    for (int c = 0; c < channels; c++)
        for (long long i = 0; i < pixels; i++) *out++ = normalised(bgr[i * channels + c]);
}

// data: 3 x crop_rows x crop_columns.
CPM_CLONES void cpm_sample_image(const u8* image, int rows, int columns, const long long strides[3], double factor,
                                 const double matrix[6], const int rotated[2], const int window[4], int flip, int gray,
                                 int profile, float* data) {
    SampleGeometry g{factor, {}, rotated[0], rotated[1], window[0], window[1], window[2], window[3], flip, gray,
                     profile};
    warp_inverse(matrix, g.inverse);
    sample_image(image_of(image, rows, columns, strides), g, data);
}

// out: rows x columns.
CPM_CLONES void cpm_centre_map(float x, float y, float sigma, int rows, int columns, float* out) {
    memset(out, 0, sizeof(float) * rows * columns);
    draw_peak(out, rows, columns, 1, x, y, sigma);
}

// joints: people x parts x 3; out: 2 (parts + 1) x rows x columns.
CPM_CLONES void cpm_label_maps(const float* joints, int people, int parts, int stride, float sigma, int rows,
                               int columns, float* out) {
    const size_t plane = (size_t)rows * columns;
    memset(out, 0, sizeof(float) * 2 * (parts + 1) * plane);
    for (int person = 0; person < people; person++)
        for (int part = 0; part < parts; part++) {
            const float* joint = joints + 3 * (person * parts + part);
            if (!has_peak(joint)) continue;
            float* everybody = out + (parts + 1 + part) * plane;
            draw_peak(everybody, rows, columns, stride, joint[0], joint[1], sigma);
            if (person == 0) draw_peak(out + part * plane, rows, columns, stride, joint[0], joint[1], sigma);
        }
    draw_background(out, parts, plane);
    draw_background(out + (parts + 1) * plane, parts, plane);
}

// The element functions themselves, for tests: one value each.
float cpm_centre_element(int x, int y, float centre_x, float centre_y, float sigma) {
    return centre_element(x, y, centre_x, centre_y, sigma);
}

float cpm_label_element(const float* joints, int people, int parts, int channel, int gx, int gy, int stride,
                        float sigma) {
    return label_element(joints, people, parts, channel, gx, gy, stride, sigma);
}
}
