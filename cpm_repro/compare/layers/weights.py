"""What a layer makes of its bottoms with other weights: read in another order, moved, without a bias, of another layer;
and the factor, the bias and the slope of the ReLU that fit best."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cpm_repro.compare.causes.arrangements import WEIGHT_AXES, arrangements
from cpm_repro.compare.causes.cause import EXPLAINED, ROUNDING, distance
from prototxt_import.formats import schema
from prototxt_import.layers.convolution import Convolution
from prototxt_import.layers.layer import Layer
from prototxt_import.layers.normalization import BatchNorm
from prototxt_import.net import Net
from prototxt_import.tensors import array

from .runs import Alternative, Bottoms, Change, LayerRun, changed

_FEWEST = 8  # values of a channel, from which two numbers are fitted
_MOST_LAYERS = 16
_MOST_FITTED = 1_000_000  # values


def other_weights(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    """The blob as the layer's weights in another order, of another layer, or without one of its blobs make it."""
    net = run.net
    layer = None if net is None else net.layer(run.first.name)
    if net is None or layer is None:
        return
    for name in layer.blob_names:
        yield from _neutral(run, bottoms, layer, name)
    for name, other in _of_other_layers(net, layer):
        yield Alternative(f"those of layer {name}", run.top(bottoms, change=_taking(other, other)))
        if len(other) > 1:
            first = "those" if layer.blob_names[0] == "weight" else f"with the {layer.blob_names[0]}"
            yield Alternative(f"{first} of layer {name}", run.top(bottoms, change=_taking(other, layer.blob_names[:1])))
            what = f"with the {layer.blob_names[1]} of layer {name}"
            yield Alternative(what, run.top(bottoms, change=_taking(other, layer.blob_names[1:])))
    yield from _exchanged(run, bottoms, layer)
    yield from _of_groups(run, bottoms, layer)
    for what, arranged in _arranged(layer):
        yield Alternative(what, run.top(bottoms, change=setting(layer.blob_names[0], arranged)))


def _arranged(layer: Layer) -> Iterator[tuple[str, np.ndarray]]:
    """Its weights in other orders."""
    weight = array(getattr(layer, layer.blob_names[0]).float()) if layer.blob_names else np.zeros(0)
    if weight.ndim > 1:
        yield from ((new.what, new.values) for new in arrangements(weight, weight.shape, WEIGHT_AXES))
        yield from _moved(weight)


def arranged_and_scaled(run: LayerRun, bottoms: Bottoms, wrong: np.ndarray) -> Iterator[Alternative]:
    """Two causes at once: weights in another order, and they or the bias times a factor, such as 0."""
    layer, in_place = None if run.net is None else run.net.layer(run.first.name), [x.type for x in run.layers[1:]]
    if layer is None or layer.blob_names != ["weight", "bias"] or in_place not in ([], ["ReLU"]) or wrong.ndim < 2:
        return
    bias = array(layer.bias.double()).reshape(-1, *(1,) * (wrong.ndim - 2))
    active = wrong > (0 if in_place else -np.inf)
    for what, arranged in _arranged(layer):
        both = {"weight": torch.from_numpy(np.array(arranged, order="C")), "bias": torch.zeros_like(layer.bias)}
        product = run.top(bottoms, change=_taking(both, both), alone=True)
        if product is not None and active.sum() >= _FEWEST:
            x = product[tuple(slice(count) for count in wrong.shape)].astype(np.float64)
            if x.shape != wrong.shape:
                return
            factors, made = _refitted(x, np.broadcast_to(bias, x.shape), wrong, active)
            also = "" if np.allclose(factors, 1, atol=1e-4) else f", {_factors(*factors)}"
            yield Alternative(f"{what}{also}", np.maximum(made, 0) if in_place else made)


def _refitted(
    product: np.ndarray, bias: np.ndarray | None, target: np.ndarray, active: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The factors of both that fit best where the output is active, and what they make."""
    parts = [product] if bias is None else [product, bias]
    some = np.s_[:: max(int(active.sum()) // _MOST_FITTED, 1)]
    columns = np.column_stack([part[active][some] for part in parts])
    factors, *_ = np.linalg.lstsq(columns, target[active][some], rcond=None)
    return factors, sum((factor * part for factor, part in zip(factors, parts, strict=True)), np.zeros(()))


_NEUTRAL = {("Scale", "factor"): 1.0, ("BatchNorm", "variance"): 1.0, ("BatchNorm", "factor"): 1.0}
"""What a blob is where it is left out, if that is not 0."""


def _neutral(run: LayerRun, bottoms: Bottoms, layer: Layer, name: str) -> Iterator[Alternative]:
    value = _NEUTRAL.get((layer.spec.type, name), 1.0 if layer.spec.type == "Normalize" else 0.0)
    if name == "weight":
        return
    what = f"without the {name}"
    if (layer.spec.type, name) == ("BatchNorm", "factor"):
        what = f"the stored sums not divided by their factor, {float(layer.factor):.6g}"
    values = array(getattr(layer, name).float())
    yield Alternative(what, run.top(bottoms, change=setting(name, np.full_like(values, value))))
    if (layer.spec.type, name) == ("BatchNorm", "factor"):
        what = "mean and variance of 0, as a stored factor of 0 makes them: x / √eps"
        yield Alternative(what, run.top(bottoms, change=setting(name, np.zeros_like(values))))
    if name == "mean":
        yield Alternative("with the mean's sign exchanged", run.top(bottoms, change=setting(name, -values)))
    if name == "variance":
        with np.errstate(divide="ignore"):
            inverse = np.where(values > 0, 1 / values, 0).astype(np.float32)
        what = "one divided by the variance, the variance's place taken by its inverse"
        yield Alternative(what, run.top(bottoms, change=setting(name, inverse)))
    for step in (1, -1) if values.size > 1 else ():
        moved = run.top(bottoms, change=setting(name, np.roll(values, step)))
        yield Alternative(f"with the {name} moved by one output", moved)


def _exchanged(run: LayerRun, bottoms: Bottoms, layer: Layer) -> Iterator[Alternative]:
    """Two blobs of one shape, each in the other's place."""
    blobs = {name: array(getattr(layer, name).float()) for name in layer.blob_names}
    for one, other in itertools.combinations(blobs, 2):
        if blobs[one].shape == blobs[other].shape:
            both = {one: torch.from_numpy(blobs[other].copy()), other: torch.from_numpy(blobs[one].copy())}
            yield Alternative(f"with its {one} and its {other} exchanged", run.top(bottoms, change=_taking(both, both)))


def _of_groups(run: LayerRun, bottoms: Bottoms, layer: Layer) -> Iterator[Alternative]:
    """A convolution of groups whose outputs see all inputs, or one without groups whose outputs see some."""
    if not isinstance(layer, Convolution) or layer.spec.type != "Convolution" or len(bottoms) != 1:
        return
    x, weight, name = next(iter(bottoms.values())), layer.weight.detach().float().cpu(), layer.spec.name
    if layer.group > 1:
        each = f"layer {name} has {layer.group} groups"
        repeated = _convolved(run, layer, x, weight.repeat(1, layer.group, 1, 1), 1)
        yield Alternative(f"the weights of a group repeated for all inputs, of one group; {each}", repeated)
        return
    outputs, inputs = weight.shape[:2]
    for groups in (g for g in dict.fromkeys((2, 4, 8, inputs)) if g > 1 and outputs % g == inputs % g == 0):
        own = torch.arange(outputs)[:, None] * groups // outputs == torch.arange(inputs) * groups // inputs
        kept = weight * own[:, :, None, None]
        each = f"{groups} groups; layer {name} has one"
        yield Alternative(f"without those outside of {each}", run.top(bottoms, change=setting("weight", array(kept))))
        first = _convolved(run, layer, x, weight[:, : inputs // groups], groups)
        yield Alternative(f"the first inputs' alone, taken for {each}", first)


def _convolved(run: LayerRun, layer: Convolution, x: np.ndarray, weight: Tensor, groups: int) -> np.ndarray | None:
    """The blob by other weights, of another number of groups."""
    w, bias = layer.window, None if layer.bias is None else layer.bias.detach().float().cpu()
    if weight.dim() != 4 or x.ndim != 4:
        return None
    made = functional.conv2d(torch.from_numpy(x.astype(np.float32)), weight, bias, w.stride, w.pad, w.dilation, groups)
    return run.rest(made.numpy())


def setting(blob: str, values: np.ndarray) -> Change:
    """Gives the layer's blob these values."""

    def change(layer: Layer) -> None:
        getattr(layer, blob).copy_(torch.from_numpy(np.array(values, order="C")))

    return change


def _taking(blobs: dict[str, Tensor], names: Iterable[str]) -> Change:
    def change(layer: Layer) -> None:
        for name in names:
            getattr(layer, name).copy_(blobs[name])

    return change


def _without_bias(layer: Layer) -> None:
    layer.bias.zero_()


def _of_other_layers(net: Net, own: Layer) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The blobs of layers that have such as it has."""
    shapes = {name: getattr(own, name).shape for name in own.blob_names}
    others = [layer for layer in net.layers.values() if layer is not own and layer.blob_names == own.blob_names]
    same = [layer for layer in others if {n: getattr(layer, n).shape for n in shapes} == shapes != {}]
    for layer in same[:_MOST_LAYERS]:
        yield layer.spec.name, {name: getattr(layer, name).detach().clone() for name in shapes}


def _moved(weight: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Kernels moved by one, what leaves them lost or back on the other side."""
    for axis, name in ((2, "H"), (3, "W")) if weight.ndim == 4 else ():
        for step in (1, -1) if weight.shape[axis] > 1 else ():
            rolled = np.roll(weight, step, axis)
            lost = rolled.copy()
            lost[(slice(None),) * axis + (0 if step > 0 else -1,)] = 0
            for values in (rolled, lost):
                yield f"kernels moved by one ({step:+d} along {name})", values


def fitted(run: LayerRun, bottoms: Bottoms, wrong: np.ndarray) -> Iterator[Alternative]:
    """The blob with the factor, the bias or the slope that fit `wrong` best."""
    if run.first.type == "BatchNorm":
        yield from _statistics(run, bottoms, wrong)
    before = run.top(bottoms, alone=True)
    in_place = {layer.type for layer in run.layers[1:]}
    if before is None or before.shape != wrong.shape or not in_place <= {"ReLU", "Dropout"}:
        return
    x, target = before.astype(np.float64), wrong.astype(np.float64)
    relu = next((layer for layer in run.layers if layer.type in ("ReLU", "PReLU")), None)
    if run.first.type in ("ReLU", "PReLU"):
        x = next(iter(bottoms.values())).astype(np.float64)
    if relu is not None:
        yield from _leaky(x, target, relu)
    if run.first.type in ("Convolution", "Deconvolution", "InnerProduct"):
        active = target > 0 if relu is not None else np.isfinite(target)
        yield from _rescaled(run, bottoms, x, target, active, relu is not None)


def _statistics(run: LayerRun, bottoms: Bottoms, wrong: np.ndarray) -> Iterator[Alternative]:
    """Batch normalisation with the eps, or the factor of all variances, that fits: both scale each channel."""
    layer = None if run.net is None else run.net.layer(run.first.name)
    relu = next((layer for layer in run.layers[1:] if layer.type == "ReLU"), None)
    made = run.top(bottoms, without=[relu] if relu is not None else [])
    if not isinstance(layer, BatchNorm) or made is None or made.shape != wrong.shape or made.ndim < 2:
        return
    own_eps = layer.spec.batch_norm_param.eps
    own = array(layer.statistics()[1].double()) + own_eps
    slopes = [_slope(made[:, c], wrong[:, c], relu is not None) for c in range(made.shape[1])]
    known = [c for c, slope in enumerate(slopes) if slope]
    theirs = np.array([own[c] / slopes[c] ** 2 for c in known])
    if not known:
        return
    eps = float(np.median(theirs - own[known])) + own_eps
    times = float(np.median((theirs - own_eps) / (own[known] - own_eps)))
    with_eps = changed(run.first, batch_norm__eps=max(eps, 0.0))
    what = f"eps {eps:.3g}, not {own_eps:g} as layer {run.first.name}"
    yield Alternative(what, run.top(bottoms, with_eps))
    unbiased = ": of an unbiased estimate, n / (n − 1), or of a biased one" if 0.9 < times < 1.2 else ""
    scaled = run.top(bottoms, change=lambda norm: norm.variance.mul_(times))
    yield Alternative(f"variances times {times:.5g}{unbiased}", scaled)
    if times > 0:
        divisor, stored = float(layer.factor) / times, float(layer.factor)
        sums = run.top(bottoms, change=lambda norm: norm.factor.div_(times))
        yield Alternative(f"the stored sums divided by {divisor:.5g}, not {stored:.5g}", sums)
    variance = np.maximum(own[known] - own_eps, 0)
    added = float(np.median(np.sqrt(theirs) - np.sqrt(variance)))

    def eps_outside(norm: Layer) -> None:
        deviation = norm.statistics()[1].clamp(min=0).sqrt() + added
        norm.variance.copy_((deviation.square() - own_eps) * norm.factor)

    what = f"eps {added:.3g} added to the deviation, not under the root"
    yield Alternative(what, run.top(bottoms, change=eps_outside) if added > 0 else None)
    root = run.top(bottoms, change=lambda norm: norm.variance.copy_(norm.statistics()[1].square() * norm.factor))
    yield Alternative("deviations for variances", root)
    twice = run.top(bottoms, change=lambda norm: norm.variance.copy_(norm.statistics()[1].sqrt() * norm.factor))
    yield Alternative("the variance's root in its place, of which the root is taken again", twice)


def _slope(a: np.ndarray, b: np.ndarray, rectified: bool) -> float:
    """b = slope · a + offset, where a ReLU lets it pass; 0 where that cannot be known."""
    used = b.ravel() > 0 if rectified else np.isfinite(b.ravel())
    x, y = (array.ravel()[used].astype(np.float64) for array in (a, b))
    return float(np.polyfit(x, y, 1)[0]) if used.sum() >= _FEWEST and np.ptp(x) > 0 else 0.0


def _leaky(x: np.ndarray, target: np.ndarray, relu: "schema.LayerParameter") -> Iterator[Alternative]:
    negative = x < 0
    if negative.any():
        slope = float(target[negative] @ x[negative] / (x[negative] @ x[negative]))
        what = f"a leaky ReLU of slope {slope:.4g} in place of layer {relu.name}"
        yield Alternative(what, np.where(negative, slope * x, x))
    if relu.type == "PReLU" and x.ndim > 1:
        along, below = (0, *range(2, x.ndim)), np.where(negative, x, 0)
        squares = (below * below).sum(along, keepdims=True)
        slopes = np.divide((target * below).sum(along, keepdims=True), squares, out=0 * squares, where=squares > 0)
        yield Alternative(f"other slopes of the channels than layer {relu.name}", np.where(negative, slopes * x, x))


def _rescaled(
    run: LayerRun, bottoms: Bottoms, x: np.ndarray, target: np.ndarray, active: np.ndarray, rectified: bool
) -> Iterator[Alternative]:
    """Weights and bias each times a factor."""
    bias = getattr(run.net.layer(run.first.name), "bias", None) if run.net else None
    without = None if bias is None else run.top(bottoms, change=_without_bias, alone=True)
    product = x if without is None else without.astype(np.float64)
    if active.sum() < _FEWEST:
        return
    factors, made = _refitted(product, None if bias is None else x - product, target, active)
    yield Alternative(_factors(*factors), np.maximum(made, 0) if rectified else made)


def _factors(weight: float, bias: float | None = None) -> str:
    if bias is None or abs(weight - bias) < 1e-3 * abs(weight):
        return f"scaled by {weight:.5g}" + ("" if bias is None else ", and the bias too")
    if abs(weight - 1) < 1e-4:
        return "without the bias" if abs(bias) < 1e-4 else f"with a bias scaled by {bias:.5g}"
    return f"scaled by {weight:.5g}" + ("" if abs(bias - 1) < 1e-3 else f", the bias by {bias:.5g}")


def best(candidates: Iterable[Alternative], wrong: np.ndarray, before: float) -> tuple[str, float] | None:
    """The first that makes `wrong` up to rounding, else the one that comes nearest, and its relative error; `before` is
    that of the layer as it is."""
    nearest = None
    for what, made in candidates:
        after = 1.0 if made is None else distance(made, wrong)
        if after <= EXPLAINED and after <= 0.1 * before and (nearest is None or after < nearest[1]):
            nearest = what, after
            if after <= ROUNDING:
                break
    return nearest
