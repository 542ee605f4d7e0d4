"""Weight fillers: the first values of a layer's blobs (Caffe: filler.hpp), in float32 and in Caffe's order of draws."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from cpm_kernels.exact.random import CaffeRandom
from prototxt_import.files import InputError, read_bytes
from prototxt_import.formats import schema

Shape = tuple[int, ...]
Values = NDArray[np.float32]


def fill(blob: torch.Tensor, filler: "schema.FillerParameter", random: CaffeRandom, where: str) -> None:
    """Fills `blob` in place as `filler` says, drawing from `random`; `where` names the layer in errors."""
    if filler.type not in _FILLERS:
        raise InputError(f"{where}: expected a known filler, found '{filler.type}'")
    if filler.HasField("alpha") and filler.type != "msra":
        raise InputError(f"{where}: expected an alpha of the filler msra only, found one of '{filler.type}'")
    if filler.HasField("file") and filler.type != "file":
        raise InputError(f"{where}: expected a file of the filler file only, found one of '{filler.type}'")
    shape = tuple(blob.shape) or (1,)
    values = _FILLERS[filler.type](shape, filler, random, where)
    with torch.no_grad():
        blob.copy_(torch.from_numpy(np.asarray(values, np.float32).reshape(blob.shape)))


def _fan(shape: Shape, filler: "schema.FillerParameter") -> np.float32:
    """Number that variance scaling divides by: values per output, per input, or their mean."""
    count = math.prod(shape)
    fan_in, fan_out = count // shape[0], count // (shape[1] if len(shape) > 1 else 1)
    mean = np.float32(fan_in + fan_out) / np.float32(2)
    return [np.float32(fan_in), np.float32(fan_out), mean][filler.variance_norm]


def _constant(shape: Shape, filler: "schema.FillerParameter", random: CaffeRandom, where: str) -> Values:
    return np.full(shape, filler.value, np.float32)


def _uniform(shape: Shape, filler: "schema.FillerParameter", random: CaffeRandom, where: str) -> Values:
    if not -math.inf < filler.min <= filler.max < math.inf:
        raise InputError(f"{where}: uniform filler: expected min <= max, found {filler.min} and {filler.max}")
    with np.errstate(over="ignore"):
        width = np.float32(filler.max) - np.float32(filler.min)
    if not np.isfinite(width):  # Caffe would draw for ever
        raise InputError(f"{where}: uniform filler: expected max - min to be a float32, found {width}")
    return random.uniform(filler.min, filler.max, math.prod(shape))


def _gaussian(shape: Shape, filler: "schema.FillerParameter", random: CaffeRandom, where: str) -> Values:
    if not filler.std >= 0:
        raise InputError(f"{where}: gaussian filler: expected a std of 0 or more, found {filler.std}")
    values = random.normal(filler.mean, filler.std, math.prod(shape))
    if filler.sparse >= 0:  # each output keeps about `sparse` of its inputs
        kept = np.float32(filler.sparse) / np.float32(shape[0])
        if kept > 1:
            raise InputError(f"{where}: gaussian filler: expected sparse up to {shape[0]}, found {filler.sparse}")
        values *= random.bernoulli(kept, len(values))
    return values


def _xavier(shape: Shape, filler: "schema.FillerParameter", random: CaffeRandom, where: str) -> Values:
    scale = float(np.sqrt(np.float32(3) / _fan(shape, filler)))
    return random.uniform(-scale, scale, math.prod(shape))


def _msra(shape: Shape, filler: "schema.FillerParameter", random: CaffeRandom, where: str) -> Values:
    variance = np.float32(2) / _fan(shape, filler)
    if filler.alpha:
        variance /= np.float32(1) + np.float32(filler.alpha) ** 2
    return random.normal(0, float(np.sqrt(variance)), math.prod(shape))


def _positive_unitball(shape: Shape, filler: "schema.FillerParameter", random: CaffeRandom, where: str) -> Values:
    values = random.uniform(0, 1, math.prod(shape)).reshape(shape[0], -1)
    sums = np.cumsum(values, axis=1, dtype=np.float32)[:, -1:]  # one after another, unlike sum
    return values / sums


def _bilinear(shape: Shape, filler: "schema.FillerParameter", random: CaffeRandom, where: str) -> Values:
    """Interpolation weights for Deconvolution: the same tent in every channel."""
    if len(shape) != 4 or shape[2] != shape[3]:
        raise InputError(f"{where}: expected a square 4-axis blob for the bilinear filler, found shape {shape}")
    factor = math.ceil(shape[3] / 2)
    centre = np.float32((2 * factor - 1 - factor % 2) / (2 * factor))
    tent = 1 - np.abs(np.arange(shape[3], dtype=np.float32) / np.float32(factor) - centre)
    return np.broadcast_to(np.outer(tent, tent), shape).copy()


def _file(shape: Shape, filler: "schema.FillerParameter", random: CaffeRandom, where: str) -> Values:
    """As many numbers as a text has, between spaces and lines: spatial transformers begin with the identity so."""
    if not filler.file:
        raise InputError(f"{where}: file filler: expected the name of a file, found none")
    words, count = read_bytes(filler.file).split(), math.prod(shape)
    try:
        values = np.array(words, np.float64).astype(np.float32)
    except ValueError:
        raise InputError(f"{filler.file}: expected numbers for the filler of {where}, found others") from None
    if len(values) != count:
        raise InputError(f"{filler.file}: expected {count} numbers for the filler of {where}, found {len(values)}")
    return values


_FILLERS: "dict[str, Callable[[Shape, schema.FillerParameter, CaffeRandom, str], Values]]" = {
    "constant": _constant,
    "uniform": _uniform,
    "gaussian": _gaussian,
    "xavier": _xavier,
    "msra": _msra,
    "positive_unitball": _positive_unitball,
    "bilinear": _bilinear,
    "file": _file,
}
