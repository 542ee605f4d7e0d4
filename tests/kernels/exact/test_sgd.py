"""The SGD update against the same BLAS calls one by one, with a fused multiply-add made of Python's exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from cpm_kernels.exact.sgd import SgdStep, sgd_update
from tests.bits import assert_same_bits

F = np.float32


def fused(a, x, y):
    """float32(a · x + y) with one rounding, elementwise."""
    pairs = zip(x, y, strict=True)
    return np.array([_rounded(Fraction(float(a)) * Fraction(float(p)) + Fraction(float(q))) for p, q in pairs], F)


def _rounded(value):
    """The nearest float32, through a double that was rounded to odd."""
    nearest = float(value)
    if Fraction(nearest) != value and not np.float64(nearest).view(np.int64) & 1:
        nearest = float(np.nextafter(nearest, np.inf if Fraction(nearest) < value else -np.inf))
    return F(nearest)


def expected(weight, gradient, history, step):
    gradient = F(step.share) * (F(step.clip) * gradient)
    gradient = fused(F(step.decay), np.sign(weight) if step.absolute else weight, gradient)
    history = fused(F(step.rate), gradient, F(step.momentum) * history)
    return weight - history, history


@pytest.mark.parametrize(
    "step",
    [
        SgdStep(decay=0.0005, rate=0.0004, momentum=0.9),
        SgdStep(clip=0.37, share=1 / 3, decay=0.01, absolute=True, rate=0.01, momentum=0.95),
        SgdStep(rate=0.1),
    ],
)
@pytest.mark.parametrize("count", [1, 7, 1003])
def test_bits_of_the_calls_one_by_one(step, count):
    random = np.random.default_rng(count)
    weight, gradient, history = (random.standard_normal(count).astype(F) for _ in range(3))
    weight[::5] = 0
    wanted = expected(weight, gradient, history, step)
    sgd_update(weight, gradient, history, step)
    assert_same_bits(history, wanted[1], "history")
    assert_same_bits(weight, wanted[0], "weight")


def test_threads_do_not_change_a_bit_and_large_blobs_are_whole():
    random = np.random.default_rng(2)
    start = [random.standard_normal((3, 100_003)).astype(F) for _ in range(3)]
    step, results = SgdStep(decay=0.0005, rate=0.0004, momentum=0.9), []
    for threads in (1, 2, 4):
        weight, gradient, history = (array.copy() for array in start)
        sgd_update(weight, gradient, history, step, threads)
        results.append((weight, history))
    for weight, history in results[1:]:
        assert_same_bits(weight, results[0][0])
        assert_same_bits(history, results[0][1])
    assert (results[0][0] != start[0]).mean() > 0.99


def test_factors_of_zero_leave_nothing_behind():
    """scal by 0 makes 0 even of an infinity; axpy by 0 does not look at x."""
    weight, gradient, history = (np.array(values, F) for values in ([1, 2], [np.inf, np.nan], [np.inf, -3]))
    sgd_update(weight, gradient, history, SgdStep())
    assert_same_bits(history, np.zeros(2, F))
    assert_same_bits(weight, np.array([1, 2], F))


@pytest.mark.parametrize("wrong", [np.zeros(4, F), np.zeros(3), np.zeros(6, F)[::2]])
def test_other_shapes_and_types_are_refused(wrong):
    with pytest.raises(ValueError, match="gradient must be contiguous float32 of shape"):
        sgd_update(np.zeros(3, F), wrong, np.zeros(3, F), SgdStep())
