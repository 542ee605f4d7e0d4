"""Caffe's pooling, forward and backward, bit for bit (`src/exact/pooling.h`)."""

import ctypes
from dataclasses import dataclass

import numpy as np

from cpm_kernels.host import checked, empty, library

from .gemm import default_threads

Pair = tuple[int, int]


class _Sizes(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int) for name in ("height", "width", "out_height", "out_width")),
        *((name, ctypes.c_int * 2) for name in ("kernel", "stride", "pad")),
    ]


@dataclass(frozen=True)
class Pooling:
    """Windows from planes of `size` to planes of `pooled`, all (height, width)."""

    size: Pair
    pooled: Pair
    kernel: Pair
    stride: Pair
    pad: Pair

    def sizes(self) -> _Sizes:
        """As the library takes it."""
        pairs = ((ctypes.c_int * 2)(*pair) for pair in (self.kernel, self.stride, self.pad))
        return _Sizes(*self.size, *self.pooled, *pairs)


def _start(x: np.ndarray, size: Pair, name: str) -> tuple[np.ndarray, int]:
    x = checked(x, np.float32, (None, None, *size), name)
    return x, x.shape[0] * x.shape[1]


def max_pool(x: np.ndarray, pooling: Pooling, threads: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The first maximum of each window of x (N, C, H, W) float32, and its int32 index in its plane (-1: none)."""
    x, planes = _start(x, pooling.size, "x")
    out = empty((*x.shape[:2], *pooling.pooled))
    where = empty(out.shape, np.int32)
    library().cpm_max_pool(
        x.ctypes.data, planes, ctypes.byref(pooling.sizes()), threads or default_threads(), out.ctypes.data,
        where.ctypes.data,
    )  # fmt: skip
    return out, where


def max_pool_channels_last(
    x: np.ndarray, pooling: Pooling, threads: int | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    """The maximum of each window of x (N, H, W, C) float32, NaN where there is one: (N, H', W', C).

    `out` is where to, if given.
    """
    x = checked(x, np.float32, (None, *pooling.size, None), "x")
    shape = (x.shape[0], *pooling.pooled, x.shape[3])
    out = empty(shape) if out is None else out
    if out.dtype != np.float32 or out.shape != shape or not out.flags.c_contiguous:
        raise ValueError(f"out must be contiguous float32 of shape {shape}, not {out.dtype} of shape {out.shape}")
    library().cpm_max_pool_channels_last(
        x.ctypes.data, x.shape[0], x.shape[3], ctypes.byref(pooling.sizes()), threads or default_threads(),
        out.ctypes.data,
    )  # fmt: skip
    return out


def max_pool_gradient(dy: np.ndarray, where: np.ndarray, pooling: Pooling, threads: int | None = None) -> np.ndarray:
    """dy of `max_pool`'s output added up where the maxima were, in the order of the output."""
    dy, planes = _start(dy, pooling.pooled, "dy")
    where = checked(where, np.int32, dy.shape, "where")
    if where.size and (where.max() >= pooling.size[0] * pooling.size[1] or where.min() < -1):
        raise ValueError("where must hold indices into a plane, or -1")
    dx = empty((*dy.shape[:2], *pooling.size))
    library().cpm_max_pool_gradient(
        dy.ctypes.data, where.ctypes.data, planes, ctypes.byref(pooling.sizes()), threads or default_threads(),
        dx.ctypes.data,
    )  # fmt: skip
    return dx


def ave_pool(x: np.ndarray, pooling: Pooling, threads: int | None = None) -> np.ndarray:
    """Mean of each window of x (N, C, H, W) float32."""
    x, planes = _start(x, pooling.size, "x")
    out = empty((*x.shape[:2], *pooling.pooled))
    library().cpm_ave_pool(
        x.ctypes.data, planes, ctypes.byref(pooling.sizes()), threads or default_threads(), out.ctypes.data
    )
    return out


def ave_pool_gradient(dy: np.ndarray, pooling: Pooling, threads: int | None = None) -> np.ndarray:
    """dy over each window's area, added up in the order of the output."""
    dy, planes = _start(dy, pooling.pooled, "dy")
    dx = empty((*dy.shape[:2], *pooling.size))
    library().cpm_ave_pool_gradient(
        dy.ctypes.data, planes, ctypes.byref(pooling.sizes()), threads or default_threads(), dx.ctypes.data
    )
    return dx
