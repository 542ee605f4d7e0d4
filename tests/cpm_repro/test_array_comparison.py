"""What compare_arrays measures, against the definitions written out."""

import math

import numpy as np
import pytest

from cpm_repro import array_comparison
from cpm_repro.array_comparison import Limits, compare_arrays, ulp_distance


def float_distance(a, b):
    """Steps from one float32 to the other if +0 and −0 are one value."""

    def steps_from_zero(values):
        magnitude = np.abs(values).view(np.int32).astype(np.int64)
        return np.where(np.signbit(values), -magnitude, magnitude)

    return np.abs(steps_from_zero(a) - steps_from_zero(b))


def random_pair(shape, seed=0):
    """Arrays that share a third of their bits and are otherwise anything from neighbours to strangers."""
    random = np.random.default_rng(seed)
    a = random.standard_normal(shape).astype(np.float32)
    steps = random.integers(-3, 4, shape) * 2 ** random.integers(0, 24, shape)
    return a, (a.view(np.int32) + np.where(random.random(shape) < 0.3, 0, steps).astype(np.int32)).view(np.float32)


def test_distances_count_representable_values():
    one = np.float32(1)
    pairs = [(one, one, 0), (one, np.nextafter(one, np.float32(2)), 1), (one, -one, 2 * 0x3F800000 + 1)]
    pairs += [(np.float32(0), np.float32(-0.0), 1), (np.float32(-0.0), np.float32(-1e-45), 1)]
    for a, b, expected in pairs:
        assert ulp_distance(np.array([a]), np.array([b])) == expected
    double = np.array([1.0, -0.0])
    assert ulp_distance(double, np.nextafter(double, 2)).tolist() == [1, 2]
    assert ulp_distance(np.array([3, -5]), np.array([-4, -5])).tolist() == [7, 0]
    a, b = random_pair((999,))
    crosses_zero = np.signbit(a) != np.signbit(b)
    assert (ulp_distance(a, b) == (float_distance(a, b) + crosses_zero).astype(np.uint64)).all()


@pytest.mark.parametrize("piece", [7, 1 << 20])
def test_everything_that_is_measured(monkeypatch, piece):
    monkeypatch.setattr(array_comparison, "_PIECE", piece)
    a, b = random_pair((3, 5, 7, 11))
    blob = compare_arrays(a, b)
    distance, x, y = ulp_distance(a, b), a.astype(np.float64), b.astype(np.float64)
    error, size = np.abs(x - y), np.maximum(np.abs(x), np.abs(y))
    assert (blob.size, blob.equal, blob.outside) == (a.size, (distance == 0).sum(), (distance > 0).sum())
    assert blob.max_ulp == distance.max() and blob.median_ulp == np.median(distance)
    assert blob.max_absolute == error.max() and blob.max_relative == (error / size).max()
    assert blob.cosine == pytest.approx((x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum()), rel=1e-12)
    assert blob.relative_norm == pytest.approx(
        np.linalg.norm(x - y) / max(np.linalg.norm(x), np.linalg.norm(y)), rel=1e-12
    )
    worst = np.unravel_index(error.argmax(), a.shape)
    assert (blob.worst.index, blob.worst.a, blob.worst.b) == (worst, a[worst], b[worst])
    assert blob.first == tuple(np.argwhere(distance > 0)[0])
    for k, count in enumerate(blob.histogram):
        low, high = (0, 0) if k == 0 else (2 ** (k - 1), 2**k - 1)
        assert count == ((distance >= low) & (distance <= high)).sum()
    assert sum(blob.histogram) == a.size


def test_equal_bits_are_equal():
    a, _ = random_pair((2, 3, 9))
    a[0, 0, :3] = np.nan, np.inf, -0.0
    blob = compare_arrays(a, a.copy())
    assert blob.passes and blob.equal == a.size and blob.nan == (1, 1) and blob.inf == (1, 1)
    assert blob.worst is None and blob.first is None and blob.histogram == [a.size - 1]


def test_ulp_across_signs_are_not_the_largest():
    a, b = np.float32([1, 2, 1e-3, 0, -0.0]), np.float32([1, 2.5, -1e-3, 0, 1e-45])
    blob = compare_arrays(a, b)
    assert (blob.signs, blob.outside, blob.max_ulp) == (1, 3, 1 << 21)


def test_shares_of_the_largest():
    a, b = np.float32([1, -4, np.nan, np.inf, 0]), np.float32([1, -3, np.nan, np.inf, -0.0])
    assert (compare_arrays(a, b).share_of_largest, compare_arrays(a, b).broken) == (0.25, 0)
    assert compare_arrays(np.zeros(3), np.array([0, 0.5, 0])).share_of_largest == 0.5
    for found in ([1, -4, np.nan, -np.inf, 0], [1, -4, 0, np.inf, 0], [1, np.nan, np.nan, np.inf, 0]):
        compared = compare_arrays(a, np.float32(found))
        assert compared.broken == 1 and compared.share_of_largest == np.inf
    assert compare_arrays(a, a[:3]).share_of_largest == np.inf


def test_what_is_not_a_number_is_the_worst():
    a, b = random_pair((4, 5))
    b[2, 3] = np.nan
    blob = compare_arrays(a, b, Limits(rtol=10, atol=10))
    assert not blob.passes and blob.nan == (0, 1) and blob.first == blob.worst.index == (2, 3) and blob.outside == 1
    assert blob.error == 1
    b[2, 3] = a[2, 3] = np.inf
    assert compare_arrays(a, b, Limits(rtol=10, atol=10)).passes
    a[2, 3] = np.finfo(np.float32).max  # the neighbour of infinity
    assert not compare_arrays(a, b, Limits(max_ulp=2**32)).passes


def test_negative_zero_is_not_the_same_bits():
    a, b = np.zeros(3, np.float32), np.array([0, -0.0, 0], np.float32)
    blob = compare_arrays(a, b)
    assert not blob.passes and blob.first == blob.worst.index == (1,)
    assert compare_arrays(a, b, Limits(max_ulp=1)).passes and compare_arrays(a, b, Limits(atol=1e-30)).passes


@pytest.mark.parametrize(
    ("limits", "outside"),
    [(Limits(3), 2), (Limits(4), 1), (Limits(rtol=1e-6), 1), (Limits(atol=0.6), 1), (Limits(4, atol=1.1), 0)],
)
def test_either_limit_is_enough(limits, outside):
    a = np.array([1, 1, 1000], np.float32)
    b = np.array([1, 1 + 4 * 2.0**-23, 1001], np.float32)
    blob = compare_arrays(a, b, limits)
    assert blob.outside == outside and blob.passes == (outside == 0)


def test_other_types_shapes_and_text():
    a = np.array([1.5, 0.1], np.float32)
    assert compare_arrays(a, a.astype(np.float64)).passes
    assert compare_arrays(np.array([0.1]), np.array([np.nextafter(0.1, 1)])).max_ulp == 1
    assert not compare_arrays(a, a.astype(np.float16)).passes
    assert compare_arrays(np.arange(5, dtype=np.uint8), np.arange(5)).passes
    assert compare_arrays(np.array("text"), np.array("text")).passes
    assert not compare_arrays(np.array("text"), a).passes
    other = compare_arrays(a, a[:1])
    assert not other.passes and not other.measured and other.shapes == ((2,), (1,))
    assert compare_arrays(np.zeros((0, 3)), np.zeros((0, 3))).passes
    scalar = compare_arrays(np.float32(1), np.float32(2))
    assert scalar.first == scalar.worst.index == ()
