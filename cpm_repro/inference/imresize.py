"""MATLAB's `imresize`, with which the CPM release scaled pictures and belief maps at test time.

Bicubic with a = -0.5 (Keys 1981); when shrinking, the kernel is stretched by 1/scale (antialiasing); edges
are mirrored, edge pixel repeated; the axis with the smaller scale goes first; uint8 pictures are rounded
half away from zero and clamped after each axis. The two axes are two sparse matrices, so a window of the
result, or a picture that is zero outside a window, costs only that window.
"""

import math

import numpy as np
from scipy import sparse

KERNEL_WIDTH = 4.0
PIECE = 1 << 19
"""Numbers that are resized at a time: what fits a core's cache is not paged in anew each time."""


def cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel with a = -0.5, support [-2, 2]."""
    x = np.abs(x)
    inner = (1.5 * x - 2.5) * x * x + 1.0
    outer = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x <= 1.0, inner, np.where(x <= 2.0, outer, 0.0))


def weight_matrix(in_length: int, out_length: int, scale: float) -> sparse.csr_array:
    """The (out_length, in_length) float64 matrix that resizes one axis by `scale`; every row sums to 1.

    Output pixel i (0-based) has its centre at (i + 0.5) / scale - 0.5 of the input.
    """
    shrink = min(scale, 1.0)
    width = KERNEL_WIDTH / shrink
    # 1-based positions, as MATLAB computes them.
    position = np.arange(1, out_length + 1) / scale + 0.5 * (1.0 - 1.0 / scale)
    taps = np.floor(position - width / 2.0)[:, None] + np.arange(math.ceil(width) + 2)  # (out, taps)
    weights = shrink * cubic(shrink * (position[:, None] - taps))
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = np.concatenate([np.arange(in_length), np.arange(in_length)[::-1]])
    columns = mirrored[(taps.astype(np.int64) - 1) % (2 * in_length)]
    rows = np.repeat(np.arange(out_length), taps.shape[1])
    kept = weights.ravel() != 0.0
    entries = (weights.ravel()[kept], (rows[kept], columns.ravel()[kept]))
    return sparse.csr_array(sparse.coo_array(entries, shape=(out_length, in_length)))


def scaled_length(length: int, scale: float) -> int:
    """The number of pixels that `length` pixels become: ceil(scale * length), as MATLAB counts them."""
    return math.ceil(scale * length)


def _as_type(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype == np.uint8:
        values = np.floor(np.clip(values, 0.0, 255.0) + 0.5)
    return values.astype(dtype, copy=False)


def _along_axis(array: np.ndarray, matrix: sparse.csr_array, axis: int) -> np.ndarray:
    moved = np.ascontiguousarray(np.moveaxis(array, axis, 0))
    flat = moved.reshape(moved.shape[0], -1)
    result = np.empty((matrix.shape[0], flat.shape[1]), array.dtype)
    piece = max(1, PIECE // max(matrix.shape))
    for start in range(0, flat.shape[1], piece):
        resized = matrix @ flat[:, start : start + piece].astype(np.float64)
        result[:, start : start + piece] = _as_type(resized, array.dtype)
    return np.moveaxis(result.reshape(matrix.shape[0], *moved.shape[1:]), 0, axis)


def apply_matrices(
    array: np.ndarray, vertical: sparse.csr_array, horizontal: sparse.csr_array, vertical_first: bool = True
) -> np.ndarray:
    """`array` (H, W) or (H, W, C) through one matrix per axis; the dtype stays, as MATLAB keeps the class."""
    axes = [(vertical, 0), (horizontal, 1)]
    for matrix, axis in axes if vertical_first else axes[::-1]:
        array = _along_axis(array, matrix, axis)
    return np.ascontiguousarray(array)


def imresize(array: np.ndarray, scale: float | None = None, output_size: tuple[int, int] | None = None) -> np.ndarray:
    """`imresize(array, scale)` or `imresize(array, output_size=(rows, columns))`.

    `array` is (H, W) or (H, W, C), uint8 or floating; the result has its dtype. Raises ValueError unless
    exactly one of `scale` (> 0) and `output_size` (positive) is given, or if `array` is empty.
    """
    height, width = array.shape[:2]
    if scale is not None and output_size is None:
        output_size, scales = (scaled_length(height, scale), scaled_length(width, scale)), (scale, scale)
    elif output_size is not None and scale is None:
        scales = (output_size[0] / max(height, 1), output_size[1] / max(width, 1))
    else:
        raise ValueError("imresize: give either scale or output_size")
    if min(height, width, *output_size) < 1:
        raise ValueError(f"imresize: cannot make {array.shape} into {output_size}")
    vertical = weight_matrix(height, output_size[0], scales[0])
    horizontal = weight_matrix(width, output_size[1], scales[1])
    return apply_matrices(array, vertical, horizontal, vertical_first=scales[0] <= scales[1])


def imresize_window(array: np.ndarray, scale: float, rows: slice, columns: slice) -> np.ndarray:
    """`imresize(array, scale)[rows, columns]`, bit for bit, computing only that window."""
    height, width = array.shape[:2]
    vertical = weight_matrix(height, scaled_length(height, scale), scale)[rows]
    horizontal = weight_matrix(width, scaled_length(width, scale), scale)[columns]
    # The columns of `array` no window pixel looks at need not pass through the first matrix.
    used = np.unique(horizontal.indices)
    first, last = (used[0], used[-1] + 1) if used.size else (0, 1)
    return apply_matrices(array[:, first:last], vertical, horizontal[:, first:last])
