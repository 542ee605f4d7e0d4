"""OpenBLAS's float32 matrix product, bit for bit (`src/exact/gemm.h` has the rule)."""

import numpy as np

from cpm_kernels.host import available_cores, checked, library

from .profiles import DEFAULT_PROFILE, Profile

FORMS = {"nn": 0, "tn": 1, "nt": 2}
"""How the factors are stored (gemm.h's GemmForm): n as they are multiplied, t transposed."""

TILE_VERSIONS = {"portable": 0, "avx2": 1, "avx512": 2}


def best_version() -> int:
    """Number of the fastest version of the inner product that this CPU runs; all have the same bits."""
    return int(library().cpm_cpu_version())


def gemm(
    a: np.ndarray,
    b: np.ndarray,
    c: np.ndarray | None = None,
    transpose_a: bool = False,
    transpose_b: bool = False,
    profile: Profile = DEFAULT_PROFILE,
    threads: int | None = None,
    version: int | None = None,
) -> np.ndarray:
    """A B, or c + A B written into `c`, with A (M, K) and B (K, N) float32, one of them stored transposed if said so:
    the order of the sums depends on that.

    `version` is one of TILE_VERSIONS' numbers, by default the fastest. ValueError for sizes that do not fit.
    """
    a, b = checked(a, np.float32, (None, None), "a"), checked(b, np.float32, (None, None), "b")
    right, (rows, columns, depth), steps = _operands(a, b, transpose_a, transpose_b)
    if transpose_a and transpose_b:
        raise ValueError("at most one factor may be stored transposed")
    if right.shape[0] != depth:
        raise ValueError(f"b must have {depth} rows, as a has columns, not {right.shape[0]}")
    out = np.empty((rows, columns), np.float32) if c is None else c
    if out.dtype != np.float32 or out.shape != (rows, columns) or not out.flags.c_contiguous:
        raise ValueError(f"c must be a contiguous float32 array of shape {(rows, columns)}")
    library().cpm_gemm(
        a.ctypes.data, *steps[:2], b.ctypes.data, *steps[2:], rows, columns, depth,
        _form(transpose_a, transpose_b), int(c is not None), *profile.numbers,
        threads or available_cores(), best_version() if version is None else version, out.ctypes.data,
    )  # fmt: skip
    return out


def _operands(
    a: np.ndarray, b: np.ndarray, transpose_a: bool, transpose_b: bool
) -> tuple[np.ndarray, tuple[int, int, int], list[int]]:
    """The right factor as multiplied; rows, columns and depth; both factors' steps in elements, row then column."""
    left, right = a.T if transpose_a else a, b.T if transpose_b else b
    steps = [stride // 4 for matrix in (left, right) for stride in matrix.strides]
    return right, (left.shape[0], right.shape[1], left.shape[1]), steps


def _form(transpose_a: bool, transpose_b: bool) -> int:
    return FORMS["tn" if transpose_a else "nt" if transpose_b else "nn"]


def gemm_block(left: int, form: str, m: int, n: int, k: int, profile: Profile = DEFAULT_PROFILE) -> int:
    """How long the next block of k is, `left` being left, in a product of m x n x k stored as FORMS says."""
    return int(library().cpm_gemm_block(left, FORMS[form], m, n, k, *profile.numbers))


def gemm_places(form: str, m: int, n: int, k: int, profile: Profile) -> tuple[np.ndarray, np.ndarray] | None:
    """Where rows and columns lie among OpenBLAS's groups and panels, as gemm.h encodes it (int32); None if every
    element is one chain."""
    rows, columns = np.empty(m, np.int32), np.empty(n, np.int32)
    sizes = (FORMS[form], m, n, k, *profile.numbers)
    return (rows, columns) if library().cpm_gemm_places(*sizes, rows.ctypes.data, columns.ctypes.data) else None


def gemm_by_elements(
    a: np.ndarray,
    b: np.ndarray,
    c: np.ndarray | None = None,
    transpose_a: bool = False,
    transpose_b: bool = False,
    profile: Profile = DEFAULT_PROFILE,
) -> np.ndarray:
    """The same as a new array, by the element functions that host and GPU code share: slow, for tests."""
    _, (rows, columns, depth), steps = _operands(a, b, transpose_a, transpose_b)
    out = np.zeros((rows, columns), np.float32) if c is None else c.copy()
    library().cpm_gemm_elements(
        a.ctypes.data, *steps[:2], b.ctypes.data, *steps[2:], rows, columns, depth, _form(transpose_a, transpose_b),
        int(c is not None), *profile.numbers, out.ctypes.data,
    )  # fmt: skip
    return out
