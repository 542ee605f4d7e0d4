"""`imresize` against its published definition: hand-worked rows, a direct double loop, and its invariants."""

import math

import numpy as np
import pytest

from cpm_repro.inference.imresize import imresize, imresize_window, weight_matrix
from tests.bits import assert_same_bits


def direct_axis(values: np.ndarray, out_length: int, scale: float) -> np.ndarray:
    """One axis by the definition, tap by tap: the independent reference (float64)."""

    def kernel(x: float) -> float:
        x = abs(x)
        if x <= 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0

    def mirrored(index: int) -> int:
        index %= 2 * len(values)
        return index if index < len(values) else 2 * len(values) - 1 - index

    shrink = min(scale, 1.0)
    result = np.zeros(out_length)
    for i in range(out_length):
        centre = (i + 0.5) / scale - 0.5
        reach = math.ceil(2 / shrink) + 1
        taps = range(math.floor(centre) - reach, math.floor(centre) + reach + 1)
        weights = [kernel(shrink * (centre - tap)) for tap in taps]
        total = sum(w * values[mirrored(tap)] for w, tap in zip(weights, taps, strict=True))
        result[i] = total / sum(weights)
    return result


def test_doubling_by_hand():
    # Output pixel 0 lies at input -0.25, 1 at 0.25: the kernel at distances 0.25, 0.75, 1.25, 1.75.
    near, middle, far, farthest = 0.8671875, 0.2265625, -0.0703125, -0.0234375
    expected = [
        [near + middle, far + 0, farthest + 0],
        [near + far, middle, farthest],
    ]
    # Taps of pixel 0: -2 (mirrored 1), -1 (mirrored 0), 0, 1.
    expected[0] = [middle + near, farthest + far, 0]
    # Taps of pixel 1: -1 (mirrored 0), 0, 1, 2.
    rows = weight_matrix(3, 6, 2.0).toarray()
    np.testing.assert_allclose(rows[0], expected[0], rtol=0, atol=1e-15)
    np.testing.assert_allclose(rows[1], expected[1], rtol=0, atol=1e-15)
    np.testing.assert_allclose(rows[5], rows[0][::-1], rtol=0, atol=1e-15)


def test_halving_by_hand():
    # The kernel is twice as wide: distances 0.25, 0.75, 1.25, 1.75 (each side), halved in weight.
    half = np.array([-0.0234375, -0.0703125, 0.2265625, 0.8671875]) / 2
    row = weight_matrix(16, 8, 0.5).toarray()[4]
    np.testing.assert_allclose(row[5:13], np.concatenate([half, half[::-1]]), rtol=0, atol=1e-15)
    assert not row[:5].any() and not row[13:].any()


@pytest.mark.parametrize("scale", [0.13, 0.5, 0.77, 1.0, 1.3, 8.0])
@pytest.mark.parametrize("length", [1, 2, 7, 46])
def test_rows_sum_to_one_and_match_the_definition(length, scale):
    out_length = math.ceil(scale * length)
    matrix = weight_matrix(length, out_length, scale)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=0, atol=1e-14)
    values = np.random.default_rng(length).normal(size=length)
    np.testing.assert_allclose(matrix @ values, direct_axis(values, out_length, scale), rtol=0, atol=1e-12)


def test_same_size_is_the_identity():
    picture = np.random.default_rng(0).integers(0, 256, (13, 7, 3), np.uint8)
    assert_same_bits(imresize(picture, 1.0), picture)
    assert_same_bits(imresize(picture, output_size=(13, 7)), picture)


@pytest.mark.parametrize("scale", [0.3, 1.7])
def test_constant_pictures_stay_constant(scale):
    picture = np.full((21, 34, 3), 200, np.uint8)
    resized = imresize(picture, scale)
    assert resized.shape == (math.ceil(21 * scale), math.ceil(34 * scale), 3)
    assert (resized == 200).all()


def test_uint8_is_rounded_half_up_and_clamped_after_each_axis():
    rng = np.random.default_rng(3)
    picture = np.where(rng.random((9, 11)) < 0.5, 0, 255).astype(np.uint8)
    expected = picture.astype(np.float64)
    for axis in (0, 1):
        expected = np.apply_along_axis(direct_axis, axis, expected, [18, 22][axis], 2.0)
        expected = np.floor(np.clip(expected, 0, 255) + 0.5)
    assert_same_bits(imresize(picture, 2.0), expected.astype(np.uint8))


def test_uint8_halves_are_rounded_up():
    pairs = np.array([[20, 21], [21, 22], [0, 1], [254, 255]], np.uint8)
    assert imresize(pairs, output_size=(4, 1)).ravel().tolist() == [21, 22, 1, 255]


@pytest.mark.parametrize(("size", "scale"), [((13, 29), 0.31), ((31, 7), 0.83), ((5, 1), 2.6)])
def test_odd_pictures_are_those_of_the_definition(size, scale):
    picture = np.random.default_rng(size[0]).integers(0, 256, (*size, 3)).astype(np.uint8)
    expected = picture.astype(np.float64)
    for axis in (0, 1):
        length = math.ceil(scale * size[axis])
        expected = np.apply_along_axis(direct_axis, axis, expected, length, scale)
        expected = np.floor(np.clip(expected, 0, 255) + 0.5)
    assert_same_bits(imresize(picture, scale), expected.astype(np.uint8))


def test_floats_are_not_clamped_and_keep_their_type():
    step = np.repeat(np.float32([0, 0, 0, 1, 1, 1])[:, None], 5, axis=1)
    resized = imresize(step, 4.0)
    assert resized.dtype == np.float32
    assert resized.max() > 1 and resized.min() < 0


def test_the_smaller_scale_goes_first():
    picture = np.random.default_rng(4).integers(0, 256, (20, 20), np.uint8)
    columns_first = imresize(imresize(picture, output_size=(20, 9)), output_size=(31, 9))
    assert_same_bits(imresize(picture, output_size=(31, 9)), columns_first)
    rows_first = imresize(imresize(picture, output_size=(9, 20)), output_size=(9, 31))
    assert_same_bits(imresize(picture, output_size=(9, 31)), rows_first)


@pytest.mark.parametrize("scale", [0.37, 1.0, 2.3])
def test_a_window_has_the_bits_of_the_whole(scale):
    picture = np.random.default_rng(5).integers(0, 256, (41, 29, 3), np.uint8)
    whole = imresize(picture, scale)
    rows, columns = slice(3, 14), slice(2, 9)
    assert_same_bits(imresize_window(picture, scale, rows, columns), whole[rows, columns])


def test_wrong_arguments_are_refused():
    picture = np.zeros((4, 4))
    with pytest.raises(ValueError, match="either scale or output_size"):
        imresize(picture)
    with pytest.raises(ValueError, match="either scale or output_size"):
        imresize(picture, 2.0, (8, 8))
    with pytest.raises(ValueError, match="cannot make"):
        imresize(np.zeros((0, 4)), 2.0)
