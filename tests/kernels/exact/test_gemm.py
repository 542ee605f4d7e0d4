"""Matrix products: every version, thread count and stored form against the element functions, and against OpenBLAS."""

import numpy as np
import pytest

from cpm_kernels.exact.gemm import GEMM_PROFILES, TILE_VERSIONS, best_version, gemm, gemm_by_elements
from cpm_kernels.host import library
from tests.bits import assert_same_bits

FORMS = [(False, False), (True, False), (False, True)]
# rows, columns, depth: single values, tails of 8, 16 and 48, small and large products, cuts in halves and in whole Q
SHAPES = [(1, 1, 1), (5, 7, 40), (13, 21, 60), (9, 49, 700), (33, 50, 33), (40, 31, 500), (61, 53, 320), (50, 70, 330),
          (37, 97, 650), (66, 49, 1500), (3, 1200, 400), (129, 100, 100)]  # fmt: skip


def random_factors(seed, rows, columns, depth, transpose_a, transpose_b):
    random = np.random.default_rng(seed)
    a = random.standard_normal((depth, rows) if transpose_a else (rows, depth), np.float32)
    b = random.standard_normal((columns, depth) if transpose_b else (depth, columns), np.float32)
    return a, b, random.standard_normal((rows, columns), np.float32)


@pytest.mark.parametrize(("transpose_a", "transpose_b"), FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_host_equals_elements(shape, transpose_a, transpose_b):
    a, b, c = random_factors(shape, *shape, transpose_a, transpose_b)
    for name, profile in GEMM_PROFILES.items():
        options = {"transpose_a": transpose_a, "transpose_b": transpose_b, "profile": profile}
        expected, onto = gemm_by_elements(a, b, **options), gemm_by_elements(a, b, c, **options)
        for threads in (1, 2, 4):
            assert_same_bits(gemm(a, b, threads=threads, **options), expected, f"{name}, {threads} threads")
            out = c.copy()
            gemm(a, b, out, threads=threads, **options)
            assert_same_bits(out, onto, f"{name}, {threads} threads, onto C")


@pytest.mark.parametrize("version", TILE_VERSIONS)
def test_every_instruction_set_has_the_same_bits(version):
    if TILE_VERSIONS[version] > best_version():
        pytest.skip(f"this CPU has no {version}")
    for shape in [(13, 77, 701), (8, 48, 33), (61, 100, 400)]:
        a, b, c = random_factors(1, *shape, False, False)
        assert_same_bits(gemm(a, b, version=TILE_VERSIONS[version]), gemm_by_elements(a, b), str(shape))
        expected = gemm_by_elements(a, b, c)
        gemm(a, b, c, version=TILE_VERSIONS[version])
        assert_same_bits(c, expected, str(shape))


def chain(a, b):
    """One chain of fused multiply-adds, by NumPy's long double: exact for products of two float32."""
    total = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for k in range(a.shape[1]):
        total = (np.outer(a[:, k].astype(np.longdouble), b[k].astype(np.longdouble)) + total).astype(np.float32)
    return total


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double is no wider than double here")
def test_a_large_product_is_chains_of_blocks_added_in_order():
    a, b, _ = random_factors(2, 40, 45, 1000, False, False)
    blocks = [(0, 320), (320, 640), (640, 832), (832, 1000)]  # twice Q; then half of 360, to sixteens; then the rest
    assert [library().cpm_gemm_block(left, 320, 16) for left in (1000, 680, 360, 168)] == [320, 320, 192, 168]
    expected = np.zeros((40, 45), np.float32)
    for start, end in blocks:
        expected += chain(a[:, start:end], b[start:end])
    assert_same_bits(gemm(a, b), expected, "C")


def test_profiles_differ_and_blocks_follow_them():
    a, b, _ = random_factors(3, 50, 60, 650, False, False)
    results = {name: gemm(a, b, profile=profile).tobytes() for name, profile in GEMM_PROFILES.items()}
    assert len(set(results.values())) == 3
    block = library().cpm_gemm_block
    assert [block(650, 320, unit) for unit in (16, 4)] == [320, 320] and block(330, 320, 16) == 176
    assert block(330, 320, 4) == 168 and block(320, 320, 16) == 320 and block(5000, 0, 1) == 5000


@pytest.mark.parametrize(("transpose_a", "transpose_b"), FORMS)
def test_against_openblas(transpose_a, transpose_b):
    """scipy ships an OpenBLAS; where it uses its AVX-512 kernels, the bits must be those of the profile of its version.
    Products stay below the size at which it starts threads."""
    if best_version() != TILE_VERSIONS["avx512"]:
        pytest.skip("OpenBLAS takes other kernels on a CPU without AVX-512")
    from scipy.linalg import blas

    random = np.random.default_rng(4)
    for rows, columns, depth in random.integers(1, 70, (150, 3)):
        a, b, c = random_factors(int(rows), rows, columns, depth, transpose_a, transpose_b)
        profile = GEMM_PROFILES["openblas-0.3.30"]
        expected = blas.sgemm(1, b.T, a.T, 1, c.T, trans_a=transpose_b, trans_b=transpose_a).T
        gemm(a, b, c, transpose_a, transpose_b, profile)
        assert_same_bits(c, np.ascontiguousarray(expected), f"{rows} x {columns} x {depth}")


def test_an_empty_chain_of_negative_zeros_is_as_openblas_leaves_it():
    a, b = np.full((40, 700), -1e-30, np.float32), np.full((700, 40), 1e-30, np.float32)
    assert not np.signbit(gemm(a, b)).any(), "a large product is added onto zero"
    assert np.signbit(gemm(a[:4], b[:, :16])).all(), "a small one is stored as it is"


def test_wrong_sizes_are_refused():
    a, b = np.zeros((2, 3), np.float32), np.zeros((4, 5), np.float32)
    with pytest.raises(ValueError, match="b must have 3 rows"):
        gemm(a, b)
    with pytest.raises(ValueError, match="a must be float32"):
        gemm(a.astype(np.float64), b)
    with pytest.raises(ValueError, match="c must be a contiguous float32 array"):
        gemm(a, np.zeros((3, 5), np.float32), np.zeros((2, 4), np.float32))
    with pytest.raises(ValueError, match="at most one factor"):
        gemm(a, b, transpose_a=True, transpose_b=True)
