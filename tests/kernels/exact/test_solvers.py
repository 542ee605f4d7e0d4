"""The solvers' updates against the same BLAS calls one by one, with a fused multiply-add made of Python's exact
fractions and powers from this machine's libm."""

from fractions import Fraction

import numpy as np
import pytest

from cpm_kernels.exact.elementary import power
from cpm_kernels.exact.profiles import Profile
from cpm_kernels.exact.solvers import SOLVER_TYPES, TWO_HISTORIES, SolverStep, adam_correction, solver_update
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


def axpby(a, x, b, y):
    """scal of y, then axpy."""
    return fused(F(a), x, F(b) * y)


def decayed(weight, gradient, step):
    gradient = F(step.share) * (F(step.clip) * gradient)
    return fused(F(step.decay), np.sign(weight) if step.absolute else weight, gradient)


def expected(weight, gradient, history, second, step):
    """(weight, update's value, history, second history) as Caffe's layers of BLAS calls compute them."""
    g, rate, m, m2, delta = (
        decayed(weight, gradient, step),
        *map(F, (step.rate, step.momentum, step.momentum2, step.delta)),
    )
    one = F(1)
    if step.type == "SGD":
        value = history = axpby(rate, g, m, history)
    elif step.type == "Nesterov":
        before, history = history, axpby(rate, g, m, history)
        value = axpby(one + m, history, -m, before)
    elif step.type == "AdaGrad":
        history = power(g, 2) + history
        value = rate * (g / (power(history, 0.5) + delta))
    elif step.type == "RMSProp":
        history = axpby(one - m, power(g, 2), m, history)
        value = rate * (g / (power(history, 0.5) + delta))
    elif step.type == "AdaDelta":
        history = axpby(one - m, power(g, 2), m, history)
        value = g * power((delta + second) / (delta + history), 0.5)
        second, value = axpby(one - m, power(value, 2), m, second), rate * value
    else:
        history, second = axpby(one - m, g, m, history), axpby(one - m2, g * g, m2, second)
        value = rate * (history / (power(second, 0.5) + delta))
    return weight - value, value, history, second


def start(*shape, seed=0):
    """Weight, gradient, history and a second history that, as the squares they sum, are positive."""
    random = np.random.default_rng([seed, *shape])
    weight, gradient, history, second = (random.standard_normal(shape).astype(F) for _ in range(4))
    weight.ravel()[::5] = 0
    return weight, gradient, history, np.abs(second)


def updated(arrays, step, threads=1):
    """The four arrays after the update, of which the second history may have been left alone."""
    weight, gradient, history, second = (array.copy() for array in arrays)
    if step.type not in ("SGD", "Nesterov", "Adam"):
        history = np.abs(history)
    two = step.type in TWO_HISTORIES
    wanted = (weight, gradient, history, second)
    solver_update(weight, gradient, history, step, second if two else None, threads)
    return wanted


NUMBERS = [
    {"decay": 0.0005, "rate": 0.0004, "momentum": 0.9, "momentum2": 0.999, "delta": 1e-8},
    {"clip": 0.37, "share": 1 / 3, "decay": 0.01, "absolute": True, "rate": 0.01, "momentum": 0.95, "momentum2": 0.9,
     "delta": 1e-6},
    {"rate": 0.1, "delta": 1e-3},
]  # fmt: skip


@pytest.mark.parametrize("numbers", NUMBERS, ids=["L2", "L1", "no decay, no momentum"])
@pytest.mark.parametrize("kind", SOLVER_TYPES)
@pytest.mark.parametrize("count", [1, 7, 1003])
def test_bits_of_the_calls_one_by_one(kind, numbers, count):
    step, (weight, gradient, history, second) = SolverStep(kind, **numbers), start(count)
    if kind not in ("SGD", "Nesterov", "Adam"):
        history = np.abs(history)
    wanted = expected(weight, gradient, history, second, step)
    found = updated((weight, gradient, history, second), step)
    for name, one, other in zip(("weight", "update", "history", "second history"), found, wanted, strict=True):
        assert_same_bits(one, other, name)


@pytest.mark.parametrize("kind", SOLVER_TYPES)
def test_other_families_round_every_operation_but_in_haswells_whole_32s(kind, monkeypatch):
    arrays = start(1003)
    if kind not in ("SGD", "Nesterov", "Adam"):
        arrays = (*arrays[:2], np.abs(arrays[2]), arrays[3])
    monkeypatch.setattr(f"{__name__}.fused", lambda a, x, y: a * x + y)
    twice = expected(*arrays, SolverStep(kind, **NUMBERS[0]))
    monkeypatch.undo()
    once = expected(*arrays, SolverStep(kind, **NUMBERS[0]))
    for family in ("haswell", "zen", "haswell-0.3.7", "sandybridge", "nehalem"):
        found = updated(arrays, SolverStep(kind, **NUMBERS[0], profile=Profile(family)))
        in_32s = (np.arange(1003) < 992) & ("haswell" in family or family == "zen")
        for name, values, one, two in zip(("weight", "update", "history", "second"), found, once, twice, strict=True):
            assert_same_bits(values, np.where(in_32s, one, two), f"{name}, {family}")


@pytest.mark.parametrize("kind", SOLVER_TYPES)
def test_threads_do_not_change_a_bit_and_large_blobs_are_whole(kind):
    arrays = start(3, 100_003, seed=2)
    step = SolverStep(kind, decay=0.0005, rate=0.0004, momentum=0.9, momentum2=0.999, delta=1e-8)
    alone, *together = (updated(arrays, step, threads) for threads in (1, 2, 4))
    for arrays_of_threads in together:
        for one, other in zip(arrays_of_threads, alone, strict=True):
            assert_same_bits(one, other)
    assert (alone[0] != arrays[0]).mean() > 0.99


def test_factors_of_zero_leave_nothing_behind():
    """scal by 0 makes 0 even of an infinity; axpy by 0 does not look at x."""
    weight, gradient, history = (np.array(values, F) for values in ([1, 2], [np.inf, np.nan], [np.inf, -3]))
    solver_update(weight, gradient, history, SolverStep())
    assert_same_bits(history, np.zeros(2, F))
    assert_same_bits(weight, np.array([1, 2], F))


def test_adams_correction_is_taken_in_double():
    assert adam_correction(0, 0.9, 0.999) == F(np.sqrt(1 - float(F(0.999))) / (1 - float(F(0.9))))
    assert adam_correction(10**6, 0.9, 0.999) == 1


@pytest.mark.parametrize("wrong", [np.zeros(4, F), np.zeros(3), np.zeros(6, F)[::2]])
def test_other_shapes_and_types_are_refused(wrong):
    with pytest.raises(ValueError, match="gradient must be contiguous float32 of shape"):
        solver_update(np.zeros(3, F), wrong, np.zeros(3, F), SolverStep())


def test_a_second_history_is_for_those_that_keep_one():
    arrays = [np.zeros(3, F) for _ in range(4)]
    with pytest.raises(ValueError, match="second_history must be given for Adam"):
        solver_update(*arrays[:3], SolverStep("Adam"))
    with pytest.raises(ValueError, match="second_history must not be given for Nesterov"):
        solver_update(*arrays[:3], SolverStep("Nesterov"), arrays[3])


def test_a_clipping_factor_of_0_leaves_no_trace_of_infinite_gradients():
    """A common norm that overflows is infinite, the factor 0; scal by 0 then writes zeros, and only the decay acts."""
    weight, gradient, history = (np.array(values, F) for values in ([1, 2, 3], [np.inf, np.nan, -1], [0, 0, 0]))
    solver_update(weight, gradient, history, SolverStep(clip=0.0, decay=0.5, rate=0.25), None, 1)
    assert_same_bits(weight, np.array([0.875, 1.75, 2.625], F))
