"""Sums in OpenBLAS's order, against the OpenBLAS that scipy ships where it takes its AVX-512 kernels."""

import numpy as np
import pytest

from cpm_kernels.exact.blas import add_column_sums, add_row_sums, axpy, dot, fused
from cpm_kernels.exact.gemm import TILE_VERSIONS, best_version
from tests.bits import assert_same_bits

blas = pytest.importorskip("scipy.linalg.blas")
openblas = pytest.mark.skipif(best_version() != TILE_VERSIONS["avx512"], reason="OpenBLAS has other kernels here")


def normals(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape, np.float32)


@openblas
def test_dot():
    for count in [*range(1, 200), 1000, 2116, 4097, 9999]:  # from 10,000 on OpenBLAS may share the work among threads
        x, y = normals(count), normals(count, seed=1)
        assert_same_bits(dot(x, y), np.float32(blas.sdot(x, y)), f"{count} values")


@openblas
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7, 14, 15])
def test_row_sums(rows):
    for length in [*range(9, 50), 168, 169, 225, 529] + ([2116, 4097] if rows < 3 else []):
        a, sums = normals(rows, length), normals(rows)
        for scale in (1.0, 0.3):
            scale = float(np.float32(scale))
            expected = blas.sgemv(scale, a.T, np.ones(length, np.float32), 1, sums.copy(), trans=1)
            actual = sums.copy()
            add_row_sums(a, actual, scale)
            assert_same_bits(actual, expected, f"{rows} x {length}, scale {scale}")


@openblas
@pytest.mark.parametrize("columns", [1, 2, 3, 4, 7, 8, 12, 16, 17, 29, 100])
def test_column_sums(columns):
    for rows in (1, 2, 3, 5, 8, 15, 48, 49, 60, 63):
        a, sums = normals(rows, columns), normals(columns)
        expected = blas.sgemv(1, a.T, np.ones(rows, np.float32), 1, sums.copy())
        add_column_sums(a, sums)
        assert_same_bits(sums, expected, f"{rows} x {columns}")


def test_axpy_and_fused_round_once():
    x, y, z = normals(1001), normals(1001, seed=1), normals(1001, seed=2)
    exact = (x.astype(np.longdouble) * y + z).astype(np.float32)
    assert_same_bits(fused(x, y, z), exact, "x y + z")
    expected = (np.longdouble(np.float32(0.3)) * x + y).astype(np.float32)
    axpy(float(np.float32(0.3)), x, y)
    assert_same_bits(y, expected, "0.3 x + y")


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="y must have 3 values"):
        dot(normals(3), normals(4))
    with pytest.raises(ValueError, match="the sums must be float32 of shape 2"):
        add_row_sums(normals(2, 3), normals(3))
    with pytest.raises(ValueError, match="x must be float32 of shape 4"):
        axpy(1.0, normals(3), normals(4))
