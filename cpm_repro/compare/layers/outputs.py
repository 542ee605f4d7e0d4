"""What each output of a layer was multiplied with, and what was added to it: of a convolution's bias, a batch
normalisation's statistics and a Scale's factors, which of them another value would do that, and what it has to do with
its own: its opposite, that of other outputs, a multiple."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cpm_repro.compare.causes.cause import EXPLAINED, Cause, distance, explains
from prototxt_import.layers.layer import Layer
from prototxt_import.layers.normalization import BatchNorm
from prototxt_import.net import Net
from prototxt_import.tensors import array

from .runs import Bottoms, LayerRun

RECTIFIERS = ("ReLU", "PReLU", "ELU")
"""Let what is above 0 pass."""
AFFINE = ("BatchNorm", "Scale", "Bias", "Dropout")
"""What may stand between a convolution and its ReLU."""
_WITH_WEIGHTS = ("Convolution", "Deconvolution", "InnerProduct")
_FEWEST = 8  # values of an output, from which two numbers are fitted
_MOST_FITTED = 20_000  # of an output
_SPARE = 8  # values more than numbers that are fitted to them, in all
_SAME = 1e-3  # of the largest of a blob: a difference that is none


class _Line(NamedTuple):
    """Each output is factor · x + offset; known: those of which enough values tell; spare: how many more do; off: the
    relative error where values are known."""

    factor: np.ndarray
    offset: np.ndarray
    known: np.ndarray
    spare: int
    off: float


def affine_behind(run: LayerRun, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    """The factor and the offset that layers in place, before the ReLU, give each output; None if they do more."""
    affine = [layer for layer in run.layers[1:] if layer.type not in RECTIFIERS]
    if any(layer.type not in AFFINE for layer in affine):
        return None
    if not affine:
        return np.ones(shape[1]), np.zeros(shape[1])
    behind, name = LayerRun(affine, run.net, run.blob), affine[0].bottom[0]
    small = (1, shape[1], *(1,) * (len(shape) - 2))
    offset, one = (behind.top({name: np.full(small, value, np.float32)}) for value in (0, 1))
    if offset is None or one is None:
        return None
    return (one - offset).astype(np.float64).ravel(), offset.astype(np.float64).ravel()


def other_outputs(run: LayerRun, bottoms: Bottoms, side: str, wrong: np.ndarray, own: np.ndarray) -> list[Cause]:
    """Which layer's blobs of one value an output make `wrong`; empty if a line through each output does not."""
    relu = next((i for i, layer in enumerate(run.layers) if layer.type in RECTIFIERS), len(run.layers))
    if wrong.ndim < 2 or not relu or any(layer.type != "Dropout" for layer in run.layers[relu + 1 :]):
        return []
    straight, rectified = LayerRun(run.layers[:relu], run.net, run.blob), relu < len(run.layers)
    made = straight.top(bottoms)
    if made is None or made.shape != wrong.shape or not np.isfinite(wrong).all():
        return []
    x, target = made.astype(np.float64), wrong.astype(np.float64)
    for only_offset in (True, False):
        line = _line(x, target, rectified, only_offset)
        if line.off > EXPLAINED:
            continue
        along = (1, -1, *(1,) * (x.ndim - 2))
        fitted = line.factor.reshape(along) * x + line.offset.reshape(along)
        if rectified:
            rest = LayerRun(run.layers[relu:], run.net, run.blob).top({run.layers[relu].bottom[0]: fitted})
            fitted = x if rest is None else rest
        if line.spare >= _SPARE and 2 * line.known.sum() >= x.shape[1] and explains(fitted, own, target):
            measured = f"relative error {distance(fitted, target):.2g} (as it is: {distance(own, target):.2g})"
            return _causes(straight, wrong.shape, side, line, only_offset, measured)
    return []


def _line(x: np.ndarray, target: np.ndarray, rectified: bool, only_offset: bool) -> _Line:
    count = x.shape[1]
    factor, offset, known, spare = np.ones(count), np.zeros(count), np.zeros(count, bool), 0
    left = size = 0.0
    step = max(x[:, 0].size // _MOST_FITTED, 1)
    for c in range(count):
        one, other = x[:, c].ravel()[::step], target[:, c].ravel()[::step]
        used = other > 0 if rectified else np.ones(len(other), bool)
        one, other, enough = one[used], other[used], 1 if only_offset else _FEWEST
        if not used.any():
            offset[c] = -max(x[:, c].max(), 0)
        elif only_offset:
            offset[c] = (other - one).mean()
        elif len(one) >= _FEWEST and np.ptp(one) > 0:
            factor[c], offset[c] = np.polyfit(one, other, 1)
        left += float(np.square(factor[c] * one + offset[c] - other).sum())
        size += float(np.square(other).sum())
        known[c] = len(one) >= enough
        spare += max(len(one) - (1 if only_offset else 2), 0)
    return _Line(factor, offset, known, spare, float(np.sqrt(left / size)) if size else 1.0)


def _causes(
    run: LayerRun, shape: tuple[int, ...], side: str, line: _Line, only_offset: bool, measured: str
) -> list[Cause]:
    """The layer of which the fewest blobs differ, in a way that has a name."""
    layers, named = [], []
    for place, layer in enumerate(run.layers):
        behind = affine_behind(LayerRun(run.layers[place:], run.net, run.blob), shape)
        if behind is None or run.net is None:
            continue
        factor, offset = behind
        mine = line._replace(offset=(line.offset + (line.factor - 1) * offset) / np.where(factor, factor, np.inf))
        blobs = list(_blobs(run.net, run.net.layer(layer.name), mine))
        if blobs:
            layers.append(layer)
            said = [(name, _said(own, theirs, line.known, others)) for name, own, theirs, others in blobs]
            changed = [f"{name} {what}" for name, what in said if what]
            named += [(len(changed), -len(layers), layer.name, changed)] if None not in dict(said).values() else []
    if named:
        _, _, name, changed = min(named)
        return [Cause(f"{side} has other weights of layer {name}: its {' and its '.join(changed)}", measured)]
    if not layers:
        return []
    if len(layers) > 1:
        names = ", ".join(layer.name for layer in layers)
        what = "offset" if only_offset else "factor and offset"
        what = f"another {what} of each output, by other values in one of the layers {names}"
        return [Cause(f"{side} has {what}", measured)]
    folded = "scaled for each output, with another bias: batch normalisation folded otherwise, or not"
    what = "with another bias" if only_offset else folded
    return [Cause(f"{side} has other weights of layer {layers[0].name}: {what}", measured)]


_Others = dict[str, np.ndarray]
_Blob = tuple[str, np.ndarray, np.ndarray, _Others]
"""Name, its own values, those that it must have had, and such as they may be."""


def _blobs(net: Net, layer: Layer, line: _Line) -> Iterator[_Blob]:
    """Those with a value for each output; nothing if none of them can do what the line says."""
    for name, own, theirs in _changed(layer, line):
        same = [other for other in net.layers.values() if other is not layer and name in other.blob_names]
        arrays = {f"those of layer {other.spec.name}": array(getattr(other, name).double()) for other in same}
        yield name, own, theirs, {what: values for what, values in arrays.items() if values.shape == own.shape}


def _changed(layer: Layer, line: _Line) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    kind, no_offset = layer.spec.type, bool((np.abs(line.offset) <= _SAME * np.abs(line.offset).max(initial=1)).all())
    values = {name: array(getattr(layer, name).double()) for name in layer.blob_names}
    count = len(line.factor)
    if isinstance(layer, BatchNorm):
        mean, variance = (array(blob.double()) for blob in layer.statistics())
        deviation = np.sqrt(np.maximum(variance, 0) + (eps := layer.spec.batch_norm_param.eps))
        yield "mean", mean, mean - line.offset * deviation / line.factor
        yield "variance", variance, (deviation / line.factor) ** 2 - eps
    elif kind in (*_WITH_WEIGHTS, "Scale", "Bias") and ("bias" in values or no_offset):
        if any(values[name].size != count for name in ("factor", "bias") if name in values):
            return
        factor = values.get("factor", np.ones(count))
        if "bias" in values:
            yield "bias", values["bias"], line.factor * values["bias"] + line.offset
        yield "factor" if kind == "Scale" else "weight", factor, line.factor * factor
    elif kind == "Normalize" and no_offset and (factors := next(iter(values.values()))).size == count:
        yield next(iter(values)), factors, line.factor * factors


def _said(own: np.ndarray, theirs: np.ndarray, known: np.ndarray, others: _Others) -> str | None:
    """How they differ, as a predicate; empty if they do not, None if that has no name."""
    least = _SAME * max(float(np.abs(own).max()), 1e-12)
    a, b = own[known], theirs[known]
    places = np.flatnonzero(known)
    differing = np.flatnonzero(np.abs(b - a) > least)
    if not differing.size:
        return ""
    factor = float(a @ b / max(float(a @ a), 1e-300))
    if np.abs(b - factor * a).max() <= least and a.size > 1:
        return "left out" if abs(factor) < _SAME else "negated" if abs(factor + 1) < _SAME else f"times {factor:.5g}"
    if differing.size == 1:
        one = int(differing[0])
        value = f"{b[one] if abs(b[one]) > least else 0:.6g}"
        instead = f"times {value}" if (own == 1).all() else f"{value} in place of {a[one]:.6g}"
        return f"of output {places[one]} alone, {instead}"
    if np.ptp(b - a) <= least:
        return f"{(b - a).mean():+.5g} in all outputs"
    if np.ptp(b) <= least:
        return f"{b.mean():.5g} in all outputs"
    for what, other in others.items():
        if np.abs(other[known] - b).max() <= least:
            return what
    if order := _order(own, b, places, least):
        turned = order == (len(own) - 1 - places).tolist()
        return "in reversed order" if turned else f"in another order, {order[:16]}"
    return None


def _order(own: np.ndarray, theirs: np.ndarray, places: np.ndarray, least: float) -> list[int] | None:
    """Which of its own values stands at each place, if each is one of another place's."""
    order = [int(np.abs(own - value).argmin()) for value in theirs]
    fits = np.abs(own[order] - theirs).max() <= least
    enough = len(order) >= min(len(own), 4)
    return order if fits and enough and len(set(order)) == len(order) and order != places.tolist() else None
