"""Factors of 0 and Caffe's constants, against the BLAS calls one by one."""

import numpy as np
import pytest
import torch

from prototxt_import.engine import make_engine
from tests.bits import assert_same_bits

EXACT = make_engine("exact")


def gradient(function, x, dy):
    x = torch.from_numpy(x).requires_grad_()
    function(x).backward(torch.from_numpy(dy))
    return x.grad.numpy()


def numbers(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_a_coefficient_of_0_leaves_no_trace():
    """sscal by 0 writes zeros: no −0, and no NaN where the gradient was infinite."""
    x, dy = numbers(0, 5), np.array([-1, 2, np.inf, np.nan, -0.0], np.float32)
    assert_same_bits(gradient(lambda t: EXACT.eltwise_sum([t, t.detach()], [0.0, 2.0]), x, dy), np.zeros(5, np.float32))


def test_a_bottom_of_coefficient_0_leaves_no_trace_in_a_sum():
    """saxpy by 0 returns at once."""
    x, y = torch.tensor([np.inf, np.nan, 1.0]), torch.tensor([1.0, 2.0, 3.0])
    assert_same_bits(EXACT.eltwise_sum([x, y], [0.0, 1.0]).numpy(), y.numpy())


def test_the_slope_of_a_square_has_no_negative_zero():
    """Caffe adds 2 scale² · x onto zeros, so that of −0 is +0."""
    x, dy = np.array([-0.0, 0.0, 1.0], np.float32), np.array([1.0, -1.0, 1.0], np.float32)
    found = gradient(lambda t: EXACT.power(t, 2.0, 1.0, 0.0), x, dy)
    assert_same_bits(found, np.array([0.0, -0.0, 2.0], np.float32))


@pytest.mark.parametrize(("scale", "base"), [(2.3, 10.0), (0.9, 2.0), (0.3, 5.0)])
def test_the_slope_of_log_is_divided_once(scale, base):
    """backward_num_scale is scale / ln(base), not scale times the rounded 1 / ln(base) of forward."""
    f, x, dy = np.float32, np.abs(numbers(1, 301)) + np.float32(0.1), numbers(2, 301)
    log_base = f(np.log(base))
    slope = f(scale) / log_base
    assert slope != f(scale) * (f(1) / log_base), "a case that tells"
    inner = f(scale) * x
    inverse = (1 / inner.astype(np.float64)).astype(f)
    found = gradient(lambda t: EXACT.log(t, float(f(scale)), 0.0, float(log_base)), x, dy)
    assert_same_bits(found, dy * (inverse * slope))
