"""What a layer makes of its bottoms with other weights: read in another order, moved, without a bias, of another layer;
and the factor, the bias and the slope of the ReLU that fit best."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from prototxt_import.layers.layer import Layer
from prototxt_import.net import Net

from .arrangements import WEIGHT_AXES, arrangements
from .cause import EXPLAINED, distance
from .layer_runs import Bottoms, Change, LayerRun
from .layer_settings import Alternative

_FEWEST = 8  # values of a channel, from which two numbers are fitted
_MOST_LAYERS = 16


def other_weights(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    """The blob as the layer's weights in another order, of another layer, or without the bias make it."""
    net = run.net
    weight = None if net is None else getattr(net.layer(run.first.name), "weight", None)
    if net is None or weight is None:
        return
    values = weight.detach().float().cpu().contiguous().numpy()
    named = [(new.what, new.values) for new in arrangements(values, values.shape, WEIGHT_AXES)] + list(_moved(values))
    for what, other in named:
        yield Alternative(what, run.top(bottoms, change=_setting("weight", other)))
    if getattr(net.layer(run.first.name), "bias", None) is not None:
        yield Alternative("without the bias", run.top(bottoms, change=_without_bias))
    for name, other in _of_other_layers(net, run.first.name, weight):
        yield Alternative(f"those of layer {name}", run.top(bottoms, change=_setting("weight", other)))


def _setting(blob: str, values: np.ndarray) -> Change:
    def change(layer: Layer) -> None:
        getattr(layer, blob).copy_(torch.from_numpy(np.array(values, order="C")))

    return change


def _without_bias(layer: Layer) -> None:
    layer.bias.zero_()


def _moved(weight: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Kernels moved by one, what leaves them lost or back on the other side."""
    for axis, name in ((2, "H"), (3, "W")) if weight.ndim == 4 else ():
        for step in (1, -1) if weight.shape[axis] > 1 else ():
            rolled = np.roll(weight, step, axis)
            lost = rolled.copy()
            lost[(slice(None),) * axis + (0 if step > 0 else -1,)] = 0
            for values in (rolled, lost):
                yield f"kernels moved by one ({step:+d} along {name})", values


def _of_other_layers(net: Net, own: str, weight: Tensor) -> Iterator[tuple[str, np.ndarray]]:
    same = [
        layer
        for layer in net.layers.values()
        if getattr(layer, "weight", None) is not None and layer.weight.shape == weight.shape
    ]
    for layer in [layer for layer in same if layer.spec.name != own][:_MOST_LAYERS]:
        yield layer.spec.name, layer.weight.detach().float().cpu().contiguous().numpy()


def fitted(run: LayerRun, bottoms: Bottoms, wrong: np.ndarray) -> Iterator[Alternative]:
    """The blob with the factor, the bias or the slope that fit `wrong` best."""
    before = run.top(bottoms, alone=True)
    in_place = {layer.type for layer in run.layers[1:]}
    if before is None or before.shape != wrong.shape or not in_place <= {"ReLU", "Dropout"}:
        return
    x, target = before.astype(np.float64), wrong.astype(np.float64)
    relu = next((layer for layer in run.layers if layer.type == "ReLU"), None)
    if run.first.type == "ReLU":
        x = next(iter(bottoms.values())).astype(np.float64)
    if relu is not None:
        yield from _leaky(x, target, relu.name)
    if run.first.type in ("Convolution", "Deconvolution", "InnerProduct"):
        active = target > 0 if relu is not None else np.isfinite(target)
        yield from _rescaled(run, bottoms, x, target, active, relu is not None)
        yield from _per_output(x, target, active, relu is not None)


def _leaky(x: np.ndarray, target: np.ndarray, name: str) -> Iterator[Alternative]:
    negative = x < 0
    if negative.any():
        slope = float(target[negative] @ x[negative] / (x[negative] @ x[negative]))
        what = f"a leaky ReLU of slope {slope:.4g} in place of layer {name}"
        yield Alternative(what, np.where(negative, slope * x, x))


def _rescaled(
    run: LayerRun, bottoms: Bottoms, x: np.ndarray, target: np.ndarray, active: np.ndarray, rectified: bool
) -> Iterator[Alternative]:
    """Weights and bias each times a factor."""
    bias = getattr(run.net.layer(run.first.name), "bias", None) if run.net else None
    without = None if bias is None else run.top(bottoms, change=_without_bias, alone=True)
    product = x if without is None else without.astype(np.float64)
    parts = [product[active]] + ([] if bias is None else [(x - product)[active]])
    if active.sum() < _FEWEST:
        return
    factors, *_ = np.linalg.lstsq(np.column_stack(parts), target[active], rcond=None)
    made = factors[0] * product + (factors[1] * (x - product) if bias is not None else 0)
    yield Alternative(_factors(*factors), np.maximum(made, 0) if rectified else made)


def _factors(weight: float, bias: float | None = None) -> str:
    if bias is None or abs(weight - bias) < 1e-3 * abs(weight):
        return f"scaled by {weight:.5g}" + ("" if bias is None else ", and the bias too")
    if abs(weight - 1) < 1e-4:
        return f"with a bias scaled by {bias:.5g}"
    return f"scaled by {weight:.5g}" + ("" if abs(bias - 1) < 1e-3 else f", the bias by {bias:.5g}")


def _per_output(x: np.ndarray, target: np.ndarray, active: np.ndarray, rectified: bool) -> Iterator[Alternative]:
    """A factor and an offset for each output, or an offset alone."""
    if x.ndim < 2:
        return
    ones, rest = np.ones(x.shape[1]), (x.shape[0], *x.shape[2:])
    factors, offsets, only = ones.copy(), 0 * ones, 0 * ones
    for c in range(x.shape[1]):
        one, other, used = x[:, c].ravel(), target[:, c].ravel(), active[:, c].ravel()
        if used.sum() >= _FEWEST and np.ptp(one[used]) > 0:
            factors[c], offsets[c] = np.polyfit(one[used], other[used], 1)
        if used.any():
            only[c] = (other - one)[used].mean()
    along = (1, -1, *(1,) * (len(rest) - 1))
    for what, scale, offset in (
        ("with another bias", ones, only),
        ("scaled for each output, with another bias: batch normalisation folded otherwise, or not", factors, offsets),
    ):
        made = scale.reshape(along) * x + offset.reshape(along)
        yield Alternative(what, np.maximum(made, 0) if rectified else made)


def best(candidates: Iterator[Alternative], wrong: np.ndarray, before: float) -> tuple[str, float] | None:
    """The first that makes `wrong` up to rounding, and its relative error; `before` is that of the layer as it is."""
    for what, made in candidates:
        after = 1.0 if made is None else distance(made, wrong)
        if after <= EXPLAINED and after <= 0.1 * before:
            return what, after
    return None
