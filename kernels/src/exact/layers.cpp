// Host loops of Caffe's layers that are not matrix products: pooling, ReLU, and the functions that come from libm.

#include "common/parallel.h"
#include "exact/pooling.h"

constexpr long long CHUNK = 1 << 16;

// function(begin, end) over pieces of [0, count).
template <class Function>
static void in_chunks(int threads, long long count, const Function& function) {
    parallel_for(threads, (count + CHUNK - 1) / CHUNK, [&](long long chunk) {
        const long long begin = chunk * CHUNK, end = begin + CHUNK < count ? begin + CHUNK : count;
        function(begin, end);
    });
}

template <class Function>
static void map(const float* x, float* out, long long count, int threads, const Function& function) {
    in_chunks(threads, count, [&](long long begin, long long end) {
        for (long long i = begin; i < end; i++) out[i] = function(x[i]);
    });
}

extern "C" {

// where: int32, index of each maximum in its plane.
void cpm_max_pool(const float* x, int planes, const Pooling* pooling, int threads, float* out, int* where) {
    const Pooling& p = *pooling;
    const long long plane = (long long)p.height * p.width, pooled = (long long)p.out_height * p.out_width;
    parallel_for(threads, planes, [&](long long n) {
        const float* from = x + n * plane;
        for (int row = 0, i = 0; row < p.out_height; row++)
            for (int column = 0; column < p.out_width; column++, i++) {
                const int index = pooling_argmax(from, p, row, column);
                where[n * pooled + i] = index;
                out[n * pooled + i] = index < 0 ? -3.402823466e+38f : from[index];
            }
    });
}

void cpm_max_pool_gradient(const float* dy, const int* where, int planes, const Pooling* pooling, int threads,
                           float* dx) {
    const Pooling& p = *pooling;
    const long long plane = (long long)p.height * p.width, pooled = (long long)p.out_height * p.out_width;
    parallel_for(threads, planes, [&](long long n) {
        float* to = dx + n * plane;
        memset(to, 0, sizeof(float) * plane);
        for (long long i = n * pooled; i < (n + 1) * pooled; i++)
            if (where[i] >= 0) to[where[i]] += dy[i];
    });
}

void cpm_ave_pool(const float* x, int planes, const Pooling* pooling, int threads, float* out) {
    const Pooling& p = *pooling;
    const long long plane = (long long)p.height * p.width, pooled = (long long)p.out_height * p.out_width;
    parallel_for(threads, planes, [&](long long n) {
        for (int row = 0, i = 0; row < p.out_height; row++)
            for (int column = 0; column < p.out_width; column++, i++)
                out[n * pooled + i] = pooling_mean(x + n * plane, p, row, column);
    });
}

void cpm_ave_pool_gradient(const float* dy, int planes, const Pooling* pooling, int threads, float* dx) {
    const Pooling& p = *pooling;
    const long long plane = (long long)p.height * p.width;
    parallel_for(threads, planes, [&](long long n) {
        float* to = dx + n * plane;
        const float* from = dy + n * p.out_height * p.out_width;
        memset(to, 0, sizeof(float) * plane);
        for (int row = 0; row < p.out_height; row++)
            for (int column = 0; column < p.out_width; column++, from++) {
                const PoolingWindow w = pooling_window(p, row, column);
                for (int y = w.top; y < w.bottom; y++)
                    for (int x = w.left; x < w.right; x++) to[y * p.width + x] += *from / (float)w.area;
            }
    });
}

// max(x, 0) + slope min(x, 0): x itself where it is not negative.
void cpm_relu(const float* x, float slope, long long count, int threads, float* out) {
    map(x, out, count, threads, [slope](float v) { return v < 0.0f ? 0.0f + slope * v : v; });
}

// dy times 1 or slope, by the sign of x.
void cpm_relu_gradient(const float* x, const float* dy, float slope, long long count, int threads, float* dx) {
    in_chunks(threads, count, [&](long long begin, long long end) {
        for (long long i = begin; i < end; i++) dx[i] = dy[i] * (x[i] > 0.0f ? 1.0f : x[i] <= 0.0f ? slope : 0.0f);
    });
}

void cpm_exp(const float* x, long long count, int threads, float* out) {
    map(x, out, count, threads, [](float v) { return expf(v); });
}

void cpm_log(const float* x, long long count, int threads, float* out) {
    map(x, out, count, threads, [](float v) { return logf(v); });
}

void cpm_tanh(const float* x, long long count, int threads, float* out) {
    map(x, out, count, threads, [](float v) { return tanhf(v); });
}

// tanh of the LSTM's unit: 2 sigmoid(2 x) - 1 in double.
void cpm_logistic_tanh(const float* x, long long count, int threads, float* out) {
    map(x, out, count, threads, [](float v) { return (float)(2.0 * (1.0 / (1.0 + exp(-(2.0 * v)))) - 1.0); });
}

void cpm_pow(const float* x, float power, long long count, int threads, float* out) {
    map(x, out, count, threads, [power](float v) { return powf(v, power); });
}

// slope (channels) += the terms of its gradient, one by one in memory order; x is images x channels x plane.
void cpm_add_slope_gradient(const float* x, const float* dy, long long images, int channels, long long plane,
                            int shared, float* slope) {
    for (long long image = 0; image < images; image++)
        for (int channel = 0; channel < channels; channel++)
            for (long long i = 0; i < plane; i++, x++, dy++)
                slope[shared ? 0 : channel] += *dy * *x * (*x <= 0.0f ? 1.0f : 0.0f);
}
}
