"""Convolution's three products as Caffe computes them on a CPU, bit for bit (`src/exact/convolution.cpp`)."""

import ctypes
from dataclasses import dataclass

import numpy as np

from cpm_kernels.host import checked, empty, library

from .gemm import DEFAULT_PROFILE, GemmProfile, best_version, default_threads

Pair = tuple[int, int]


class _Sizes(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int) for name in ("images", "channels", "height", "width")),
        *((name, ctypes.c_int) for name in ("outputs", "out_height", "out_width")),
        *((name, ctypes.c_int * 2) for name in ("kernel", "stride", "pad", "dilation")),
        ("group", ctypes.c_int),
    ]


@dataclass(frozen=True)
class Geometry:
    """A convolution's window, each (height, width), its groups, and how its products are computed."""

    kernel: Pair
    stride: Pair = (1, 1)
    pad: Pair = (0, 0)
    dilation: Pair = (1, 1)
    group: int = 1
    profile: GemmProfile = DEFAULT_PROFILE

    def size(self, size: Pair) -> Pair:
        """Output size for an image of that (height, width); ValueError if the window does not fit."""
        rows, columns = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(size, self.kernel, self.stride, self.pad, self.dilation, strict=True)
        )
        if rows < 1 or columns < 1:
            raise ValueError(f"a window of {self.kernel} does not fit an image of {size}")
        return rows, columns

    def transposed_size(self, size: Pair) -> Pair:
        """Size of the image whose output has that (height, width), the smallest one."""
        return tuple(
            s * (n - 1) + d * (k - 1) + 1 - 2 * p
            for n, k, s, p, d in zip(size, self.kernel, self.stride, self.pad, self.dilation, strict=True)
        )


def _sizes(geometry: Geometry, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> _Sizes:
    """The struct of a convolution from x to y; ValueError unless their shapes belong together."""
    images, channels, *size = x_shape
    expected = (images, y_shape[1], *geometry.size(tuple(size)))
    if tuple(y_shape) != expected:
        raise ValueError(f"the output must have shape {expected}, not {tuple(y_shape)}")
    if geometry.group < 1 or channels % geometry.group or y_shape[1] % geometry.group:
        raise ValueError(f"{geometry.group} groups do not divide {channels} and {y_shape[1]} channels")
    pairs = ((ctypes.c_int * 2)(*p) for p in (geometry.kernel, geometry.stride, geometry.pad, geometry.dilation))
    return _Sizes(images, channels, *size, *y_shape[1:], *pairs, geometry.group)


def _weight_shape(sizes: _Sizes) -> tuple[int, ...]:
    return sizes.outputs, sizes.channels // sizes.group, *sizes.kernel


def _pointer(array: np.ndarray | None) -> int | None:
    return None if array is None else array.ctypes.data


def _settings(geometry: Geometry, threads: int | None) -> tuple[int, int, int, int]:
    return geometry.profile.q, geometry.profile.unit, threads or default_threads(), best_version()


def convolve(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, geometry: Geometry, threads: int | None = None
) -> np.ndarray:
    """x (N, C, H, W) with weight (C_out, C / group, kernel) and bias (C_out,): (N, C_out, H', W'), float32."""
    x = checked(x, np.float32, (None,) * 4, "x")
    y_shape = (x.shape[0], weight.shape[0], *geometry.size(x.shape[2:]))
    sizes = _sizes(geometry, x.shape, y_shape)
    weight = checked(weight, np.float32, _weight_shape(sizes), "weight")
    bias = None if bias is None else checked(bias, np.float32, (sizes.outputs,), "bias")
    out = empty(y_shape)
    library().cpm_convolve(
        _pointer(x), _pointer(weight), _pointer(bias), ctypes.byref(sizes), *_settings(geometry, threads), _pointer(out)
    )
    return out


def convolve_transposed(
    y: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    geometry: Geometry,
    size: Pair,
    threads: int | None = None,
) -> np.ndarray:
    """The gradient of `convolve` by its x of that (height, width), from y; with a bias (C,), Deconvolution's forward.

    y (N, C_out, H', W') and weight (C_out, C / group, kernel) give (N, C, H, W), float32.
    """
    y = checked(y, np.float32, (None,) * 4, "y")
    x_shape = (y.shape[0], weight.shape[1] * geometry.group, *size)
    sizes = _sizes(geometry, x_shape, y.shape)
    weight = checked(weight, np.float32, _weight_shape(sizes), "weight")
    bias = None if bias is None else checked(bias, np.float32, (sizes.channels,), "bias")
    out = empty(x_shape)
    library().cpm_convolve_transposed(
        _pointer(y), _pointer(weight), _pointer(bias), ctypes.byref(sizes), *_settings(geometry, threads), _pointer(out)
    )
    return out


def add_weight_gradient(
    x: np.ndarray, y: np.ndarray, geometry: Geometry, gradient: np.ndarray, threads: int | None = None
) -> None:
    """Adds, image by image, the gradient of `convolve` by its weight to `gradient`, in place."""
    x, y = checked(x, np.float32, (None,) * 4, "x"), checked(y, np.float32, (None,) * 4, "y")
    sizes = _sizes(geometry, x.shape, y.shape)
    if not gradient.flags.c_contiguous:
        raise ValueError("gradient must be contiguous")
    checked(gradient, np.float32, _weight_shape(sizes), "gradient")
    library().cpm_convolution_weights(
        _pointer(x), _pointer(y), ctypes.byref(sizes), *_settings(geometry, threads), _pointer(gradient)
    )
