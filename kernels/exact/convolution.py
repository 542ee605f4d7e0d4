"""Convolution's three products as Caffe computes them on a CPU, bit for bit (`src/exact/convolution.cpp`)."""

import ctypes

import numpy as np

from cpm_kernels.host import available_cores, checked, empty, library
from cpm_kernels.window import Pair, Sizes, Window

from .gemm import best_version
from .profiles import DEFAULT_PROFILE, Profile


class ConvolutionSizes(ctypes.Structure):
    """`Convolution` of `src/exact/convolution.h`."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("images", "channels", "height", "width")),
        *((name, ctypes.c_int) for name in ("outputs", "out_height", "out_width")),
        *((name, ctypes.c_int * 2) for name in ("kernel", "stride", "pad", "dilation")),
        ("group", ctypes.c_int),
    ]


def output_size(window: Window, size: Sizes) -> Sizes:
    """Of a convolution over an image of that (height, width); ValueError if the window does not fit."""
    out_size = window.convolved(size)
    if min(out_size) < 1:
        raise ValueError(f"a window of {window.kernel} does not fit an image of {size}")
    return out_size


def sizes_of(window: Window, group: int, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> ConvolutionSizes:
    """The struct of a convolution from x to y; ValueError unless their shapes belong together."""
    images, channels, height, width = x_shape
    expected = (images, y_shape[1], *output_size(window, (height, width)))
    if tuple(y_shape) != expected:
        raise ValueError(f"the output must have shape {expected}, not {tuple(y_shape)}")
    if group < 1 or channels % group or y_shape[1] % group:
        raise ValueError(f"{group} groups do not divide {channels} and {y_shape[1]} channels")
    pairs = ((ctypes.c_int * 2)(*p) for p in (window.kernel, window.stride, window.pad, window.dilation))
    return ConvolutionSizes(images, channels, height, width, *y_shape[1:], *pairs, group)


def weight_shape(sizes: ConvolutionSizes) -> tuple[int, ...]:
    """(C_out, C / group, kernel height, kernel width)."""
    return sizes.outputs, sizes.channels // sizes.group, *sizes.kernel


def _pointer(array: np.ndarray | None) -> int | None:
    return None if array is None else array.ctypes.data


def _settings(profile: Profile, threads: int | None) -> tuple[int, int, int, int]:
    return *profile.numbers, threads or available_cores(), best_version()


def convolve(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    window: Window,
    group: int = 1,
    profile: Profile = DEFAULT_PROFILE,
    threads: int | None = None,
) -> np.ndarray:
    """x (N, C, H, W) with weight (C_out, C / group, kernel) and bias (C_out,): (N, C_out, H', W'), float32."""
    x = checked(x, np.float32, (None,) * 4, "x")
    y_shape = (x.shape[0], weight.shape[0], *output_size(window, x.shape[2:]))
    sizes = sizes_of(window, group, x.shape, y_shape)
    weight = checked(weight, np.float32, weight_shape(sizes), "weight")
    bias = None if bias is None else checked(bias, np.float32, (sizes.outputs,), "bias")
    out = empty(y_shape)
    library().cpm_convolve(
        _pointer(x), _pointer(weight), _pointer(bias), ctypes.byref(sizes), *_settings(profile, threads), _pointer(out)
    )
    return out


def convolve_transposed(
    y: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    window: Window,
    size: Pair,
    group: int = 1,
    profile: Profile = DEFAULT_PROFILE,
    threads: int | None = None,
) -> np.ndarray:
    """The gradient of `convolve` by its x of that (height, width), from y; with a bias (C,), Deconvolution's forward.

    y (N, C_out, H', W') and weight (C_out, C / group, kernel) give (N, C, H, W), float32.
    """
    y = checked(y, np.float32, (None,) * 4, "y")
    x_shape = (y.shape[0], weight.shape[1] * group, *size)
    sizes = sizes_of(window, group, x_shape, y.shape)
    weight = checked(weight, np.float32, weight_shape(sizes), "weight")
    bias = None if bias is None else checked(bias, np.float32, (sizes.channels,), "bias")
    out = empty(x_shape)
    library().cpm_convolve_transposed(
        _pointer(y), _pointer(weight), _pointer(bias), ctypes.byref(sizes), *_settings(profile, threads), _pointer(out)
    )
    return out


def add_weight_gradient(
    x: np.ndarray,
    y: np.ndarray,
    gradient: np.ndarray,
    window: Window,
    group: int = 1,
    profile: Profile = DEFAULT_PROFILE,
    threads: int | None = None,
) -> None:
    """Adds, image by image, the gradient of `convolve` by its weight to `gradient`, in place."""
    x, y = checked(x, np.float32, (None,) * 4, "x"), checked(y, np.float32, (None,) * 4, "y")
    sizes = sizes_of(window, group, x.shape, y.shape)
    if not gradient.flags.c_contiguous:
        raise ValueError("gradient must be contiguous")
    checked(gradient, np.float32, weight_shape(sizes), "gradient")
    library().cpm_convolution_weights(
        _pointer(x), _pointer(y), ctypes.byref(sizes), *_settings(profile, threads), _pointer(gradient)
    )
