"""What a layer makes of its bottoms with other settings, those that ports of Caffe's nets get wrong.

Pooling that rounds down (Caffe's rounds up) or by the other method, padding and dilation of a convolution, a leaky
ReLU, LRN whose alpha is not divided by the window, batch statistics in place of the global ones …
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from cpm_kernels.window import Window
from prototxt_import.formats import schema
from prototxt_import.layers.layer import Layer
from prototxt_import.layers.pooling import Pooling
from prototxt_import.tensors import array

from .layer_runs import Bottoms, Change, LayerRun, changed

Pads = tuple[tuple[int, int], ...]
"""Before and behind the map on each axis."""
Mode = Literal["constant", "reflect", "edge", "wrap"]


class Alternative(NamedTuple):
    """What a side comes from if it holds `made`; None where the layer cannot run like that."""

    what: str
    made: np.ndarray | None


def alternatives(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    """The blob as other settings of its first layer make it."""
    if run.first.type in _SETTINGS:
        yield from _SETTINGS[run.first.type](run, bottoms)


def incomplete(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    """The blob without one of its layers."""
    if len(bottoms) == len(run.layers) == 1:
        (bottom,) = bottoms.values()
        yield Alternative(f"a net without {_named(run.first)}", np.array(bottom, np.float32))
    for layer in run.layers[1:]:
        yield Alternative(f"a net without {_named(layer)}", run.top(bottoms, without=layer))


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


def _owner(layer: "schema.LayerParameter") -> str:
    return f"layer {layer.name}" if layer.name else "Caffe's"


def _pooling(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    layer, built = run.first, run.built(bottoms)
    if not isinstance(built, Pooling):
        return
    for deviations in _pooling_deviations(layer, built.window):
        theirs, own = " and ".join(d.theirs for d in deviations), " and ".join(d.own for d in deviations)
        fields = {field: value for d in deviations for field, value in d.fields.items()}
        yield Alternative(f"pooling {theirs}; {_owner(layer)} {own}", run.top(bottoms, changed(layer, **fields)))
    yield from _other_divisors(run, bottoms, built.window)
    yield from _other_places(run, bottoms, built.window)


def _other_divisors(run: LayerRun, bottoms: Bottoms, window: Window | None) -> Iterator[Alternative]:
    """AVE of another library: Caffe divides by the window as far as it lies in the map and its padding."""
    p, own = run.first.pooling_param, run.top(bottoms)
    (array,) = bottoms.values()
    if window is None or p.pool != p.AVE or own is None or array.ndim != 4:
        return
    x, reach = (
        torch.from_numpy(np.array(array, np.float32)),
        (s * (n - 1) for s, n in zip(window.stride, own.shape[2:], strict=True)),
    )
    behind = [
        max(r + k - pad - n, 0) for r, k, pad, n in zip(reach, window.kernel, window.pad, x.shape[2:], strict=True)
    ]
    padded = (window.pad[1], behind[1], window.pad[0], behind[0])
    total, inside = (
        functional.avg_pool2d(functional.pad(t, padded), window.kernel, window.stride, divisor_override=1)[
            ..., : own.shape[2], : own.shape[3]
        ].numpy()
        for t in (x, torch.ones_like(x))
    )
    area = window.kernel[0] * window.kernel[1]
    yield Alternative(f"AVE pooling that divides by all {area} values of the window, also at the edge", total / area)
    yield Alternative("AVE pooling that divides by the values inside of the map, without its padding", total / inside)


def _other_places(run: LayerRun, bottoms: Bottoms, window: Window | None) -> Iterator[Alternative]:
    """Pooling whose windows lie elsewhere: padded as TensorFlow's SAME, or beginning one earlier or later."""
    p, own = run.first.pooling_param, run.top(bottoms, alone=True)
    (array,) = bottoms.values()
    if window is None or own is None or array.ndim != 4 or len(window.kernel) != 2 or p.pool not in (p.MAX, p.AVE):
        return
    x = torch.from_numpy(np.array(array, np.float32))
    for before, size in _other_begins(window, x.shape[2:], own.shape[2:]):
        behind = tuple(
            (out - 1) * s + k - n - b
            for out, s, k, n, b in zip(size, window.stride, window.kernel, x.shape[2:], before, strict=True)
        )
        pads = tuple(zip(before, behind, strict=True))
        what = f"pooling with {_pads(pads)}; {_owner(run.first)} has {_pads(tuple((n, n) for n in window.pad))}"
        yield Alternative(what, run.rest(_pooled(x, pads, window, p.pool == p.MAX)))


def _other_begins(
    window: Window, whole: tuple[int, ...], own: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """How far before the map the first window begins, and how many there are."""
    same = tuple(-(-n // s) for n, s in zip(whole, window.stride, strict=True))
    missing = (
        max((out - 1) * s + k - n, 0) for out, s, k, n in zip(same, window.stride, window.kernel, whole, strict=True)
    )
    yield tuple(n // 2 for n in missing), same
    for steps in itertools.product((0, 1, -1), repeat=2):
        if any(steps):
            yield tuple(pad + step for pad, step in zip(window.pad, steps, strict=True)), own


def _pooled(x: torch.Tensor, pads: Pads, window: Window, by_maximum: bool) -> np.ndarray:
    """Windows that reach beyond the map have fewer values."""
    around = (*pads[1], *pads[0])
    if by_maximum:
        padded = functional.pad(x, around, value=-torch.inf)
        return functional.max_pool2d(padded, window.kernel, window.stride).numpy()
    total, inside = (
        functional.avg_pool2d(functional.pad(t, around), window.kernel, window.stride, divisor_override=1)
        for t in (x, torch.ones_like(x))
    )
    return (total / inside).numpy()


class _Deviation(NamedTuple):
    theirs: str
    own: str
    fields: dict[str, object]


def _pooling_deviations(layer: "schema.LayerParameter", window: Window | None) -> Iterator[tuple[_Deviation, ...]]:
    """Fewest first."""
    param = layer.pooling_param
    kinds = [_methods(param)] if window is None else [_methods(param), _roundings(window), *_windows(window)]
    for count in (1, 2, 3):
        for chosen in itertools.combinations(kinds, count):
            yield from itertools.product(*chosen)


def _methods(param: "schema.PoolingParameter") -> list[_Deviation]:
    own, other = ("MAX", "AVE") if param.pool == param.MAX else ("AVE", "MAX")
    return [_Deviation(f"by {other} in place of {own}", f"takes {own}", {"pooling__pool": getattr(param, other)})]


def _roundings(window: Window) -> list[_Deviation]:
    floor, ceil = (schema.PoolingParameter.RoundMode.Value(name) for name in ("FLOOR", "CEIL"))
    down = _Deviation("that rounds down (floor)", "rounds up", {"pooling__round_mode": floor})
    up = _Deviation("that rounds up (ceil)", "rounds down", {"pooling__round_mode": ceil, "pooling__ceil_mode": True})
    return [down if window.ceil else up]


def _windows(window: Window) -> Iterator[list[_Deviation]]:
    kernel, stride, pad = window.kernel[0], window.stride[0], window.pad[0]
    if window.kernel != (kernel,) * 2 or window.stride != (stride,) * 2 or window.pad != (pad,) * 2:
        return
    pads = [p for p in dict.fromkeys((0, kernel // 2)) if p != pad and p < kernel]
    yield [_Deviation(f"with padding {p}", f"has {pad}", {"pooling__pad": [p], **_squared("pad")}) for p in pads]
    kernels = [k for k in (kernel - 1, kernel + 1, kernel - 2, kernel + 2) if k > pad]
    fields = _squared("kernel")
    yield [
        _Deviation(f"over {k}×{k}", f"over {kernel}×{kernel}", {"pooling__kernel_size": [k], **fields}) for k in kernels
    ]


def _squared(name: str) -> dict[str, None]:
    """Without the fields for each axis, which would win."""
    return {f"pooling__{name}_h": None, f"pooling__{name}_w": None}


def _convolution(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    layer, built = run.first, run.built(bottoms)
    window = None if built is None else built.receptive_window
    if window is None or any(array.ndim != 4 for array in bottoms.values()):
        return
    name = _owner(layer)
    unpadded = changed(layer, convolution__pad=[0], convolution__pad_h=None, convolution__pad_w=None)
    own = tuple((pad, pad) for pad in window.pad)
    for pads in _other_pads(window, next(iter(bottoms.values())).shape[2:], own):
        if min(min(axis) for axis in pads) >= 0 and pads != own:
            what = f"{_pads(pads)}; {name} has {_pads(own)}"
            yield Alternative(f"a convolution with {what}", run.top(_padded(bottoms, pads), unpadded))
    modes: tuple[tuple[Mode, str], ...] = (("reflect", "reflected"), ("edge", "repeated"), ("wrap", "wrapped around"))
    for mode, means in modes:
        if any(window.pad) and max(window.pad) < min(min(array.shape[2:]) for array in bottoms.values()):
            what = f"a convolution whose padding is the map {means}; {name} pads with zeros"
            yield Alternative(what, run.top(_padded(bottoms, own, mode), unpadded))
    yield from _dilated(run, bottoms, window, unpadded)


def _other_pads(window: Window, size: tuple[int, ...], own: Pads) -> Iterator[Pads]:
    """((top, bottom), (left, right)): none, that of TensorFlow's SAME, moved by one, one more or less."""
    yield ((0, 0), (0, 0))
    same = []
    for n, k, s, d in zip(size, window.kernel, window.stride, window.dilation, strict=True):
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        same.append((total // 2, total - total // 2))
    yield tuple(same)
    for down, right in itertools.product((0, 1, -1), repeat=2):
        yield tuple((a - step, b + step) for (a, b), step in zip(own, (down, right), strict=True))
    for more in (1, -1):
        yield tuple((a + more, b + more) for a, b in own)


def _pads(pads: Pads) -> str:
    (top, bottom), (left, right) = pads
    if top == bottom == left == right:
        return f"padding {top}"
    return f"padding {top} above, {bottom} below, {left} left, {right} right"


def _padded(bottoms: Bottoms, pads: Pads, mode: Mode = "constant") -> Bottoms:
    return {name: np.pad(array, ((0, 0), (0, 0), *pads), mode=mode) for name, array in bottoms.items()}


def _dilated(
    run: LayerRun, bottoms: Bottoms, window: Window, unpadded: "schema.LayerParameter"
) -> Iterator[Alternative]:
    """Another dilation, with the padding that keeps the size; another stride is another shape."""
    if window.dilation[0] != window.dilation[1] or max(window.kernel) == 1:
        return
    own = window.dilation[0]
    for dilation in (d for d in (1, 2, 4) if d != own):
        more = tuple((dilation - own) * (k - 1) for k in window.kernel)
        pads = tuple((pad + m // 2, pad + m - m // 2) for pad, m in zip(window.pad, more, strict=True))
        if min(min(axis) for axis in pads) >= 0:
            what = f"a convolution with dilation {dilation}; {_owner(run.first)} has {own}"
            yield Alternative(
                what, run.top(_padded(bottoms, pads), changed(unpadded, convolution__dilation=[dilation]))
            )


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
    "Pooling": _pooling,
    "Convolution": _convolution,
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
