"""Layers of windows as ONNX nodes: Pooling, SPP and Im2col; importing this module registers them.

Where ONNX's rule and Caffe's differ (pooling's size and divisor) the nodes say Caffe's in full.
"""

import math
from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from cpm_kernels.window import Window
from prototxt_import.layers.layer import Shape

from .onnx_graph import LOWEST, LayerExport, exports
from .python_functions import beyond

_END = np.iinfo(np.int64).max


@exports("Pooling")
def pooling(e: LayerExport) -> str | list[str]:
    """MaxPool or AveragePool with padding that gives Caffe's size, and the mean's divisor put right at the border."""
    e.layer.require(e.layer.axes == 2, "a map of two axes, for an ONNX export", str(e.layer.axes))
    if len(e.top_shapes) == 2:
        return _with_mask(e)
    if e.layer.is_min:
        e.bottoms = [e.node("Neg", e.bottoms[0])]
        return e.node("Neg", _pooling(e))
    return _pooling(e)


def _pooling(e: LayerExport) -> str:
    if e.dynamic:
        return _pooling_of_any_size(e)
    size, out = e.shapes[0][2:], e.top_shapes[0][2:]
    return _pooled(e, size, out, e.layer.window or Window(kernel=tuple(size)), e.layer.is_max)


def _with_mask(e: LayerExport) -> list[str]:
    """MaxPool and its indices, which count through all padded maps; the mask counts in each map as it is."""
    x, window = e.bottoms[0], e.layer.window
    if window is None:
        e.layer.require(not e.dynamic, "fixed sizes, for an ONNX export of global pooling with a mask", "--dynamic")
        window = Window(kernel=tuple(e.shapes[0][2:]))
    padded = _padded(e, x, window.pad, beyond(window.kernel, window.stride, window.pad, window.ceil), e.number(LOWEST))
    largest, places = e.several("MaxPool", [padded], 2, kernel_shape=window.kernel, strides=window.stride)
    height, width = (e.node("Shape", padded, start=axis, end=axis + 1) for axis in (2, 3))
    places = e.node("Mod", places, e.node("Mul", height, width))
    rows, columns = e.node("Div", places, width), e.node("Mod", places, width)
    if any(window.pad):
        rows, columns = (e.node("Sub", at, e.ints(p)) for at, p in zip((rows, columns), window.pad, strict=True))
    inside = e.node("Add", e.node("Mul", rows, e.node("Shape", x, start=3, end=4)), columns)
    if any(
        s > k for s, k in zip(window.stride, window.kernel, strict=True)
    ):  # there may be windows with nothing in them
        inside = e.node("Where", e.node("Equal", largest, e.number(LOWEST)), e.ints([-1]), inside)
    return [largest, e.node("Cast", inside, to=TensorProto.FLOAT)]


def _pooled(e: LayerExport, size: Shape, out: Shape, window: Window, largest: bool) -> str:
    """A map of that size."""
    beyond = [
        max((count - 1) * s + k - p - n, 0)
        for n, count, k, s, p in zip(size, out, window.kernel, window.stride, window.pad, strict=True)
    ]
    x, pads = e.bottoms[0], [*window.pad, *beyond]
    if any(pad >= k for pad, k in zip(pads, [*window.kernel] * 2, strict=True)):  # a window with nothing in it
        around = e.ints([0, 0, *pads[:2], 0, 0, *pads[2:]])
        x, pads = e.node("Pad", x, around, e.number(LOWEST)), [0, 0, 0, 0]
    geometry = {"kernel_shape": window.kernel, "strides": window.stride, "pads": pads}
    if largest:
        return e.node("MaxPool", x, **geometry)
    mean = e.node("AveragePool", x, count_include_pad=1, **geometry)
    share = math.prod(window.kernel) / _divisors(size, out, window)
    return mean if (share == 1).all() else e.node("Mul", mean, e.constant(share.astype(np.float32)))


def _pooling_of_any_size(e: LayerExport) -> str:
    """With so much padding at the end that rounding down gives Caffe's number of windows (see `beyond`)."""
    window, x = e.layer.window, e.bottoms[0]
    if window is None:
        return e.node("GlobalMaxPool" if e.layer.is_max else "GlobalAveragePool", x)
    behind = beyond(window.kernel, window.stride, window.pad, window.ceil)
    geometry = {"kernel_shape": window.kernel, "strides": window.stride}
    if e.layer.is_max:
        return e.node("MaxPool", _padded(e, x, window.pad, behind, e.number(LOWEST)), **geometry)
    mean = e.node("AveragePool", _padded(e, x, window.pad, behind, e.number(0)), **geometry)
    rounding = [after - p for after, p in zip(behind, window.pad, strict=True)]
    if not any(rounding):
        return mean
    image = e.node("Slice", x, *(e.ints(v) for v in ([0, 0], [1, 1], [0, 1])))
    ones = e.node("ConstantOfShape", e.node("Shape", image))
    inside = e.node("Add", ones, e.number(1))
    inside = _padded(e, inside, window.pad, window.pad, e.number(1))
    inside = _padded(e, inside, (0, 0), rounding, e.number(0))
    return e.node("Div", mean, e.node("AveragePool", inside, **geometry))


def _padded(e: LayerExport, x: str, before: Sequence[int], behind: Sequence[int], value: str) -> str:
    if not any([*before, *behind]):
        return x
    return e.node("Pad", x, e.ints([0, 0, *before, 0, 0, *behind]), value)


def _divisors(size: tuple[int, ...], out: tuple[int, ...], window: Window) -> np.ndarray:
    """(out height, out width): each window's area with padding, without what lies beyond it."""
    lengths = []
    for n, count, k, s, p in zip(size, out, window.kernel, window.stride, window.pad, strict=True):
        starts = np.arange(count) * s - p
        lengths.append(np.minimum(starts + k, n + p) - starts)
    return np.outer(*lengths).astype(np.float64)


@exports("SPP")
def spp(e: LayerExport) -> str:
    """Its windows depend on the map's size."""
    e.layer.require(not e.dynamic, "fixed sizes, for an ONNX export", "--dynamic")
    p, size = e.layer.spec.spp_param, e.shapes[0][2:]
    windows = e.layer.windows(size)
    levels = [_pooled(e, size, window.pooled(size), window, p.pool == p.MAX) for window in windows]
    return levels[0] if len(levels) == 1 else e.node("Concat", *(e.node("Flatten", x, axis=1) for x in levels), axis=1)


@exports("Im2col")
def im2col(e: LayerExport) -> str:
    return seen(e)


def seen(e: LayerExport) -> str:
    """For each tap of the kernel what it sees at all places, then all of them channel by channel."""
    window, channels = e.layer.window, e.shapes[0][1]
    x, axes = _padded(e, e.bottoms[0], window.pad, window.pad, e.number(0)), len(window.kernel)
    along, strides = (e.ints(values) for values in (range(2, 2 + axes), window.stride))
    taps = []
    for tap in np.ndindex(*window.kernel):
        begins = [t * d for t, d in zip(tap, window.dilation, strict=True)]
        left = [(k - 1 - t) * d for t, k, d in zip(tap, window.kernel, window.dilation, strict=True)]
        ends = [-n if n else _END for n in left]
        taps.append(e.node("Slice", x, *(e.ints(v) for v in (begins, ends)), along, strides))
    order = np.arange(len(taps) * channels).reshape(len(taps), channels).T.reshape(-1)
    return e.node("Gather", e.node("Concat", *taps, axis=1), e.constant(order), axis=1)
