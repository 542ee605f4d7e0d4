"""The gradient of a convolution by its weight, directly (`src/training/weight_gradient.cpp`)."""

import ctypes

import numpy as np

from cpm_kernels.exact.convolution import sizes_of, weight_shape
from cpm_kernels.exact.gemm import best_version
from cpm_kernels.host import available_cores, checked, empty, library
from cpm_kernels.window import Window


def weight_gradient(
    x: np.ndarray, dy: np.ndarray, window: Window, group: int = 1, threads: int | None = None
) -> np.ndarray:
    """x (N, H, W, C) and the result's gradient dy (N, H', W', C_out) give (C_out, C / group, kernel height, kernel
    width), float32. The order of the sums depends on the sizes and on the CPU's instructions only."""
    x, dy = checked(x, np.float32, (None,) * 4, "x"), checked(dy, np.float32, (None,) * 4, "dy")
    sizes = sizes_of(window, group, _channels_first(x), _channels_first(dy))
    out = empty(weight_shape(sizes))
    sums = empty((library().cpm_weight_gradient_floats(ctypes.byref(sizes)),))
    library().cpm_weight_gradient(
        x.ctypes.data, dy.ctypes.data, ctypes.byref(sizes), threads or available_cores(), best_version(),
        sums.ctypes.data, out.ctypes.data,
    )  # fmt: skip
    return out


def _channels_first(values: np.ndarray) -> tuple[int, ...]:
    """The shape, in Caffe's order."""
    images, height, width, channels = values.shape
    return images, channels, height, width
