"""Weight fillers: the first values of a layer's blobs (Caffe: filler.hpp)."""

import math

import numpy as np
import torch

from . import schema
from .files import InputError


def fill(blob: torch.Tensor, filler: "schema.FillerParameter", random: np.random.RandomState, where: str) -> None:
    """Fills `blob` in place as `filler` says, drawing from `random`; `where` names the layer in errors."""
    if filler.type not in _FILLERS:
        raise InputError(f"{where}: expected a known filler, found '{filler.type}'")
    values = _FILLERS[filler.type](tuple(blob.shape), filler, random, where)
    with torch.no_grad():
        blob.copy_(torch.from_numpy(np.asarray(values, np.float32).reshape(blob.shape)))


def _fan(shape: tuple[int, ...], filler: "schema.FillerParameter") -> float:
    """Number that variance scaling divides by: values per output, per input, or their mean."""
    count = math.prod(shape)
    fan_in, fan_out = count / shape[0], count / (shape[1] if len(shape) > 1 else 1)
    return {0: fan_in, 1: fan_out, 2: (fan_in + fan_out) / 2}[filler.variance_norm]


def _constant(shape, filler, random, where):
    return np.full(shape, filler.value, np.float32)


def _uniform(shape, filler, random, where):
    return random.uniform(filler.min, filler.max, shape)


def _gaussian(shape, filler, random, where):
    values = random.normal(filler.mean, filler.std, shape)
    if filler.sparse >= 0:  # each output keeps about `sparse` of its inputs
        values *= random.binomial(1, min(1.0, filler.sparse / shape[0]), shape)
    return values


def _xavier(shape, filler, random, where):
    scale = math.sqrt(3 / _fan(shape, filler))
    return random.uniform(-scale, scale, shape)


def _msra(shape, filler, random, where):
    return random.normal(0, math.sqrt(2 / _fan(shape, filler)), shape)


def _positive_unitball(shape, filler, random, where):
    values = random.uniform(0, 1, shape).reshape(shape[0], -1)
    return values / values.sum(axis=1, keepdims=True)


def _bilinear(shape, filler, random, where):
    """Interpolation weights for Deconvolution: the same tent in every channel."""
    if len(shape) != 4 or shape[2] != shape[3]:
        raise InputError(f"{where}: expected a square 4-axis blob for the bilinear filler, found shape {shape}")
    factor = math.ceil(shape[3] / 2)
    centre = (2 * factor - 1 - factor % 2) / (2 * factor)
    tent = 1 - np.abs(np.arange(shape[3]) / factor - centre)
    return np.broadcast_to(np.outer(tent, tent), shape)


_FILLERS = {
    "constant": _constant,
    "uniform": _uniform,
    "gaussian": _gaussian,
    "xavier": _xavier,
    "msra": _msra,
    "positive_unitball": _positive_unitball,
    "bilinear": _bilinear,
}
