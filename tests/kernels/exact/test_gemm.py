"""Matrix products: every version, thread count and stored form against the element functions, and the rules of every
family written out; tests/whole/test_live_openblas.py asks the library itself."""

import hashlib

import numpy as np
import pytest

from cpm_kernels.exact.gemm import TILE_VERSIONS, best_version, gemm, gemm_block, gemm_by_elements, gemm_places
from cpm_kernels.exact.profiles import FAMILIES, Profile
from tests.bits import assert_same_bits

PROFILES = [Profile(family, threads) for family in FAMILIES for threads in (1, 2, 5)]
FORMS = [(False, False), (True, False), (False, True)]
# rows, columns, depth: single values, tails of 8, 16 and 48, small and large products, cuts in halves and in whole Q,
# many blocks of few columns (computed at once)
SHAPES = [(1, 1, 1), (5, 7, 40), (13, 21, 60), (9, 49, 700), (33, 50, 33), (40, 31, 500), (61, 53, 320), (50, 70, 330),
          (37, 97, 650), (66, 49, 1500), (3, 1200, 400), (129, 100, 100),
          (3, 30, 12000)]  # fmt: skip


VALUES = {
    "cooperlake": "50f78480f06d15ce",
    "skylakex": "ba82aa5ae33dedc3",
    "haswell": "52b027cf823917f9",
    "zen": "52b027cf823917f9",
    "haswell-0.3.7": "403165224c32274f",
    "sandybridge": "9c6b65fd98bea97a",
    "nehalem": "c06b2c6d81d53c70",
}
"""By family: the first digits of the SHA-256 of test_values_of_every_family's products."""


def random_factors(seed, rows, columns, depth, transpose_a, transpose_b):
    random = np.random.default_rng(seed)
    a = random.standard_normal((depth, rows) if transpose_a else (rows, depth), np.float32)
    b = random.standard_normal((columns, depth) if transpose_b else (depth, columns), np.float32)
    return a, b, random.standard_normal((rows, columns), np.float32)


@pytest.mark.parametrize(("transpose_a", "transpose_b"), FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_host_equals_elements(shape, transpose_a, transpose_b):
    a, b, c = random_factors(shape, *shape, transpose_a, transpose_b)
    for profile in PROFILES:
        options = {"transpose_a": transpose_a, "transpose_b": transpose_b, "profile": profile}
        expected, onto = gemm_by_elements(a, b, **options), gemm_by_elements(a, b, c, **options)
        for threads in (1, 2, 4):
            assert_same_bits(gemm(a, b, threads=threads, **options), expected, f"{profile}, {threads} threads")
            out = c.copy()
            gemm(a, b, out, threads=threads, **options)
            assert_same_bits(out, onto, f"{profile}, {threads} threads, onto C")


@pytest.mark.parametrize("version", TILE_VERSIONS)
def test_every_instruction_set_has_the_same_bits(version):
    if TILE_VERSIONS[version] > best_version():
        pytest.skip(f"this CPU has no {version}")
    for shape in [(13, 77, 701), (8, 48, 33), (61, 100, 400)]:
        for profile in (Profile(family) for family in FAMILIES):
            a, b, c = random_factors(1, *shape, False, False)
            options = {"profile": profile, "version": TILE_VERSIONS[version]}
            assert_same_bits(gemm(a, b, **options), gemm_by_elements(a, b, profile=profile), f"{shape}, {profile}")
            expected = gemm_by_elements(a, b, c, profile=profile)
            gemm(a, b, c, **options)
            assert_same_bits(c, expected, f"{shape}, {profile}, onto C")


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
    assert [gemm_block(left, "nn", 40, 45, 1000) for left in (1000, 680, 360, 168)] == [320, 320, 192, 168]
    expected = np.zeros((40, 45), np.float32)
    for start, end in blocks:
        expected += chain(a[:, start:end], b[start:end])
    assert_same_bits(gemm(a, b), expected, "C")


def cuts(k: int, profile: Profile) -> list[int]:
    lengths, left = [], k
    while left:
        lengths.append(gemm_block(left, "nn", 100, 120, k, profile))
        left -= lengths[-1]
    return lengths


def test_profiles_differ_and_blocks_follow_them() -> None:
    expected = {
        "cooperlake": ([320, 192, 188], [320, 190, 190]),
        "skylakex": ([352, 348], [350, 350]),
        "haswell": ([320, 192, 188], [320, 190, 190]),
        "zen": ([320, 192, 188], [320, 190, 190]),
        "haswell-0.3.7": ([352, 348], [350, 350]),
        "sandybridge": ([352, 348], [350, 350]),
        "nehalem": ([352, 348], [350, 350]),
    }
    assert {family: (cuts(700, Profile(family)), cuts(700, Profile(family, 2))) for family in FAMILIES} == expected
    assert [cuts(330, Profile("haswell", threads)) for threads in (1, 2)] == [[168, 162], [165, 165]]
    assert cuts(333, Profile(threads=2)) == [167, 166] and cuts(1030, Profile("nehalem")) == [512, 260, 258]
    assert gemm_block(700, "nn", 10, 10, 700) == 700, "a small product with AVX-512 is not cut"
    a, b, _ = random_factors(3, 100, 120, 700, False, False)
    assert len({gemm(a, b, profile=profile).tobytes() for profile in PROFILES}) == 9  # five threads cut as two do


def two_chain_elements(rows: int, columns: int, depth: int, profile: Profile) -> np.ndarray:
    """Which elements are two chains, found by asking for sums that one chain and two chains give differently."""
    a, b = np.zeros((rows, depth), np.float32), np.ones((depth, columns), np.float32)
    a[:, :3] = 2.0**60, 1.0, -(2.0**60)
    return gemm(a, b, profile=profile) == 1


def test_two_chains_of_haswell() -> None:
    """Rows in groups of 12, then 4, then 2 and 1; columns in panels of eights."""
    found = two_chain_elements(12 + 4 + 3, 27, 16, Profile("haswell"))  # three whole eights: an odd number
    expected = np.zeros((19, 27), bool)
    expected[:6, :8] = expected[6:12, 16:24] = expected[12:16, :24] = True
    assert (found == expected).all()
    found = two_chain_elements(12, 330, 16, Profile("haswell"))  # panels of 168 and 162 columns: 21 and 20 eights
    expected = np.zeros((12, 330), bool)
    expected[:6, :8] = expected[6:, 160:168] = expected[:6, 168:176] = expected[:6, 320:328] = True
    assert (found == expected).all()
    assert not two_chain_elements(12, 15, 16, Profile("haswell")).any(), "one eight has no edges"
    assert not two_chain_elements(16, 27, 16, Profile("sandybridge")).any()


def test_two_chains_of_haswell_shared_by_two_threads() -> None:
    """Each thread has half of the columns; it packs half of the rows, in two parts, and gets the others packed."""
    found = two_chain_elements(48, 64, 200, Profile("haswell", 2))
    expected = np.zeros((48, 64), bool)
    for first in (0, 12, 24, 36):
        for columns in (0, 32):
            expected[first : first + 6, [*range(columns, columns + 8), *range(columns + 24, columns + 32)]] = True
    assert (found == expected).all()
    found = two_chain_elements(32, 64, 200, Profile("haswell", 2))  # parts of 8 rows: two fours, or an eight
    expected = np.zeros((32, 64), bool)
    expected[:16, :32] = expected[16:, 32:] = True
    assert (found == expected).all()


def test_two_chains_of_nehalem() -> None:
    """The last of an odd number of columns, in rows beyond eights that make a four or a two."""
    found = two_chain_elements(15, 9, 16, Profile("nehalem"))
    expected = np.zeros((15, 9), bool)
    expected[8:14, 8] = True
    assert (found == expected).all()
    assert (
        gemm_places("nn", 15, 8, 16, Profile("nehalem"))[0][8]
        and not two_chain_elements(15, 8, 16, Profile("nehalem")).any()
    )


def test_products_rounded_twice_a_step() -> None:
    a, b, _ = random_factors(4, 9, 7, 25, False, False)
    expected = np.zeros((9, 7), np.float32)
    for k in range(25):
        expected = expected + a[:, k : k + 1] * b[k]
    assert_same_bits(gemm(a, b, profile=Profile("sandybridge")), expected, "C")


def test_values_of_every_family() -> None:
    """What OpenBLAS 0.3.21 gave for these factors, all three forms."""
    for family in FAMILIES:
        found = b""
        for transpose_a, transpose_b in FORMS:
            a, b, c = random_factors(5, 47, 331, 777, transpose_a, transpose_b)
            found += gemm(a, b, c, transpose_a, transpose_b, Profile(family)).tobytes()
        assert hashlib.sha256(found).hexdigest()[:16] == VALUES[family], family


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
