"""Scale, BatchNorm's averages and LRN's gradient, against Caffe's loops and BLAS calls one by one."""

import numpy as np
import pytest
import torch

from prototxt_import.engine import make_engine
from tests.bits import assert_same_bits

F = np.float32


def numbers(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(F)


def fused(factor, x, y):
    """float32(factor · x + y), rounded once: the product of two float32 is exact in double, the sum all but."""
    return (np.float64(factor) * x + y.astype(np.float64)).astype(F)


def test_a_factor_of_0_leaves_no_trace():
    """sscal by 0 writes zeros, forward and backward: no −0, no NaN of what was infinite."""
    x, dy = numbers(0, 2, 3, 4), numbers(1, 2, 3, 4)
    x[0, 1, :2], dy[1, 1, :2] = (-np.inf, np.nan), (np.inf, -1)
    bottom, factor = torch.from_numpy(x).requires_grad_(), torch.tensor([2.0, 0.0, -1.0])
    top = make_engine("exact").scale(bottom, factor, 1)
    top.backward(torch.from_numpy(dy))
    factors = np.array([2, 0, -1], F)[:, None]
    with np.errstate(invalid="ignore"):
        assert_same_bits(top.detach().numpy(), np.where(factors == 0, F(0), x * factors))
        assert_same_bits(bottom.grad.numpy(), np.where(factors == 0, F(0), dy * factors))


@pytest.mark.parametrize("family", ["cooperlake", "skylakex", "haswell", "zen", "sandybridge", "nehalem"])
def test_batch_norms_averages_are_added_as_that_familys_axpy(family):
    """Of 41 channels Haswell fuses whole 32s of the variances' a · x + y, with AVX-512 all are, on older CPUs none."""
    mean, variance, stored = numbers(0, 41), np.abs(numbers(1, 41)), numbers(2, 41)
    kept, unbias = F(0.9), F(12) / F(11)
    whole = {"cooperlake": 41, "skylakex": 41, "haswell": 32, "zen": 32}.get(family, 0)
    wanted = unbias * variance + kept * stored
    wanted[:whole] = fused(unbias, variance, kept * stored)[:whole]
    engine, found = make_engine(f"exact:{family}"), torch.from_numpy(stored.copy())
    engine.move_average(found, torch.from_numpy(variance), float(kept), float(unbias))
    assert_same_bits(found.numpy(), wanted)
    found = torch.from_numpy(stored.copy())
    engine.move_average(found, torch.from_numpy(mean), float(kept), 1.0)
    assert_same_bits(found.numpy(), mean + kept * stored)


def across_gradient(x, y, dy, scale, size, alpha, beta):
    """LRNLayer::CrossChannelBackward_cpu of one image (C, values)."""
    factor = F(2.0 * float(F(alpha)) * float(F(beta)) / size)
    assert factor != F(2) * F(alpha) * F(beta) / F(size), "a case that tells"
    ratio, before = dy * y / scale, (size - 1) // 2
    padded = np.concatenate([np.zeros((before, x.shape[1]), F), ratio, np.zeros((before, x.shape[1]), F)])
    dx, total = np.empty_like(x), np.zeros(x.shape[1], F)
    for channel in range(size - 1):
        total += padded[channel]
    for channel in range(len(x)):
        total += padded[channel + size - 1]
        dx[channel] = fused(
            -factor, x[channel] * total, dy[channel] * (scale[channel].astype(float) ** -beta).astype(F)
        )
        total -= padded[channel]
    return dx


@pytest.mark.parametrize(("alpha", "beta", "size"), [(0.7, 0.3, 5), (0.11, 0.7, 3)])
def test_lrns_gradient_takes_its_constant_from_double(alpha, beta, size):
    x, dy = numbers(3, 7, 11), numbers(4, 7, 11)
    weight, beta = F(alpha) / F(size), float(F(beta))
    padded = np.zeros((7 + size - 1, 11), F)
    padded[(size - 1) // 2 :][:7] = x * x
    scale = np.empty_like(x)
    scale[0] = 1
    for channel in range(size):
        scale[0] = fused(weight, padded[channel], scale[0])
    for channel in range(1, 7):
        scale[channel] = fused(weight, padded[channel + size - 1], scale[channel - 1])
        scale[channel] = fused(-weight, padded[channel - 1], scale[channel])
    bottom = torch.from_numpy(x[None, :, :, None].copy()).requires_grad_()
    top = make_engine("exact").lrn_across(bottom, size, float(F(alpha)), beta, 1.0)
    top.backward(torch.from_numpy(dy[None, :, :, None].copy()))
    y = top.detach().numpy()[0, :, :, 0]
    assert_same_bits(bottom.grad.numpy()[0, :, :, 0], across_gradient(x, y, dy, scale, size, alpha, beta))
