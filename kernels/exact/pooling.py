"""Caffe's pooling, forward and backward, bit for bit (`src/exact/pooling.h`)."""

import ctypes

import numpy as np

from cpm_kernels.host import available_cores, checked, empty, library
from cpm_kernels.window import Pair, Window


class PoolingSizes(ctypes.Structure):
    """`Pooling` of `src/exact/pooling.h`."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("height", "width", "out_height", "out_width")),
        *((name, ctypes.c_int * 2) for name in ("kernel", "stride", "pad")),
    ]


def sizes_of(window: Window, size: Pair) -> PoolingSizes:
    """Of a pooling of images of that (height, width)."""
    pairs = ((ctypes.c_int * 2)(*pair) for pair in (window.kernel, window.stride, window.pad))
    return PoolingSizes(*size, *window.pooled(size), *pairs)


def max_pool(x: np.ndarray, window: Window, threads: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The first maximum of each window of x (N, C, H, W) float32, and its int32 index in its plane (-1: none)."""
    x = checked(x, np.float32, (None,) * 4, "x")
    size = x.shape[2:]
    out = empty((*x.shape[:2], *window.pooled(size)))
    where = empty(out.shape, np.int32)
    library().cpm_max_pool(
        x.ctypes.data, _planes(x), ctypes.byref(sizes_of(window, size)), threads or available_cores(), out.ctypes.data,
        where.ctypes.data,
    )  # fmt: skip
    return out, where


def max_pool_channels_last(
    x: np.ndarray, window: Window, threads: int | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    """The maximum of each window of x (N, H, W, C) float32, NaN where there is one: (N, H', W', C).

    `out` is where to, if given.
    """
    x = checked(x, np.float32, (None,) * 4, "x")
    size = x.shape[1:3]
    shape = (x.shape[0], *window.pooled(size), x.shape[3])
    out = empty(shape) if out is None else out
    if out.dtype != np.float32 or out.shape != shape or not out.flags.c_contiguous:
        raise ValueError(f"out must be contiguous float32 of shape {shape}, not {out.dtype} of shape {out.shape}")
    library().cpm_max_pool_channels_last(
        x.ctypes.data, x.shape[0], x.shape[3], ctypes.byref(sizes_of(window, size)), threads or available_cores(),
        out.ctypes.data,
    )  # fmt: skip
    return out


def max_pool_gradient(
    dy: np.ndarray, where: np.ndarray, window: Window, size: Pair, threads: int | None = None
) -> np.ndarray:
    """dy of `max_pool`'s output added up where the maxima were, in the order of the output; x had that (height,
    width)."""
    dy = checked(dy, np.float32, (None, None, *window.pooled(size)), "dy")
    where = checked(where, np.int32, dy.shape, "where")
    if where.size and (where.max() >= size[0] * size[1] or where.min() < -1):
        raise ValueError("where must hold indices into a plane, or -1")
    dx = empty((*dy.shape[:2], *size))
    library().cpm_max_pool_gradient(
        dy.ctypes.data, where.ctypes.data, _planes(dy), ctypes.byref(sizes_of(window, size)),
        threads or available_cores(), dx.ctypes.data,
    )  # fmt: skip
    return dx


def ave_pool(x: np.ndarray, window: Window, threads: int | None = None) -> np.ndarray:
    """Mean of each window of x (N, C, H, W) float32."""
    x = checked(x, np.float32, (None,) * 4, "x")
    size = x.shape[2:]
    out = empty((*x.shape[:2], *window.pooled(size)))
    library().cpm_ave_pool(
        x.ctypes.data, _planes(x), ctypes.byref(sizes_of(window, size)), threads or available_cores(), out.ctypes.data
    )
    return out


def ave_pool_gradient(dy: np.ndarray, window: Window, size: Pair, threads: int | None = None) -> np.ndarray:
    """dy over each window's area, added up in the order of the output; x had that (height, width)."""
    dy = checked(dy, np.float32, (None, None, *window.pooled(size)), "dy")
    dx = empty((*dy.shape[:2], *size))
    library().cpm_ave_pool_gradient(
        dy.ctypes.data, _planes(dy), ctypes.byref(sizes_of(window, size)), threads or available_cores(), dx.ctypes.data
    )
    return dx


def _planes(x: np.ndarray) -> int:
    return int(x.shape[0] * x.shape[1])
