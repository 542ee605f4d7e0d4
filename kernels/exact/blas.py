"""The sums that Caffe asks of OpenBLAS, in a profile's order, to the bit (`src/exact/blas.h`)."""

import numpy as np

from cpm_kernels.host import checked, library

from .profiles import DEFAULT_PROFILE, Profile


def dot(x: np.ndarray, y: np.ndarray, profile: Profile = DEFAULT_PROFILE) -> np.float32:
    """Dot product of two float32 arrays of one size (cblas_sdot)."""
    x, y = checked(np.ravel(x), np.float32, (None,), "x"), checked(np.ravel(y), np.float32, (None,), "y")
    if x.size != y.size:
        raise ValueError(f"y must have {x.size} values, as x has, not {y.size}")
    return np.float32(library().cpm_dot(x.ctypes.data, y.ctypes.data, x.size, profile.numbers[0]))


BLOB_OFFSET = 8
"""How many floats beyond a cache line's boundary the original's blobs began where its golden files tell."""


def asum(x: np.ndarray, profile: Profile = DEFAULT_PROFILE, offset: int = BLOB_OFFSET) -> np.float32:
    """Sum of the magnitudes of a float32 array (cblas_sasum) that begins so many floats beyond a cache line's boundary:
    all families' bits but Cooperlake's depend on it."""
    x = checked(np.ravel(x), np.float32, (None,), "x")
    return np.float32(library().cpm_asum(x.ctypes.data, x.size, offset % 16, profile.numbers[0]))


def _checked_sums(sums: np.ndarray, count: int) -> np.ndarray:
    if not sums.flags.c_contiguous:
        raise ValueError("the sums must be contiguous")
    return checked(sums, np.float32, (count,), "the sums")


def add_row_sums(a: np.ndarray, sums: np.ndarray, scale: float = 1.0, profile: Profile = DEFAULT_PROFILE) -> None:
    """sums (rows,) += scale · the sum of each row of a (rows, length), in place (cblas_sgemv with ones)."""
    a = checked(a, np.float32, (None, None), "a")
    sums = _checked_sums(sums, a.shape[0])
    library().cpm_add_row_sums(a.ctypes.data, *a.shape, float(scale), *profile.numbers, sums.ctypes.data)


def add_column_sums(a: np.ndarray, sums: np.ndarray, profile: Profile = DEFAULT_PROFILE) -> None:
    """sums (columns,) += the sum of each column of a (rows, columns), in place (cblas_sgemv, transposed, with ones)."""
    a = checked(a, np.float32, (None, None), "a")
    sums = _checked_sums(sums, a.shape[1])
    library().cpm_add_column_sums(a.ctypes.data, *a.shape, *profile.numbers, sums.ctypes.data)


def axpy(factor: float, x: np.ndarray, y: np.ndarray, profile: Profile = DEFAULT_PROFILE) -> None:
    """y += factor · x in place (cblas_saxpy): one rounding an element with AVX-512."""
    if y.dtype != np.float32 or not y.flags.c_contiguous:
        raise ValueError("y must be a contiguous float32 array")
    x = checked(x, np.float32, y.shape, "x")
    library().cpm_axpy(float(factor), x.ctypes.data, x.size, *profile.numbers, y.ctypes.data)


def fused(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """x · y + z element by element with one rounding, as a new array."""
    out = np.array(z, np.float32)
    x, y = checked(np.ravel(x), np.float32, (out.size,), "x"), checked(np.ravel(y), np.float32, (out.size,), "y")
    library().cpm_fused(x.ctypes.data, y.ctypes.data, out.size, out.ctypes.data)
    return out
