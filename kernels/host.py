"""Loads the compiled CPU library and checks what is handed to it.

The library is the extension `cpm_kernels._host`, built by setup.py from `src/*/*.cpp`; it is plain C functions, called
through ctypes, which releases Python's global lock for the length of a call.
"""

import ctypes
import importlib.util
import os
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np

from .sources import checksum

PROFILES = {"opencv4": 0, "opencv2": 1}
LIBRARY = "cpm_kernels._host"
LINE = 16  # floats of a cache line

_POINTER, _INT, _LONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
_FLOAT, _DOUBLE, _UNSIGNED = ctypes.c_float, ctypes.c_double, ctypes.c_uint

_SIGNATURES = {
    "cpm_expf": ([_POINTER, _POINTER, _LONG], None),
    "cpm_gray": ([_POINTER, _POINTER, _LONG, _INT], None),
    "cpm_resize": ([_POINTER, _INT, _INT, _INT, _DOUBLE, _INT, _POINTER], None),
    "cpm_warp_affine": ([_POINTER, _INT, _INT, _INT, _POINTER, _INT, _INT, _INT, _POINTER], None),
    "cpm_crop": ([_POINTER] + [_INT] * 9 + [_POINTER], None),
    "cpm_centre_map": ([_POINTER, _INT, _FLOAT, _INT, _INT, _POINTER], None),
    "cpm_label_maps": ([_POINTER, _INT, _INT, _INT, _FLOAT, _INT, _INT, _POINTER], None),
    "cpm_warp_inverse": ([_POINTER, _POINTER], None),
    "cpm_set_regions": ([_POINTER, _LONG, _POINTER], _LONG),
    "cpm_transform_samples": (
        [_POINTER, _POINTER, _LONG, _POINTER, _POINTER, _POINTER, _INT, _INT, _POINTER, _POINTER],
        None,
    ),
    "cpm_centre_element": ([_INT, _INT, _POINTER, _INT, _FLOAT], _FLOAT),
    "cpm_label_element": ([_POINTER] + [_INT] * 6 + [_FLOAT], _FLOAT),
    "cpm_cpu_version": ([], _INT),
    "cpm_cpu_bfloat16": ([], _INT),
    "cpm_gemm_block": ([_INT, _INT, _LONG, _LONG, _LONG, _INT, _INT], _INT),
    "cpm_gemm_places": ([_INT, _LONG, _LONG, _LONG, _INT, _INT, _POINTER, _POINTER], _INT),
    "cpm_gemm": ([_POINTER, _LONG, _LONG, _POINTER, _LONG, _LONG] + [_INT] * 9 + [_POINTER], None),
    "cpm_gemm_elements": ([_POINTER, _LONG, _LONG, _POINTER, _LONG, _LONG] + [_INT] * 7 + [_POINTER], None),
    "cpm_convolve": ([_POINTER] * 4 + [_INT] * 4 + [_POINTER], None),
    "cpm_convolve_transposed": ([_POINTER] * 4 + [_INT] * 4 + [_POINTER], None),
    "cpm_convolution_weights": ([_POINTER] * 3 + [_INT] * 4 + [_POINTER], None),
    "cpm_fft_transform_weights": ([_POINTER, _LONG, _LONG, _INT, _POINTER, _INT, _INT, _POINTER], None),
    "cpm_fft_convolve": ([_POINTER] * 4 + [_INT, _POINTER] + [_INT] * 2 + [_POINTER] * 2, None),
    "cpm_fft_convolve_by_core": ([_POINTER] * 4 + [_INT, _POINTER] + [_INT] * 2 + [_POINTER] * 2, None),
    "cpm_fft_weight_gradient": ([_POINTER] * 3 + [_INT] * 2 + [_POINTER] * 2, None),
    "cpm_fft_convolve_once": (
        [_POINTER] * 2 + [_LONG] * 2 + [_INT] + [_POINTER] * 2 + [_INT] * 3 + [_POINTER] * 2,
        None,
    ),
    "cpm_fft_weight_gradient_once": ([_POINTER] * 3 + [_INT] * 2 + [_POINTER] * 2, None),
    "cpm_weight_gradient_floats": ([_POINTER], _LONG),
    "cpm_weight_gradient": ([_POINTER] * 3 + [_INT] * 2 + [_POINTER] * 2, None),
    "cpm_batch_norm_floats": ([_LONG, _INT], _LONG),
    "cpm_batch_norm": ([_POINTER, _LONG, _INT, _FLOAT] + [_INT] * 2 + [_POINTER] * 5, None),
    "cpm_batch_norm_gradient": ([_POINTER] * 3 + [_LONG] + [_INT] * 3 + [_POINTER] * 2, None),
    "cpm_dot": ([_POINTER, _POINTER, _LONG, _INT], _FLOAT),
    "cpm_asum": ([_POINTER, _INT, _INT, _INT], _FLOAT),
    "cpm_add_row_sums": ([_POINTER, _INT, _INT, _FLOAT, _INT, _INT, _POINTER], None),
    "cpm_add_column_sums": ([_POINTER, _INT, _INT, _INT, _INT, _POINTER], None),
    "cpm_axpy": ([_FLOAT, _POINTER, _LONG, _INT, _INT, _POINTER], None),
    "cpm_fused": ([_POINTER, _POINTER, _LONG, _POINTER], None),
    "cpm_max_pool_channels_last": ([_POINTER, _INT, _INT, _POINTER, _INT, _POINTER], None),
    "cpm_max_pool": ([_POINTER, _INT, _POINTER, _INT, _POINTER, _POINTER], None),
    "cpm_max_pool_gradient": ([_POINTER, _POINTER, _INT, _POINTER, _INT, _POINTER], None),
    "cpm_ave_pool": ([_POINTER, _INT, _POINTER, _INT, _POINTER], None),
    "cpm_ave_pool_gradient": ([_POINTER, _INT, _POINTER, _INT, _POINTER], None),
    "cpm_relu": ([_POINTER, _FLOAT, _LONG, _INT, _POINTER], None),
    "cpm_relu_gradient": ([_POINTER, _POINTER, _FLOAT, _LONG, _INT, _POINTER], None),
    "cpm_exp": ([_POINTER, _LONG, _INT, _POINTER], None),
    "cpm_log": ([_POINTER, _LONG, _INT, _POINTER], None),
    "cpm_tanh": ([_POINTER, _LONG, _INT, _POINTER], None),
    "cpm_logistic_tanh": ([_POINTER, _LONG, _INT, _POINTER], None),
    "cpm_pow": ([_POINTER, _FLOAT, _LONG, _INT, _POINTER], None),
    "cpm_add_slope_gradient": ([_POINTER, _POINTER, _LONG, _INT, _LONG, _INT, _POINTER], None),
    "cpm_random_seed": ([_POINTER, _UNSIGNED], None),
    "cpm_random_draws": ([_POINTER, _LONG, _POINTER], None),
    "cpm_random_normal": ([_POINTER, _FLOAT, _FLOAT, _LONG, _POINTER], None),
    "cpm_random_uniform": ([_POINTER, _FLOAT, _FLOAT, _LONG, _POINTER], None),
    "cpm_random_bernoulli_float": ([_POINTER, _FLOAT, _LONG, _POINTER], None),
    "cpm_random_bernoulli_double": ([_POINTER, _DOUBLE, _LONG, _POINTER], None),
    "cpm_solver_update": ([_POINTER, _INT], None),
}


def available_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def library() -> ctypes.CDLL:
    """The compiled library with its signatures set; ImportError, whose name is `LIBRARY`, if it was not built, or not
    from the sources beside it."""
    spec = importlib.util.find_spec(LIBRARY)
    if spec is None or spec.origin is None:
        raise ImportError(
            "cpm_kernels was installed without its compiled library: run `pip install -e .` with a C++ compiler",
            name=LIBRARY,
        )
    loaded = ctypes.CDLL(spec.origin)
    _check_sources(loaded, Path(__file__).with_name("src"))
    for name, (arguments, result) in _SIGNATURES.items():
        function = getattr(loaded, name)
        function.argtypes, function.restype = arguments, result
    return loaded


def _check_sources(loaded: ctypes.CDLL, sources: Path) -> None:
    """ImportError unless the library is of these sources: one of before a `git pull` may take other arguments."""
    compiled_from = None
    with suppress(ValueError):  # older than the checksum itself
        compiled_from = _UNSIGNED.in_dll(loaded, "cpm_sources").value
    if sources.is_dir() and compiled_from != checksum(sources):
        raise ImportError(
            f"{loaded._name}: expected a library of the sources in {sources}, found one of others: compile it again, "
            "with `make test` or `pip install -e .` in the checkout",
            name=LIBRARY,
        )


def profile_number(profile: str) -> int:
    """The number the library knows an OpenCV profile by; ValueError for an unknown name."""
    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}, not {profile!r}")
    return PROFILES[profile]


def checked(array: np.ndarray, dtype: type, shape: tuple[int | None, ...], name: str) -> np.ndarray:
    """`array` itself, contiguous; ValueError unless it has the dtype and the shape (None: any size)."""
    array = np.asarray(array)
    fits = array.ndim == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        sizes = " x ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(
            f"{name} must be {np.dtype(dtype).name} of shape {sizes}, not {array.dtype} of shape {array.shape}"
        )
    return np.ascontiguousarray(array)


def empty(shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    """An array for the library to fill, each value as it happens to be (tests poison it)."""
    return np.empty(shape, dtype)


def from_cache_line(memory: np.ndarray, count: int) -> np.ndarray:
    """`count` floats of float32 memory that has at least count + LINE of them, from a cache line's boundary on."""
    start = -(memory.ctypes.data // memory.itemsize) % LINE
    return memory[start : start + count]


def checked_image(image: np.ndarray) -> np.ndarray:
    """A uint8 image (rows, columns, channels), contiguous; ValueError if it has another form or no pixels."""
    image = checked(image, np.uint8, (None, None, None), "image")
    if image.size == 0:
        raise ValueError(f"image must have at least one pixel, but has shape {image.shape}")
    return image


def checked_size(size: tuple[int, int], name: str) -> tuple[int, int]:
    """(rows, columns) as positive ints; ValueError otherwise."""
    rows, columns = int(size[0]), int(size[1])
    if not (0 < rows < 2**15 and 0 < columns < 2**15):
        raise ValueError(f"{name} must be between 1 and 32767 rows and columns, not {rows} x {columns}")
    return rows, columns
