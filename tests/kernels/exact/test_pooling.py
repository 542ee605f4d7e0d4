"""Pooling and elementwise kernels against loops in NumPy: odd sizes, padding, ties, NaN, threads, poisoned outputs."""

import numpy as np
import pytest

from cpm_kernels.exact import elementary, pooling
from cpm_kernels.exact.pooling import ave_pool, ave_pool_gradient, max_pool, max_pool_channels_last, max_pool_gradient
from cpm_kernels.window import Window
from tests.bits import assert_same_bits

CASES = [
    # window, size
    (Window((3, 3), (2, 2)), (12, 10)),
    (Window((3, 3), (2, 2), (1, 1)), (11, 11)),
    (Window((9, 9), (8, 8)), (10, 14)),
    (Window((7, 5)), (7, 5)),
    (Window((2, 3), (3, 2), (0, 1)), (10, 7)),
]


@pytest.fixture(autouse=True)
def poisoned(monkeypatch):
    """Arrays that the library must fill start as NaN, or as nonsense integers."""
    poison = {np.float32: np.nan, np.int32: 0x7FABABAB}
    monkeypatch.setattr(pooling, "empty", lambda shape, dtype=np.float32: np.full(shape, poison[dtype], dtype))


def windows(window, size):
    """(output row, column, clipped rows, clipped columns, area with padding) in the order of the output."""
    for row, column in np.ndindex(window.pooled(size)):
        start = [i * s - pad for i, s, pad in zip((row, column), window.stride, window.pad, strict=True)]
        end = [min(a + k, n + pad) for a, k, n, pad in zip(start, window.kernel, size, window.pad, strict=True)]
        area = (end[0] - start[0]) * (end[1] - start[1])
        yield row, column, *(range(max(a, 0), min(b, n)) for a, b, n in zip(start, end, size, strict=True)), area


@pytest.mark.parametrize(("window", "size"), CASES)
@pytest.mark.parametrize("threads", [1, 3])
def test_pooling(window, size, threads):
    random = np.random.default_rng(6)
    x = random.integers(-3, 3, (2, 3, *size)).astype(np.float32)  # ties: the first maximum wins
    dy = random.standard_normal((2, 3, *window.pooled(size)), np.float32)
    most, mean, of_most, of_mean = np.zeros_like(dy), np.zeros_like(dy), np.zeros_like(x), np.zeros_like(x)
    for n, c in np.ndindex(2, 3):
        for row, column, ys, xs, area in windows(window, size):
            places = [(y, z) for y in ys for z in xs]
            best = max(places, key=lambda place: x[n, c][place])
            most[n, c, row, column] = x[n, c][best]
            of_most[n, c][best] += dy[n, c, row, column]
            total = np.float32(0)
            for place in places:
                total += x[n, c][place]
                of_mean[n, c][place] += dy[n, c, row, column] / np.float32(area)
            mean[n, c, row, column] = total / np.float32(area)
    actual, where = max_pool(x, window, threads)
    assert_same_bits(actual, most, "maxima")
    channels_last = max_pool_channels_last(x.transpose(0, 2, 3, 1), window, threads)
    assert_same_bits(channels_last, most.transpose(0, 2, 3, 1), "maxima, channels last")
    assert_same_bits(max_pool_gradient(dy, where, window, size, threads), of_most, "gradient of maxima")
    assert_same_bits(ave_pool(x, window, threads), mean, "means")
    assert_same_bits(ave_pool_gradient(dy, window, size, threads), of_mean, "gradient of means")


def test_windows_without_a_maximum():
    window, size = CASES[0]
    y, where = max_pool(np.full((1, 1, *size), np.nan, np.float32), window)
    assert (where == -1).all() and (y == np.finfo(np.float32).min).all()
    assert not max_pool_gradient(np.ones_like(y), where, window, size).any()
    with pytest.raises(ValueError, match="indices into a plane"):
        max_pool_gradient(y, where + size[0] * size[1] + 1, window, size)


def test_channels_last_keeps_nan_and_infinity():
    window, size = CASES[0]
    x = np.full((1, *size, 3), -np.inf, np.float32)
    x[0, 2, 2] = np.nan, np.inf, 1
    x[0, 1, 3, 0] = x[0, 3, 1, 0] = 5
    y = max_pool_channels_last(x, window)
    assert np.isnan(y[0, 0, 0, 0]) and np.isnan(y[0, 1, 1, 0]) and np.isnan(y).sum() == 4
    assert y[0, 0, 0, 1] == np.inf and y[0, 1, 0, 2] == 1 and y[0, 5, 4, 2] == np.finfo(np.float32).min
    assert max_pool_channels_last(x[:0], window).shape == (0, *window.pooled(size), 3)


@pytest.mark.parametrize("channels", [1, 3, 4, 7, 8, 31, 32, 75])
def test_channels_last_of_any_number(channels):
    window, size = CASES[1]
    x = np.random.default_rng(channels).standard_normal((2, *size, channels)).astype(np.float32)
    x[1, 4, 4, -1] = np.nan
    y = max_pool_channels_last(x, window)
    for row, column, rows, columns, _ in windows(window, size):
        assert_same_bits(y[:, row, column], x[:, rows][:, :, columns].max(axis=(1, 2)), f"row {row}, column {column}")


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_relu(slope):
    x = np.float32([-2, -0.0, 0, 3, np.nan, np.inf, -1e-45])
    y = elementary.relu(x, slope)
    assert_same_bits(y[[0, 3, 4, 5]], np.float32([-2 * np.float32(slope), 3, np.nan, np.inf]) + 0, "y")
    assert np.signbit(y[:3]).tolist() == [slope > 0, True, False]
    dx = elementary.relu_gradient(x, np.full_like(x, -5), slope)
    assert_same_bits(dx[:4], np.float32([-5 * np.float32(slope)] * 3 + [-5]), "dx")


def test_slope_gradient_adds_term_by_term():
    random = np.random.default_rng(7)
    x, dy = random.standard_normal((2, 3, 5, 7), np.float32), random.standard_normal((2, 3, 5, 7), np.float32)
    slope, one = np.ones(3, np.float32), np.ones((), np.float32)
    expected, total = slope.copy(), np.float32(1)
    for place in np.ndindex(x.shape):
        term = np.float32(dy[place] * x[place]) * np.float32(x[place] <= 0)
        expected[place[1]] += term
        total = np.float32(total + term)
    elementary.add_slope_gradient(x, dy, slope)
    elementary.add_slope_gradient(x, dy, one)
    assert_same_bits(slope, expected, "per channel")
    assert_same_bits(one, total, "shared")


def test_functions_of_the_c_library_are_within_two_units():
    x = np.random.default_rng(8).uniform(0.1, 5, 1000).astype(np.float32)
    for name, expected in {"exp": np.exp, "log": np.log, "tanh": np.tanh}.items():
        np.testing.assert_array_max_ulp(
            getattr(elementary, name)(x), expected(x.astype(np.float64)).astype(np.float32), 2
        )
    np.testing.assert_array_max_ulp(elementary.power(x, -0.75), (x.astype(np.float64) ** -0.75).astype(np.float32))
