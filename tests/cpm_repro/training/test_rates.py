"""Rates whose powf and expf round otherwise than the functions in double, against the C library's own."""

import ctypes
import ctypes.util

import numpy as np
import pytest

from cpm_repro.training.rates import learning_rate
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
