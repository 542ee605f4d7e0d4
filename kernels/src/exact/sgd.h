// One element of Caffe's SGD update (sgd_solver.cpp), in the order of its BLAS calls: scal by the clipping factor, scal
// by 1 / iter_size, axpy of the decay, axpby into the history, and the weight minus that.

#pragma once
#include "common/device.h"

struct SgdStep {
    float clip;      // factor of every gradient, 1 where the norm is small enough
    float share;     // 1 / iter_size
    float decay;     // weight_decay * decay_mult
    int absolute;    // L1: the decay goes along the weight's sign
    float rate;      // learning rate * lr_mult
    float momentum;
};

// A row of the table that one launch updates: where a blob's numbers lie and what happens to them.
struct SgdBlob {
    const float* gradient;
    float* weight;
    float* history;
    long long count;
    SgdStep step;
};

CPM_FN float sign_of(float value) { return (float)((value > 0.0f) - (value < 0.0f)); }

// OpenBLAS's axpy leaves y alone where the factor is 0, and its scal by 0 gives 0 whatever was there.
CPM_FN float axpy_element(float factor, float x, float y) { return factor == 0.0f ? y : fmaf(factor, x, y); }

CPM_FN float scal_element(float factor, float x) { return factor == 0.0f ? 0.0f : factor * x; }

CPM_FN void sgd_element(const SgdStep& step, float gradient, float& weight, float& history) {
    gradient = step.share * (step.clip * gradient);
    gradient = axpy_element(step.decay, step.absolute ? sign_of(weight) : weight, gradient);
    history = axpy_element(step.rate, gradient, scal_element(step.momentum, history));
    weight = weight - history;
}
