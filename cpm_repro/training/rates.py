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
def learning_rate(param: schema.SolverParameter, iteration: int) -> np.float32:
    """The rate of iteration `iteration`, counted from 0; infinite where a gamma above 1 made it too large.

    Integer powers are taken in double, as C++ does; functions of float32 are the C library's powf and expf, which round
    a few arguments in ten thousand otherwise than functions in double would.
    """
    base, gamma, power = np.float32(param.base_lr), np.float32(param.gamma), np.float32(param.power)
    one = np.float32(1)
    now = np.float32(iteration)
    if param.lr_policy == "step":
        return np.float32(float(base) * _power(gamma, iteration // param.stepsize))
    if param.lr_policy == "multistep":
        return np.float32(float(base) * _power(gamma, steps_passed(param, iteration)))
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
    """How many of multistep's values iteration `iteration` has reached."""
    return sum(iteration >= value for value in param.stepvalue)


def current_step(param: schema.SolverParameter, iteration: int) -> int:
    """What a solver state of that iteration calls current_step: the step of the rate that was used last."""
    if param.lr_policy == "step":
        return max(iteration - 1, 0) // param.stepsize
    return steps_passed(param, iteration - 1)
