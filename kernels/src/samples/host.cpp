// The CPU library of cpm_kernels: C functions over NumPy's memory, called through ctypes.
//
// The Python modules beside this folder check every size and dtype before they call. Whole-image functions run the
// headers' element functions one element at a time and serve the tests and debugging; transform_samples is what
// training calls.

#include "samples/host_peaks.h"
#include "samples/host_sample.h"
#include "common/parallel.h"

template <class Taps>
CPM_FN void transform_sample(const u8* images, const Sample& s, const float* joints, const float* centres,
                             const SampleShape& shape, float* data, float* label) {
    sample_image<Taps>(images, s, shape, data);
    const int rows = shape.crop_rows, columns = shape.crop_columns;
    float* centre = data + 3 * (size_t)rows * columns;
    const int shown = people_of_centre_map(s, shape.all_centers);
    if (shape.centre) draw_centre_map(centres, shown, shape.sigma_center, rows, columns, centre);
    if (label)
        draw_label_maps(joints, s.people, shape.parts, shape.stride, shape.sigma, rows / shape.stride,
                        columns / shape.stride, label);
}

static void transform_sample_portable(const u8* images, const Sample& s, const float* joints, const float* centres,
                                      const SampleShape& shape, float* data, float* label) {
    transform_sample<PortableTaps>(images, s, joints, centres, shape, data, label);
}

#if CPM_X86
CPM_AVX2 static void transform_sample_avx2(const u8* images, const Sample& s, const float* joints,
                                           const float* centres, const SampleShape& shape, float* data, float* label) {
    transform_sample<Avx2Taps>(images, s, joints, centres, shape, data, label);
}
#endif

static auto transform_sample_version([[maybe_unused]] int version) {
#if CPM_X86
    if (version >= CPU_AVX2) return transform_sample_avx2;
#endif
    return transform_sample_portable;
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

// centres: people x 2; out: rows x columns.
void cpm_centre_map(const float* centres, int people, float sigma, int rows, int columns, float* out) {
    draw_centre_map(centres, people, sigma, rows, columns, out);
}

// joints: people x parts x 3; out: 2 (parts + 1) x rows x columns.
void cpm_label_maps(const float* joints, int people, int parts, int stride, float sigma, int rows,
                               int columns, float* out) {
    draw_label_maps(joints, people, parts, stride, sigma, rows, columns, out);
}

void cpm_warp_inverse(const double matrix[6], double inverse[6]) { warp_inverse(matrix, inverse); }

// Fills the samples' sizes and regions, and hands out the GPU's scratch memory to them; returns the pixels needed.
long long cpm_set_regions(Sample* samples, long long count, const SampleShape* shape) {
    long long pixels = 0;
    for (long long i = 0; i < count; i++) {
        set_region(samples[i], *shape);
        samples[i].region = pixels;
        pixels += (long long)samples[i].region_columns * samples[i].region_rows;
    }
    return pixels;
}

// data: count x (3 or 4) x crop_rows x crop_columns; label: count x 2 (parts + 1) x crop / stride, or null.
void cpm_transform_samples(const u8* images, const Sample* samples, long long count, const float* joints,
                           const float* centres, const SampleShape* shape, int threads, int version, float* data,
                           float* label) {
    const long long data_step = (long long)(shape->centre ? 4 : 3) * shape->crop_rows * shape->crop_columns;
    const long long label_step = 2LL * (shape->parts + 1) * (shape->crop_rows / shape->stride) *
                                 (shape->crop_columns / shape->stride);
    const auto transform = transform_sample_version(version);
    parallel_for(threads, count, [&](long long i) {
        const float* own = joints + 3 * shape->parts * samples[i].first_person;
        transform(images, samples[i], own, centres + 2 * samples[i].first_person, *shape, data + i * data_step,
                  label ? label + i * label_step : label);
    });
}

// The element functions themselves, for tests: one value each.
float cpm_centre_element(int x, int y, const float* centres, int people, float sigma) {
    return centre_element(x, y, centres, people, sigma);
}

float cpm_label_element(const float* joints, int people, int parts, int channel, int gx, int gy, int stride,
                        float sigma) {
    return label_element(joints, people, parts, channel, gx, gy, stride, sigma);
}
}
