"""Sums in OpenBLAS's order, by rules written out and by values; test_live_openblas asks the library itself."""

import hashlib

import numpy as np
import pytest

from cpm_kernels.exact.blas import add_column_sums, add_row_sums, asum, axpy, dot, fused
from cpm_kernels.exact.profiles import FAMILIES, Profile
from tests.bits import assert_same_bits


def normals(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape, np.float32)


VALUES = {
    "cooperlake": "46128ecf4b43bfe8",
    "skylakex": "46128ecf4b43bfe8",
    "haswell": "b3c9058d9f70c7c4",
    "zen": "b3c9058d9f70c7c4",
    "haswell-0.3.7": "b3c9058d9f70c7c4",
    "sandybridge": "2ace5cbe4c68a21f",
    "nehalem": "2efdd14ede584b0e",
}
"""By family: the first digits of the SHA-256 of test_values_of_every_family's sums."""


def short_rows_added(rows: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """AVX-512's bias gradients of maps with 4 to 8 positions, output by output."""
    count, length = rows.shape
    added = sums.copy()
    for i, v in enumerate(rows):
        in_twos, in_fours, in_eights = (i < count // size * size for size in (2, 4, 8))
        left_to_right = v[0]
        for value in v[1:]:
            left_to_right = left_to_right + value
        if length == 4 and in_twos:
            total = (v[0] + v[1]) + (v[2] + v[3])
        elif length == 6 and in_fours and not in_eights:
            total = (v[0] + (v[1] + v[2])) + (v[3] + (v[4] + v[5]))
        elif length == 7 and in_fours and not in_eights:
            total = ((v[0] + v[1]) + (v[4] + v[5])) + ((v[2] + v[3]) + v[6])
        elif length in (6, 7) and not in_fours:
            for value in v:
                added[i] = added[i] + value
            continue
        elif length == 8 and in_fours:
            total = ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]))
        elif length == 8 and in_twos:
            total = ((v[0] + v[1]) + (v[4] + v[5])) + ((v[2] + v[3]) + (v[6] + v[7]))
        elif length == 8:
            total = (((v[0] + v[4]) + (v[1] + v[5])) + (v[2] + v[6])) + (v[3] + v[7])
        else:
            total = left_to_right
        added[i] = added[i] + total
    return added


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 12, 23])
@pytest.mark.parametrize("length", range(1, 9))
def test_short_rows_with_avx512(count: int, length: int) -> None:
    rows, sums = normals(count, length), normals(count)
    expected = short_rows_added(rows, sums)
    add_row_sums(rows, sums)
    assert_same_bits(sums, expected, f"{count} x {length}")


def test_four_rows_have_columns_summed_in_pairs() -> None:
    """InnerProduct's bias gradient at batch 4 with AVX-512."""
    a, sums = normals(4, 29), normals(29)
    apart = (a[0] + a[2]) + (a[1] + a[3])
    expected = sums + np.where(np.arange(29) < 12, apart, ((a[0] + a[1]) + a[2]) + a[3])
    add_column_sums(a, sums)
    assert_same_bits(sums, expected.astype(np.float32), "29 columns")


def test_threads_share_rows_and_columns() -> None:
    """From 9,216 elements on every thread's share is a product of its own; a few columns are shared by their rows."""
    for family in FAMILIES:
        profile, alone = Profile(family, 3), Profile(family)
        a, sums = normals(20, 600), normals(20)
        expected = sums.copy()
        for part in (slice(0, 7), slice(7, 14), slice(14, 20)):
            add_row_sums(a[part], expected[part], profile=alone)
        add_row_sums(a, sums, profile=profile)
        assert_same_bits(sums, expected, f"rows, {profile}")
        b, sums = normals(3000, 4), normals(4)
        expected = sums.copy()
        for start in (0, 1000, 2000):
            share = np.zeros(4, np.float32)
            add_column_sums(b[start : start + 1000], share, alone)
            expected = expected + share
        add_column_sums(b, sums, profile)
        assert_same_bits(sums, expected, f"columns, {profile}")


def test_values_of_every_family() -> None:
    """What OpenBLAS 0.3.21 gave for these numbers: dot product of 1,000 values, rows of 200, columns of 15."""
    x, y, a = normals(1000), normals(1000, seed=1), normals(8, 200)
    for family in FAMILIES:
        rows, columns = np.zeros(8, np.float32), np.zeros(20, np.float32)
        add_row_sums(a, rows, float(np.float32(0.3)), Profile(family))
        add_column_sums(normals(15, 20), columns, Profile(family))
        found = np.concatenate([[dot(x, y, Profile(family))], rows, columns]).astype(np.float32)
        assert hashlib.sha256(found.tobytes()).hexdigest()[:16] == VALUES[family], family


def test_asum_has_four_lanes_and_a_rest() -> None:
    for count in (1, 5, 7, 8, 9, 120, 255, 4320):
        x = np.abs(np.random.default_rng(count).standard_normal(count, np.float32))
        lanes = np.add.accumulate(x[: count // 8 * 8].reshape(-1, 4), axis=0, dtype=np.float32)
        rest = np.add.accumulate(x[count // 8 * 8 :], dtype=np.float32)
        expected = np.float32(0)
        for part in [*(lanes[-1] if len(lanes) else []), rest[-1] if len(rest) else np.float32(0)]:
            expected = expected + part
        assert_same_bits(asum(-x), expected, f"{count} values")


def test_asum_of_sse_has_four_sums_of_four_lanes() -> None:
    """Of 32 values that begin one before a boundary of 4: one, then 16 + 8 in eights, a four, a two and one."""
    x = np.abs(normals(32))
    sums = np.zeros((4, 4), np.float32)
    sums[0, 0] = x[0]
    for start in (1, 9, 17):
        sums[0] += x[start : start + 4]
        sums[1] += x[start + 4 : start + 8]
    sums[2] += x[25:29]
    sums[3, :2] += x[29:31]
    sums[2, 0] += x[31]
    lanes = (sums[0] + sums[1]) + (sums[2] + sums[3])
    expected = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
    for family in ("zen", "haswell-0.3.7", "sandybridge", "nehalem"):
        assert_same_bits(asum(-x, Profile(family), offset=3), expected, family)


def test_asum_of_vectors_begins_at_a_boundary() -> None:
    """SkylakeX and Haswell take what lies before a vector's boundary one by one: 2^-24 after 1 is lost there."""
    x = np.array([1] + [2.0**-24] * 300, np.float32)
    assert float(asum(x, Profile("skylakex"), offset=0)) > float(asum(x, Profile("skylakex"), offset=1)) > 1
    assert float(asum(x, Profile("haswell"), offset=0)) == float(asum(x, Profile("haswell"), offset=8))


def test_axpy_and_fused_round_once() -> None:
    x, y, z = normals(1001), normals(1001, seed=1), normals(1001, seed=2)
    exact = (x.astype(np.longdouble) * y + z).astype(np.float32)
    assert_same_bits(fused(x, y, z), exact, "x y + z")
    expected = (np.longdouble(np.float32(0.3)) * x + y).astype(np.float32)
    axpy(float(np.float32(0.3)), x, y)
    assert_same_bits(y, expected, "0.3 x + y")


def test_axpy_rounds_twice_without_avx512_but_in_whole_32s_of_haswell() -> None:
    factor, count = np.float32(0.3), 10_050
    x, y = normals(count), normals(count, seed=1)
    once, twice = (np.longdouble(factor) * x + y).astype(np.float32), y + factor * x
    shares = {1: [10_050], 2: [5025, 5025], 3: [3350, 3350, 3350]}
    for threads, parts in shares.items():
        fused_of_haswell = np.concatenate([np.arange(part) < part // 32 * 32 for part in parts])
        for family in FAMILIES:
            haswell = np.where(fused_of_haswell, once, twice)
            expected = {
                "haswell": haswell,
                "zen": haswell,
                "haswell-0.3.7": haswell,
                "sandybridge": twice,
                "nehalem": twice,
            }
            found = y.copy()
            axpy(float(factor), x, found, Profile(family, threads))
            assert_same_bits(found, expected.get(family, once), f"{family}, {threads} threads")


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="y must have 3 values"):
        dot(normals(3), normals(4))
    with pytest.raises(ValueError, match="the sums must be float32 of shape 2"):
        add_row_sums(normals(2, 3), normals(3))
    with pytest.raises(ValueError, match="x must be float32 of shape 4"):
        axpy(1.0, normals(3), normals(4))


@pytest.mark.parametrize("family", FAMILIES)
def test_axpy_by_0_leaves_y_alone(family):
    x, y = np.array([np.inf, np.nan, 1.0], np.float32), np.array([-0.0, 1.0, 2.0], np.float32)
    result = y.copy()
    axpy(0.0, x, result, Profile(family))
    assert_same_bits(result, y)
