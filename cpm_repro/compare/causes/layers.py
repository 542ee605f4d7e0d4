"""Whether a side is what the layer would have made of the recorded bottoms with other settings or other weights."""

import numpy as np

from prototxt_import.formats import schema

from .arrays import localised
from .cause import EXPLAINED, Cause, distance
from .layer_runs import Bottoms, LayerRun
from .layer_settings import alternatives
from .layer_weights import best, fitted, other_weights


def _pooling(kernel: int, stride: int, method: str) -> "schema.LayerParameter":
    layer = schema.LayerParameter(type="Pooling", bottom=["bottom"], top=["top"])
    layer.pooling_param.kernel_size, layer.pooling_param.stride = kernel, stride
    layer.pooling_param.pool = layer.pooling_param.PoolMethod.Value(method)
    return layer


_CPM_POOLINGS = (_pooling(3, 2, "MAX"), _pooling(2, 2, "MAX"), _pooling(9, 8, "AVE"))


def pooling_causes(bottom: np.ndarray, a: np.ndarray, b: np.ndarray) -> list[Cause]:
    """Without a prototxt: whether a CPM's pooling of `bottom` makes one side, and other pooling the other."""
    if not all(array.ndim == 4 and array.dtype.kind == "f" for array in (bottom, a, b)):
        return []
    tried = (layer_causes(LayerRun([layer]), {"bottom": bottom}, a, b) for layer in _CPM_POOLINGS)
    return next(filter(None, tried), [])


def layer_causes(run: LayerRun, bottoms: Bottoms, a: np.ndarray, b: np.ndarray) -> list[Cause]:
    """Why one side is not what the layers make of the bottoms. Empty if neither side is, or both are, or it is unknown
    (see `unexplained`)."""
    sides = _right_and_wrong(run, bottoms, a, b)
    return [] if sides is None else explain(run, bottoms, *sides[:2])


def _right_and_wrong(
    run: LayerRun, bottoms: Bottoms, a: np.ndarray, b: np.ndarray
) -> tuple[str, np.ndarray, float, float] | None:
    """(name of the wrong side, its array, relative errors of the right and of the wrong one)."""
    own = run.top(bottoms)
    if own is None:
        return None
    apart = [distance(side, own) for side in (a, b)]
    if not min(apart) <= EXPLAINED < max(apart):
        return None
    return ("A", a, apart[1], apart[0]) if apart[0] > apart[1] else ("B", b, apart[0], apart[1])


def explain(run: LayerRun, bottoms: Bottoms, side: str, wrong: np.ndarray) -> list[Cause]:
    """Which other settings or weights of the first layer make `wrong` of these bottoms; empty if none that is known."""
    own = run.top(bottoms)
    before = 1.0 if own is None else distance(own, wrong)
    name = run.first.name or "pooling"
    if found := best(alternatives(run, bottoms), wrong, before):
        what, after = found
        measured = f"of the same inputs that makes {side}: relative error {after:.2g}, as the layer is: {before:.2g}"
        return [Cause(f"{side} comes from {what}", measured)]
    if found := best(other_weights(run, bottoms), wrong, before) or best(fitted(run, bottoms, wrong), wrong, before):
        what, after = found
        measured = f"{side} is what layer {name} makes like that: relative error {after:.2g} (as it is: {before:.2g})"
        if "ReLU" in what:
            return [Cause(f"{side} comes from {what}", measured)]
        return [Cause(f"{side} has other weights of layer {name}: {what}", measured)]
    return []


def unexplained(run: LayerRun, bottoms: Bottoms, a: np.ndarray, b: np.ndarray) -> list[Cause]:
    """What can be said if it is known which side is wrong, and not why."""
    sides = _right_and_wrong(run, bottoms, a, b)
    if sides is None:
        return []
    side, _, right, wrong = sides
    what = "weights or settings" if run.net is not None else "settings"
    return [
        Cause(
            f"{side} was computed with other {what} of layer {run.first.name}",
            f"of the same inputs that layer makes the other side (relative error {right:.2g}) and not {side} "
            f"({wrong:.2g}); none of the usual mistakes makes {side}",
        ),
        *localised(a, b),
    ]
