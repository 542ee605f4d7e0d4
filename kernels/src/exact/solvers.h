// One element of Caffe's update of a learnable blob (sgd_solver.cpp and the other solvers' files), in the order of its
// BLAS calls: scal by the clipping factor, scal by 1 / iter_size, axpy of the decay, the solver's own value, and the
// weight minus that. The value takes the gradient's place, as in Caffe's diff.

#pragma once
#include "common/powf.h"
#include "exact/blas.h"

// In caffe.proto's order (SolverParameter.SolverType).
enum SolverType { SGD, NESTEROV, ADAGRAD, RMSPROP, ADADELTA, ADAM };

struct SolverStep {
    int type;         // a SolverType
    float clip;       // factor of every gradient, 1 where the norm is small enough
    float share;      // 1 / iter_size
    float decay;      // weight_decay * decay_mult
    int absolute;     // L1: the decay goes along the weight's sign
    float rate;       // learning rate * lr_mult; Adam: times its correction of the first iterations
    float momentum;   // RMSProp: rms_decay; Adam: its beta1
    float momentum2;  // Adam's beta2
    float delta;
    BlasProfile profile;  // whose axpy it is
};

// A row of the table that one launch updates: where a blob's numbers lie and what happens to them.
struct SolverBlob {
    float* gradient;
    float* weight;
    float* history;
    float* second_history;  // AdaDelta and Adam
    long long count;
    SolverStep step;
};

CPM_FN float sign_of(float value) { return (float)((value > 0.0f) - (value < 0.0f)); }

CPM_FN float scal_element(float factor, float x) { return factor == 0.0f ? 0.0f : factor * x; }

// How one element's axpy rounds.
struct Axpy {
    bool fused;

    // OpenBLAS's axpy leaves y alone where the factor is 0, and its scal by 0 gives 0 whatever was there.
    CPM_FN float operator()(float factor, float x, float y) const {
        return factor == 0.0f ? y : multiply_add(fused, factor, x, y);
    }

    CPM_FN float by(float a, float x, float b, float y) const { return (*this)(a, x, scal_element(b, y)); }
};

CPM_FN float squared(float x) { return glibc_powf(x, 2.0f); }

CPM_FN float root(float x) { return glibc_powf(x, 0.5f); }

// rate * gradient / (sqrt(history) + delta)
CPM_FN float adaptive_value(const SolverStep& step, Axpy axpy, float gradient, float history) {
    return axpy.by(step.rate, gradient / (root(history) + step.delta), 0.0f, 0.0f);
}

CPM_FN float nesterov_value(const SolverStep& step, Axpy axpy, float gradient, float& history) {
    const float before = history;
    history = axpy.by(step.rate, gradient, step.momentum, before);
    return axpy.by(1.0f + step.momentum, history, -step.momentum, before);
}

CPM_FN float adadelta_value(const SolverStep& step, Axpy axpy, float gradient, float& history,
                            float& second_history) {
    const float kept = step.momentum, taken = 1.0f - kept;
    history = axpy.by(taken, squared(gradient), kept, history);
    const float value = gradient * root((step.delta + second_history) / (step.delta + history));
    second_history = axpy.by(taken, squared(value), kept, second_history);
    return scal_element(step.rate, value);
}

CPM_FN float adam_value(const SolverStep& step, Axpy axpy, float gradient, float& history, float& second_history) {
    history = axpy.by(1.0f - step.momentum, gradient, step.momentum, history);
    second_history = axpy.by(1.0f - step.momentum2, gradient * gradient, step.momentum2, second_history);
    return scal_element(step.rate, history / (root(second_history) + step.delta));
}

template <int TYPE>
CPM_FN float solver_value(const SolverStep& step, Axpy axpy, float gradient, float& history, float& second_history) {
    if (TYPE == NESTEROV) return nesterov_value(step, axpy, gradient, history);
    if (TYPE == ADADELTA) return adadelta_value(step, axpy, gradient, history, second_history);
    if (TYPE == ADAM) return adam_value(step, axpy, gradient, history, second_history);
    if (TYPE == SGD) return history = axpy.by(step.rate, gradient, step.momentum, history);
    if (TYPE == ADAGRAD)
        history = squared(gradient) + history;
    else
        history = axpy.by(1.0f - step.momentum, squared(gradient), step.momentum, history);
    return adaptive_value(step, axpy, gradient, history);
}

// Element `at` of a blob; solvers without a second history never touch it.
template <int TYPE>
CPM_FN void solver_element(const SolverBlob& blob, const SolverStep& step, Axpy axpy, long long at) {
    constexpr bool TWO = TYPE == ADADELTA || TYPE == ADAM;
    const float weight = blob.weight[at], scaled = step.share * scal_element(step.clip, blob.gradient[at]);
    const float gradient = axpy(step.decay, step.absolute ? sign_of(weight) : weight, scaled);
    float history = blob.history[at], second_history = TWO ? blob.second_history[at] : 0.0f;
    const float value = solver_value<TYPE>(step, axpy, gradient, history, second_history);
    blob.history[at] = with_nan_of_x86(history);
    if (TWO) blob.second_history[at] = with_nan_of_x86(second_history);
    blob.gradient[at] = with_nan_of_x86(value);
    blob.weight[at] = with_nan_of_x86(weight - value);
}

// Elements first, first + stride, ... of a blob before `end`.
template <int TYPE>
CPM_FN void solver_elements(const SolverBlob& blob, long long first, long long end, long long stride) {
    const SolverStep step = blob.step;
    if (has_avx512(step.profile)) {
        for (long long at = first; at < end; at += stride) solver_element<TYPE>(blob, step, Axpy{true}, at);
        return;
    }
    for (long long at = first; at < end; at += stride)
        solver_element<TYPE>(blob, step, Axpy{axpy_is_fused(at, blob.count, step.profile)}, at);
}

CPM_FN void update_elements(const SolverBlob& blob, long long first, long long end, long long stride) {
    switch (blob.step.type) {
        case SGD: return solver_elements<SGD>(blob, first, end, stride);
        case NESTEROV: return solver_elements<NESTEROV>(blob, first, end, stride);
        case ADAGRAD: return solver_elements<ADAGRAD>(blob, first, end, stride);
        case RMSPROP: return solver_elements<RMSPROP>(blob, first, end, stride);
        case ADADELTA: return solver_elements<ADADELTA>(blob, first, end, stride);
        case ADAM: return solver_elements<ADAM>(blob, first, end, stride);
    }
}
