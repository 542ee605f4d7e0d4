"""Elementwise functions of Caffe's layers: ReLU, PReLU's gradient, exp, log, tanh and pow from the C library, and
glibc's expf as the belief maps' peaks need it on every machine (`src/common/expf.h`).
"""

import numpy as np

from cpm_kernels.host import available_cores, checked, library


def _array(x: np.ndarray) -> np.ndarray:
    if x.dtype != np.float32:
        raise ValueError(f"x must be float32, not {x.dtype}")
    return np.ascontiguousarray(x)


def _map(
    name: str, x: np.ndarray, *arguments: float, threads: int | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    x = _array(x)
    out = np.empty(x.shape, np.float32) if out is None else out
    getattr(library(), name)(x.ctypes.data, *arguments, x.size, threads or available_cores(), out.ctypes.data)
    return out


def exp(x: np.ndarray) -> np.ndarray:
    """libm's expf of a float32 array."""
    return _map("cpm_exp", x)


def log(x: np.ndarray) -> np.ndarray:
    """libm's logf of a float32 array."""
    return _map("cpm_log", x)


def tanh(x: np.ndarray) -> np.ndarray:
    """libm's tanhf of a float32 array."""
    return _map("cpm_tanh", x)


def logistic_tanh(x: np.ndarray) -> np.ndarray:
    """2 / (1 + exp(−2 x)) − 1 of a float32 array, in double by libm's exp (Caffe's LSTM has it for tanh)."""
    return _map("cpm_logistic_tanh", x)


def power(x: np.ndarray, exponent: float) -> np.ndarray:
    """libm's powf of a float32 array and one exponent."""
    return _map("cpm_pow", x, float(exponent))


def expf(x: np.ndarray) -> np.ndarray:
    """exp of a 1-D float32 array, bit for bit as glibc >= 2.27 with FMA.

    The result must be a normal float: ValueError outside [-87, 88].
    """
    x = checked(x, np.float32, (None,), "x")
    if not np.all((x >= -87) & (x <= 88)):
        raise ValueError("x must lie between -87 and 88")
    out = np.empty_like(x)
    library().cpm_expf(x.ctypes.data, out.ctypes.data, x.size)
    return out


def relu(x: np.ndarray, slope: float, threads: int | None = None, in_place: bool = False) -> np.ndarray:
    """x where it is not negative, else slope · x (relu_layer.cpp); with `in_place` in the memory of x."""
    if in_place and not (x.flags.c_contiguous and x.flags.writeable):
        raise ValueError("x must be contiguous and writeable to be changed in place")
    return _map("cpm_relu", x, float(slope), threads=threads, out=x if in_place else None)


def relu_gradient(x: np.ndarray, dy: np.ndarray, slope: float, threads: int | None = None) -> np.ndarray:
    """dy · 1 where x is positive, else dy · slope."""
    x, dy = _array(x), _array(dy)
    if x.shape != dy.shape:
        raise ValueError(f"dy must have shape {x.shape}, not {dy.shape}")
    out = np.empty(x.shape, np.float32)
    library().cpm_relu_gradient(
        x.ctypes.data, dy.ctypes.data, float(slope), x.size, threads or available_cores(), out.ctypes.data
    )
    return out


def add_slope_gradient(x: np.ndarray, dy: np.ndarray, slope: np.ndarray) -> None:
    """Adds PReLU's gradient to `slope`, (C,) or () for all channels, term by term in memory order; x (N, C, …)."""
    x, dy = _array(x), _array(dy)
    images, channels = x.shape[:2]
    if x.shape != dy.shape or slope.dtype != np.float32 or not slope.flags.c_contiguous:
        raise ValueError("x and dy must have one shape, and slope must be contiguous float32")
    if slope.size != (1 if slope.ndim == 0 else channels):
        raise ValueError(f"slope must have {channels} values or be a single one, not {slope.shape}")
    library().cpm_add_slope_gradient(
        x.ctypes.data, dy.ctypes.data, images, channels, x.size // max(images * channels, 1), int(slope.ndim == 0),
        slope.ctypes.data,
    )  # fmt: skip
