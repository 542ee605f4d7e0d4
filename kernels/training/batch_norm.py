"""Batch normalisation with a batch's own statistics, and its gradient (`src/training/batch_norm.cpp`)."""

import numpy as np

from cpm_kernels.exact.gemm import best_version
from cpm_kernels.host import available_cores, checked, empty, library

Normalized = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def batch_norm(x: np.ndarray, eps: float, threads: int | None = None) -> Normalized:
    """x (rows, channels), float32, less the mean of each channel, over the root of its variance + eps.

    Also mean, variance (over all rows) and 1 / sqrt(variance + eps), (channels,) each.
    """
    x = checked(x, np.float32, (None, None), "x")
    rows, channels = x.shape
    y, of_channels, memory = empty(x.shape), empty((3, channels)), _memory(rows, channels)
    library().cpm_batch_norm(
        x.ctypes.data, rows, channels, eps, threads or available_cores(), best_version(), memory.ctypes.data,
        y.ctypes.data, *(each.ctypes.data for each in of_channels),
    )  # fmt: skip
    return y, of_channels[0], of_channels[1], of_channels[2]


def batch_norm_gradient(dy: np.ndarray, y: np.ndarray, scale: np.ndarray, threads: int | None = None) -> np.ndarray:
    """The gradient by x from that by y, (rows, channels), and from what `batch_norm` gave: y and 1 / sqrt(…)."""
    dy = checked(dy, np.float32, (None, None), "dy")
    y, scale = checked(y, np.float32, dy.shape, "y"), checked(scale, np.float32, dy.shape[1:], "scale")
    rows, channels = dy.shape
    dx, memory = empty(dy.shape), _memory(rows, channels)
    library().cpm_batch_norm_gradient(
        dy.ctypes.data, y.ctypes.data, scale.ctypes.data, rows, channels, threads or available_cores(), best_version(),
        memory.ctypes.data, dx.ctypes.data,
    )  # fmt: skip
    return dx


def _memory(rows: int, channels: int) -> np.ndarray:
    return empty((library().cpm_batch_norm_floats(rows, channels),))
