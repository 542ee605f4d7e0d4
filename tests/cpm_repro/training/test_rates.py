"""Rates whose powf and expf round otherwise than the functions in double, against the C library's own."""

import ctypes
import ctypes.util

import numpy as np
import pytest

from cpm_repro.training.rates import learning_rate, step_at, steps_passed
from prototxt_import.formats import schema

F = np.float32


LIBRARY = ctypes.CDLL(ctypes.util.find_library("m"))


def libm(name, *arguments):
    function = getattr(LIBRARY, name)
    function.restype = ctypes.c_float
    return F(function(*(ctypes.c_float(value) for value in arguments)))


def rate(iteration, **fields):
    return learning_rate(schema.SolverParameter(base_lr=1, **fields), iteration)


@pytest.mark.parametrize("start", [0, 40_000])
def test_rates_are_the_c_librarys(start):
    told = 0
    for i in range(start, start + 3000):
        base = F(1) + F(1e-4) * F(i)
        inv = rate(i, lr_policy="inv", gamma=1e-4, power=0.75)
        assert inv == libm("powf", base, -0.75)
        told += inv != F(float(base) ** -0.75)
        left = F(1) - F(i) / F(100_000)
        assert rate(i, lr_policy="poly", power=0.9, max_iter=100_000) == libm("powf", left, 0.9)
        steps = F(0.01) * (F(i) - F(45_000))
        if abs(steps) < 80:
            assert rate(i, lr_policy="sigmoid", gamma=-0.01, stepsize=45_000) == F(1) / (F(1) + libm("expf", steps))
    if LIBRARY._name == "libm.so.6":
        assert told, "a case that tells"


def stepping(stepvalues, iterations, first=0, step=0):
    """Multistep's step at each iteration, one after the other: SGDSolver::GetLearningRate's `if`."""
    steps = []
    for iteration in range(first, iterations):
        if step < len(stepvalues) and iteration >= stepvalues[step]:
            step += 1
        steps.append(step)
    return steps


@pytest.mark.parametrize("values", [[2, 5], [0, 0, 0], [3, 3, 4], [5, 2, 1, 9], [0, 1], [4, 5, 5, 20]])
def test_an_iteration_takes_one_step_at_most_and_values_wait_for_those_before_them(values):
    param = schema.SolverParameter(base_lr=1, lr_policy="multistep", gamma=0.5, stepvalue=values)
    steps = stepping(values, 15)
    assert [steps_passed(param, iteration) for iteration in range(15)] == steps
    assert [float(learning_rate(param, iteration)) for iteration in range(15)] == [0.5**step for step in steps]
    now, found = 0, []
    for iteration in range(15):
        now = step_at(param, iteration, now)
        found.append(now)
    assert found == steps


def test_policies_without_steps_leave_what_a_state_said():
    for policy in ("fixed", "exp", "inv", "poly", "sigmoid"):
        param = schema.SolverParameter(lr_policy=policy, stepvalue=[2], stepsize=2, gamma=0.5)
        assert [step_at(param, iteration, 3) for iteration in (1, 2, 9)] == [3, 3, 3]
    assert step_at(schema.SolverParameter(lr_policy="step", stepsize=4), 9, 0) == 2
