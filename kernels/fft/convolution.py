"""Convolution by FFT on the CPU, with its gradients (`src/fft/fft_convolution.h` has the algorithm): float32 accuracy
at a tenth of the multiplications for the large kernels of the paper's network.

Images are float32 (N, H, W, C), channels last, C contiguous. The bits do not depend on the number of threads.
A value that is not finite spoils its whole tile, not only the results it belongs to; results below two millionths of
their tile's root mean square are 0 before the bias. Plans that round to bfloat16 do so with the spectra, of the images
and of the weights; gradients by the weights stay float32.
"""

import ctypes
import threading

import numpy as np

from cpm_kernels.exact.gemm import best_version
from cpm_kernels.exact.pooling import PoolingSizes, sizes_of
from cpm_kernels.host import LINE, available_cores, checked, empty, from_cache_line, library
from cpm_kernels.window import Window

from .plan import CELL_BYTES, FftPlan, blocks

FLOAT = 4  # bytes


class _Sizes(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int) for name in ("images", "channels", "height", "width")),
        *((name, ctypes.c_int) for name in ("outputs", "out_height", "out_width")),
        *((name, ctypes.c_int * 2) for name in ("kernel", "pad")),
        *((name, ctypes.c_int) for name in ("tile", "chunk", "bfloat16")),
        *((name, ctypes.c_longlong) for name in ("x_pixel", "y_pixel")),
    ]


class _OutputPooling(ctypes.Structure):
    _fields_ = [("pooling", PoolingSizes), ("group", ctypes.c_int), ("bands", ctypes.c_int)]


class _Workspace(threading.local):
    """Memory for spectra, kept from call to call: fresh pages would cost more than the transforms."""

    memory = np.empty(0, np.float32)

    def floats(self, count: int) -> np.ndarray:
        if self.memory.size < count:
            self.memory = _aligned(count)
        return self.memory[:count]


_workspace = _Workspace()


def _aligned(count: int) -> np.ndarray:
    """Floats from a cache line's boundary on."""
    return from_cache_line(empty((count + LINE,)), count)


BFLOAT16_NONE, _, BFLOAT16_FAST = range(3)  # bfloat16_product.h's


def bfloat16_is_fast() -> bool:
    """Whether this CPU multiplies bfloat16 values at a higher rate than float32 values (without AMX)."""
    return bool(library().cpm_cpu_bfloat16() == BFLOAT16_FAST)


def has_bfloat16() -> bool:
    """Whether this CPU can follow plans that round to bfloat16."""
    return bool(library().cpm_cpu_bfloat16() != BFLOAT16_NONE)


def transform_weights(
    weight: np.ndarray, plan: FftPlan, turned: bool = False, threads: int | None = None
) -> np.ndarray:
    """Spectra for `convolve` of the weight (C_out, C, kernel height, kernel width): opaque, of plan.weight_bytes.

    With `turned` the plan is another's `input_gradient()` and the weight that other's.
    """
    weight, steps = _taps(weight, plan, turned)
    spectra = _aligned(plan.weight_bytes // FLOAT)
    library().cpm_fft_transform_weights(
        weight.ctypes.data, *steps, int(turned), ctypes.byref(_sizes(plan)),
        threads or available_cores(), best_version(), spectra.ctypes.data,
    )  # fmt: skip
    return spectra


def _taps(weight: np.ndarray, plan: FftPlan, turned: bool) -> tuple[np.ndarray, list[int]]:
    """The checked weight, and floats from one of the plan's outputs to the next, from one of its channels."""
    outer, inner = (plan.channels, plan.outputs) if turned else (plan.outputs, plan.channels)
    weight = checked(weight, np.float32, (outer, inner, *plan.window.kernel), "weight")
    steps = [stride // FLOAT for stride in weight.strides[:2]]
    return weight, steps[::-1] if turned else steps


def convolve(
    x: np.ndarray,
    spectra: np.ndarray,
    bias: np.ndarray | None,
    plan: FftPlan,
    relu: bool = False,
    out: np.ndarray | None = None,
    threads: int | None = None,
    version: int | None = None,
    pooling: Window | None = None,
) -> np.ndarray:
    """x (N, H, W, C) with the weights of `transform_weights`, plus bias (C_out,), then ReLU if asked, then the maximum
    of each window of `pooling`, NaN where there is one, if that is asked.

    Returns (N, H', W', C_out), which is `out` if given; x and, without pooling, out may be channels of a wider array.
    """
    spectra = checked(spectra, np.float32, (plan.weight_bytes // FLOAT,), "spectra")
    x, x_pixel, bias, out, pixel = _operands(x, bias, plan, out, pooling)
    threads = threads or available_cores()
    compute, workspace = library().cpm_fft_convolve, plan.chunk_bytes(plan.widest)
    if plan.core_by_core:
        plan = plan.of_one_core(threads)
        compute, workspace = library().cpm_fft_convolve_by_core, threads * (plan.factor_bytes + plan.chunk_bytes(1))
    pooled = None
    if pooling is not None:
        bands = plan.bands(pooling, threads)
        workspace += bands.bytes
        pooled = ctypes.byref(_OutputPooling(sizes_of(pooling, plan.out_size), bands.group, bands.count))
    compute(
        x.ctypes.data, spectra.ctypes.data, None if bias is None else bias.ctypes.data,
        ctypes.byref(_sizes(plan, x_pixel, pixel)), int(relu), pooled, threads,
        best_version() if version is None else version,
        _workspace.floats(workspace // FLOAT).ctypes.data, out.ctypes.data,
    )  # fmt: skip
    return out


def convolve_once(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    plan: FftPlan,
    turned: bool = False,
    relu: bool = False,
    out: np.ndarray | None = None,
    threads: int | None = None,
    version: int | None = None,
) -> np.ndarray:
    """`convolve` with the spectra that `transform_weights` gives, bit for bit, for a weight that is used once."""
    threads = threads or available_cores()
    if not in_blocks(plan, threads):
        spectra = transform_weights(weight, plan, turned, threads)
        return convolve(x, spectra, bias, plan, relu, out, threads, version)
    weight, steps = _taps(weight, plan, turned)
    x, x_pixel, bias, out, pixel = _operands(x, bias, plan, out)
    of_block = plan.bins * (plan.channels + 1 + plan.tiles + 1) * CELL_BYTES
    workspace = plan.factor_bytes + threads * of_block
    library().cpm_fft_convolve_once(
        x.ctypes.data, weight.ctypes.data, *steps, int(turned), None if bias is None else bias.ctypes.data,
        ctypes.byref(_sizes(plan, x_pixel, pixel)), int(relu), threads,
        best_version() if version is None else version,
        _workspace.floats(workspace // FLOAT).ctypes.data, out.ctypes.data,
    )  # fmt: skip
    return out


def in_blocks(plan: FftPlan, threads: int) -> bool:
    """Whether weights that are used once go through the cache a block of outputs at a time: each thread needs one."""
    return plan.in_blocks and blocks(plan.outputs) >= threads


def _operands(
    x: np.ndarray, bias: np.ndarray | None, plan: FftPlan, out: np.ndarray | None, pooling: Window | None = None
) -> tuple[np.ndarray, int, np.ndarray | None, np.ndarray, int]:
    """x and bias, checked, and where the result goes; after x and it, floats from pixel to pixel."""
    x, x_pixel = _image(x, (plan.images, *plan.size, plan.channels), "x")
    bias = None if bias is None else checked(bias, np.float32, (plan.outputs,), "bias")
    shape = (plan.images, *plan.result_size(pooling), plan.outputs)
    out = empty(shape) if out is None else out
    pixel = _pixel_step(out, shape)
    if pixel is None or (pooling is not None and pixel != plan.outputs):
        raise ValueError(f"out must be float32 of shape {shape} with its pixels one after the other")
    return x, x_pixel, bias, out, pixel


def weight_gradient(
    x: np.ndarray, dy: np.ndarray, plan: FftPlan, threads: int | None = None, version: int | None = None
) -> np.ndarray:
    """The gradient by the weight, (C_out, C, kernel height, kernel width), summed over the images, from x (N, H, W, C)
    and the output's gradient dy (N, H', W', C_out)."""
    x, x_pixel = _image(x, (plan.images, *plan.size, plan.channels), "x")
    dy, dy_pixel = _image(dy, (plan.images, *plan.out_size, plan.outputs), "dy")
    gradient = empty((plan.outputs, plan.channels, *plan.window.kernel))
    threads = threads or available_cores()
    tiles = plan.factor_bytes + plan.chunk_bytes(blocks(plan.outputs))
    once = in_blocks(plan, threads)
    weights = threads * plan.bins * (plan.channels + 1) * CELL_BYTES if once else plan.weight_cells * CELL_BYTES
    compute = library().cpm_fft_weight_gradient_once if once else library().cpm_fft_weight_gradient
    compute(
        x.ctypes.data, dy.ctypes.data, ctypes.byref(_sizes(plan, x_pixel, dy_pixel)), threads,
        best_version() if version is None else version,
        _workspace.floats((tiles + weights) // FLOAT).ctypes.data, gradient.ctypes.data,
    )  # fmt: skip
    return gradient


def _sizes(plan: FftPlan, x_pixel: int = 0, y_pixel: int = 0) -> _Sizes:
    if plan.rounds and not has_bfloat16():
        raise ValueError("this CPU has no products of bfloat16 values")
    pairs = ((ctypes.c_int * 2)(*pair) for pair in (plan.window.kernel, plan.window.pad))
    return _Sizes(
        plan.images, plan.channels, *plan.size, plan.outputs, *plan.out_size, *pairs, plan.tile, plan.chunk,
        plan.rounds, x_pixel, y_pixel,
    )  # fmt: skip


def _image(array: np.ndarray, shape: tuple[int, ...], name: str) -> tuple[np.ndarray, int]:
    """The array, copied only if its pixels are not one after the other, and floats from pixel to pixel."""
    pixel = _pixel_step(array, shape)
    if pixel is None:
        array = checked(array, np.float32, shape, name)
        pixel = shape[-1]
    return array, pixel


def _pixel_step(array: np.ndarray, shape: tuple[int, ...]) -> int | None:
    """Floats from pixel to pixel if the array has the shape and its pixels follow each other at one distance."""
    if array.dtype != np.float32 or array.shape != shape:
        return None
    _, height, width, channels = shape
    step = array.strides[2] if width > 1 else array.strides[1] if height > 1 else channels * FLOAT
    wanted = (height * width * step, width * step, step, FLOAT)
    fits = all(n == 1 or have == want for n, have, want in zip(shape, array.strides, wanted, strict=True))
    return step // FLOAT if fits and step % FLOAT == 0 and step >= channels * FLOAT else None
