"""Caffe's learning-rate policies (sgd_solver.cpp, GetLearningRate), in the arithmetic of its C++."""

import math
from collections.abc import Callable

import numpy as np

from cpm_kernels.exact import elementary
from prototxt_import.formats import schema

NEEDED_FIELDS = {
    "fixed": (),
    "step": ("gamma", "stepsize"),
    "exp": ("gamma",),
    "inv": ("gamma", "power"),
    "multistep": ("gamma", "stepvalue"),
    "poly": ("power", "max_iter"),
    "sigmoid": ("gamma", "stepsize"),
}
"""The fields that each policy reads beside base_lr."""


@np.errstate(over="ignore")
def learning_rate(param: schema.SolverParameter, iteration: int, step: int | None = None) -> np.float32:
    """The rate of iteration `iteration`, counted from 0; infinite where a gamma above 1 made it too large.

    step: the iteration's step, of multistep; None if the run has come there from its start.

    Integer powers are taken in double, as C++ does; functions of float32 are the C library's powf and expf, which round
    a few arguments in ten thousand otherwise than functions in double would.
    """
    base, gamma, power = np.float32(param.base_lr), np.float32(param.gamma), np.float32(param.power)
    one = np.float32(1)
    now = np.float32(iteration)
    if param.lr_policy == "step":
        return np.float32(float(base) * _power(gamma, iteration // param.stepsize))
    if param.lr_policy == "multistep":
        return np.float32(float(base) * _power(gamma, steps_passed(param, iteration) if step is None else step))
    if param.lr_policy == "exp":
        return np.float32(float(base) * _power(gamma, iteration))
    if param.lr_policy == "inv":
        return base * _of_float(elementary.power, one + gamma * now, -power)
    if param.lr_policy == "poly":
        return base * _of_float(elementary.power, one - now / np.float32(param.max_iter), power)
    if param.lr_policy == "sigmoid":
        steps = -gamma * (now - np.float32(param.stepsize))
        return base * (one / (one + _of_float(elementary.exp, steps)))
    return base


def _of_float(function: Callable[..., np.ndarray], x: np.float32, *arguments: np.float32) -> np.float32:
    """A function of arrays, of one value."""
    return np.float32(function(np.array([x], np.float32), *arguments)[0])


def _power(base: np.float32, exponent: int) -> float:
    """In double, as C's pow, which where Python raises is infinite."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf


def steps_passed(param: schema.SolverParameter, iteration: int) -> int:
    """Multistep's step at iteration `iteration` of a run from its start: an iteration takes one step at most, and the
    next value is looked at after the one before it, however large it is."""
    earliest = 0
    for step, value in enumerate(param.stepvalue):
        taken = max(value, earliest)
        if iteration < taken:
            return step
        earliest = taken + 1
    return len(param.stepvalue)


def step_at(param: schema.SolverParameter, iteration: int, step: int) -> int:
    """What Caffe's current_step is once the rate of the iteration is asked for, having been `step` before. Policies
    without steps leave what a solver state said."""
    if param.lr_policy == "step":
        return iteration // param.stepsize
    if param.lr_policy == "multistep" and step < len(param.stepvalue) and iteration >= param.stepvalue[step]:
        return step + 1
    return step
