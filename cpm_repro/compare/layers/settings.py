"""What a layer makes of its bottoms with other settings, those that ports of Caffe's nets get wrong.

Pooling that rounds down (Caffe's rounds up) or by the other method, padding and dilation of a convolution, a leaky
ReLU, LRN whose alpha is not divided by the window, batch statistics in place of the global ones …
"""

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from prototxt_import.formats import schema
from prototxt_import.layers.layer import Layer
from prototxt_import.tensors import array

from .runs import Alternative, Bottoms, Change, LayerRun, changed
from .windows import convolution, deconvolution, pooling


def alternatives(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    """The blob as other settings of its first layer make it."""
    if run.first.type in _SETTINGS:
        yield from _SETTINGS[run.first.type](run, bottoms)


def incomplete(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    """The blob without one of its layers."""
    if len(bottoms) == len(run.layers) == 1:
        (bottom,) = bottoms.values()
        yield Alternative(f"a net without {_named(run.first)}", np.array(bottom, np.float32))
    for first, last in itertools.combinations_with_replacement(range(1, len(run.layers)), 2):
        gone = run.layers[first : last + 1]
        which = " and ".join(_named(layer) for layer in gone)
        yield Alternative(f"a net without {which}", run.top(bottoms, without=gone))


def bias_behind(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    """A bias that is added behind the ReLU."""
    if [layer.type for layer in run.layers[1:]] != ["ReLU"] or run.net is None:
        return
    bias = getattr(run.net.layer(run.first.name), "bias", None)
    made = None if bias is None else run.top(bottoms, change=lambda layer: layer.bias.zero_())
    if made is not None and bias is not None:
        added = made + array(bias).reshape(-1, *(1,) * (made.ndim - 2))
        yield Alternative(f"a bias of layer {run.first.name} that is added behind layer {run.layers[1].name}", added)


def _named(layer: "schema.LayerParameter") -> str:
    return f"layer {layer.name} ({layer.type})"


def _lrn(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    layer, p = run.first, run.first.lrn_param
    across = p.norm_region == p.ACROSS_CHANNELS
    area = p.local_size if across else p.local_size**2
    region = p.WITHIN_CHANNEL if across else p.ACROSS_CHANNELS
    tried: dict[str, dict[str, float]] = {
        f"alpha {p.alpha:g} not divided by the window's {area} values": {"lrn__alpha": p.alpha * area},
        f"alpha {p.alpha:g} divided twice by the window's {area} values": {"lrn__alpha": p.alpha / area},
        "the other norm_region": {"lrn__norm_region": region},
        **{f"local_size {n}": {"lrn__local_size": n} for n in (p.local_size - 2, p.local_size + 2) if n > 0},
        f"a window of {2 * p.local_size + 1}, local_size taken for its radius": {
            "lrn__local_size": 2 * p.local_size + 1
        },
        f"a window of {2 * p.local_size + 1}, local_size taken for its radius, and alpha {p.alpha:g} not divided": {
            "lrn__local_size": 2 * p.local_size + 1,
            "lrn__alpha": p.alpha * (2 * p.local_size + 1),
        },
        **{f"k {k}": {"lrn__k": k} for k in (1, 2) if k != p.k},
        **{f"beta {beta}": {"lrn__beta": beta} for beta in (0.5, 0.75, 1) if beta != p.beta},
    }
    for what, fields in tried.items():
        yield Alternative(f"LRN with {what}, unlike layer {layer.name}", run.top(bottoms, changed(layer, **fields)))


def _batch_norm(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    layer = run.first
    yield from _other_eps(run, bottoms, "batch_norm", (1e-5, 1e-3, 1e-2, 1e-4, 1e-6, 1e-12))
    for stored, whose in ((False, "batch's own"), (True, "stored")):
        made = run.top(bottoms, changed(layer, batch_norm__use_global_stats=stored))
        what = f"batch normalisation by the {whose} mean and variance, unlike layer {layer.name}"
        yield Alternative(what, made)


def _bn(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    """The forks' batch normalisation, which scales and shifts, too."""
    yield from _other_eps(run, bottoms, "bn", (1e-3, 1e-2, 1e-4, 1e-6, 1e-5, 1e-10))
    yield Alternative("deviations for variances", run.top(bottoms, change=lambda norm: norm.variance.square_()))


def _other_eps(run: LayerRun, bottoms: Bottoms, param: str, tried: tuple[float, ...]) -> Iterator[Alternative]:
    layer, own = run.first, getattr(run.first, f"{param}_param").eps
    for eps in tried:
        if not np.isclose(eps, own, rtol=1e-6, atol=0):
            what = f"batch normalisation with eps {eps:g}; layer {layer.name} has {own:g}"
            yield Alternative(what, run.top(bottoms, changed(layer, **{f"{param}__eps": eps})))


def _eltwise(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    layer, p = run.first, run.first.eltwise_param
    for name in (name for name in ("SUM", "PROD", "MAX") if p.EltwiseOp.Value(name) != p.operation):
        other = changed(layer, eltwise__operation=p.EltwiseOp.Value(name), eltwise__coeff=None)
        what = f"{name} of the bottoms; layer {layer.name} takes their {p.EltwiseOp.Name(p.operation)}"
        yield Alternative(what, run.top(bottoms, other))
    if p.coeff:
        what = f"the sum of the bottoms without the coeff of layer {layer.name}"
        yield Alternative(what, run.top(bottoms, changed(layer, eltwise__coeff=None)))
    elif p.operation == p.SUM:
        count = len(layer.bottom)
        for left_out in range(count):
            others = changed(layer, eltwise__coeff=[float(i != left_out) for i in range(count)])
            what = f"the sum of layer {layer.name} without its bottom {left_out + 1}"
            yield Alternative(what, run.top(bottoms, others))
        what = f"the mean of the bottoms; layer {layer.name} takes their sum"
        yield Alternative(what, run.top(bottoms, changed(layer, eltwise__coeff=[1 / count] * count)))


def _concat(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    layer = run.first
    for order in itertools.islice(itertools.permutations(range(len(layer.bottom))), 1, 24):
        other = schema.LayerParameter()
        other.CopyFrom(layer)
        other.bottom[:] = [layer.bottom[i] for i in order]
        shown = ", ".join(str(i + 1) for i in order)
        yield Alternative(f"the bottoms of layer {layer.name} joined in the order {shown}", run.top(bottoms, other))


FLATTENED = {
    "channels last (H, W, C)": (0, 2, 3, 1),
    "column by column (C, W, H)": (0, 1, 3, 2),
    "in MATLAB's order (W, H, C)": (0, 3, 2, 1),
}


def _inner_product(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    (name, array), *_ = bottoms.items()
    for how, order in FLATTENED.items() if array.ndim == 4 else ():
        moved = array.transpose(order)
        flat = np.ascontiguousarray(moved).reshape(array.shape)
        yield Alternative(f"layer {run.first.name} of its bottom flattened {how}", run.top({name: flat}))
        back = np.ascontiguousarray(array.reshape(moved.shape).transpose(np.argsort(order)))
        what = f"layer {run.first.name} with weights for a bottom flattened {how}"
        yield Alternative(what, run.top({name: back}))


def _embed(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    name = run.first.name

    def rolled(by: int) -> Change:
        def change(embed: Layer) -> None:
            embed.weight.copy_(embed.weight.roll(by, 0))

        return change

    for step, what in ((1, "the row before the one"), (-1, "the row behind the one")):
        made = run.top(bottoms, change=rolled(step))
        yield Alternative(f"{what} that each index of layer {name} says: rows counted from another number", made)


def _crop(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    layer, (array, like) = run.first, (array.shape for array in bottoms.values())
    first = layer.crop_param.axis % len(array)
    beyond = [n - m for n, m in zip(array[first:], like[first:], strict=True)]
    for more in (0, 1):
        centred = changed(layer, crop__offset=[(n + more) // 2 for n in beyond])
        yield Alternative(f"the middle of the map; layer {layer.name} has offsets", run.top(bottoms, centred))


def _softmax(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    layer, own = run.first, run.first.softmax_param.axis
    count = next(iter(bottoms.values())).ndim
    for axis in (axis for axis in range(count) if axis not in (own, own + count)):
        what = f"softmax along axis {axis}; layer {layer.name} has {own}"
        yield Alternative(what, run.top(bottoms, changed(layer, softmax__axis=axis)))


_SETTINGS: dict[str, Callable[[LayerRun, Bottoms], Iterator[Alternative]]] = {
    "Pooling": pooling,
    "Convolution": convolution,
    "Deconvolution": deconvolution,
    "LRN": _lrn,
    "BatchNorm": _batch_norm,
    "Eltwise": _eltwise,
    "Concat": _concat,
    "InnerProduct": _inner_product,
    "BN": _bn,
    "Embed": _embed,
    "Crop": _crop,
    "Softmax": _softmax,
}
