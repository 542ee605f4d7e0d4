// Caffe's random stream for Python: each call draws `count` numbers and leaves the generator after them.

#include "exact/random.h"

extern "C" {

void cpm_random_seed(MersenneTwister* twister, unsigned seed) { seed_twister(*twister, seed); }

void cpm_random_draws(MersenneTwister* twister, long long count, unsigned* out) {
    for (long long i = 0; i < count; i++) out[i] = draw(*twister);
}

void cpm_random_normal(MersenneTwister* twister, float mean, float deviation, long long count, float* out) {
    for (long long i = 0; i < count; i++) out[i] = draw_normal(*twister, mean, deviation);
}

void cpm_random_uniform(MersenneTwister* twister, float low, float high, long long count, float* out) {
    for (long long i = 0; i < count; i++) out[i] = draw_uniform(*twister, low, high);
}

void cpm_random_bernoulli_float(MersenneTwister* twister, float p, long long count, u8* out) {
    for (long long i = 0; i < count; i++) out[i] = draw_bernoulli(*twister, p);
}

void cpm_random_bernoulli_double(MersenneTwister* twister, double p, long long count, u8* out) {
    for (long long i = 0; i < count; i++) out[i] = draw_bernoulli(*twister, p);
}
}
