"""What pooling, a convolution or a deconvolution makes with windows that lie elsewhere: another rounding, padding,
dilation, divisor or cut."""

import itertools
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from cpm_kernels.window import Window
from prototxt_import.formats import schema
from prototxt_import.layers.pooling import Pooling

from .runs import Alternative, Bottoms, LayerRun, changed

Pads = tuple[tuple[int, int], ...]
"""Before and behind the map on each axis."""
Mode = Literal["constant", "reflect", "edge", "wrap"]


def pooling(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
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


def convolution(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
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


def deconvolution(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    """Cut out of the whole map at another place."""
    layer, built, own = run.first, run.built(bottoms), run.top(bottoms, alone=True)
    window = None if built is None else built.window
    unpadded = changed(layer, convolution__pad=[0], convolution__pad_h=None, convolution__pad_w=None)
    whole = run.top(bottoms, unpadded, alone=True)
    if window is None or own is None or whole is None or own.ndim != 4:
        return
    yield Alternative(f"a deconvolution without padding; {_owner(layer)} has {window.pad[0]}", run.rest(whole))
    spare = [range(n - m + 1) for n, m in zip(whole.shape[2:], own.shape[2:], strict=True)]
    for top, left in itertools.product(*spare):
        part = whole[:, :, top : top + own.shape[2], left : left + own.shape[3]]
        what = f"a deconvolution cut out from row {top} and column {left} on; {_owner(layer)} pads by {window.pad[0]}"
        yield Alternative(what, run.rest(np.ascontiguousarray(part)))


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


def _owner(layer: "schema.LayerParameter") -> str:
    return f"layer {layer.name}" if layer.name else "Caffe's"
