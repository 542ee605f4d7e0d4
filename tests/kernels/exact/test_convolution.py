"""Convolution's three products against a column matrix written out in NumPy and the products' element functions."""

import numpy as np
import pytest

from cpm_kernels.exact import convolution
from cpm_kernels.exact.convolution import add_weight_gradient, convolve, convolve_transposed
from cpm_kernels.exact.gemm import gemm_by_elements
from cpm_kernels.exact.profiles import DEFAULT_PROFILE, Profile
from cpm_kernels.window import Window
from tests.bits import assert_same_bits

THREADED = Profile(threads=2)
CASES = {
    # images, channels, height, width, outputs, window, group, profile
    "3x3": (2, 6, 13, 11, 5, Window((3, 3), pad=(1, 1)), 1, DEFAULT_PROFILE),
    "rectangular, stride": (2, 4, 14, 9, 6, Window((5, 3), stride=(2, 3), pad=(2, 0)), 1, DEFAULT_PROFILE),
    "groups, dilation": (1, 6, 15, 13, 8, Window((3, 3), pad=(2, 2), dilation=(2, 2)), 2, DEFAULT_PROFILE),
    "1x1": (3, 40, 7, 7, 9, Window((1, 1)), 1, DEFAULT_PROFILE),
    "1x1 with stride": (1, 5, 9, 8, 3, Window((1, 1), stride=(2, 2)), 1, DEFAULT_PROFILE),
    "large": (2, 30, 23, 22, 17, Window((5, 5), pad=(2, 2)), 1, DEFAULT_PROFILE),
    "threaded profile": (1, 30, 23, 22, 17, Window((5, 5), pad=(2, 2)), 1, THREADED),
    "wide": (1, 3, 40, 60, 130, Window((9, 9), pad=(4, 4)), 1, DEFAULT_PROFILE),
    **{
        f"{family}, {threads} threads": (2, 6, 23, 22, 34, Window((5, 3), pad=(2, 1)), 2, Profile(family, threads))
        for family in ("haswell", "sandybridge", "nehalem")
        for threads in (1, 2)
    },
    "1x1, haswell": (2, 40, 17, 19, 21, Window((1, 1)), 1, Profile("haswell")),
    "one pixel": (1, 2, 1, 1, 3, Window((3, 3), pad=(1, 1)), 1, DEFAULT_PROFILE),
}


@pytest.fixture(autouse=True)
def poisoned(monkeypatch):
    """Arrays that the library must fill start as NaN."""
    monkeypatch.setattr(convolution, "empty", lambda shape: np.full(shape, np.nan, np.float32))


def columns_of(image, window):
    """im2col of (C, H, W): (C · kernel rows · kernel columns, positions)."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = window.kernel, window.stride, window.pad, window.dilation
    rows, columns = window.convolved(image.shape[1:])
    padded = np.pad(image, ((0, 0), (ph, ph), (pw, pw)))
    taps = [
        padded[:, y * dh : y * dh + (rows - 1) * sh + 1 : sh, x * dw : x * dw + (columns - 1) * sw + 1 : sw]
        for y in range(kh)
        for x in range(kw)
    ]
    return np.ascontiguousarray(np.stack(taps, 1).reshape(len(image) * kh * kw, rows * columns))


def image_of(columns, shape, window):
    """col2im: terms arrive in the order kernel row, kernel column, from 0 on."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = window.kernel, window.stride, window.pad, window.dilation
    channels, height, width = shape
    rows, wide = window.convolved((height, width))
    padded = np.zeros((channels, height + 2 * ph + kh * dh + sh, width + 2 * pw + kw * dw + sw), np.float32)
    taps = columns.reshape(channels, kh, kw, rows, wide)
    for y in range(kh):
        for x in range(kw):
            bottom, right = y * dh + (rows - 1) * sh + 1, x * dw + (wide - 1) * sw + 1
            padded[:, y * dh : bottom : sh, x * dw : right : sw] += taps[:, y, x]
    return padded[:, ph : ph + height, pw : pw + width]


def halves(array, groups):
    return np.split(array, groups)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_three_products(case, threads):
    images, channels, height, width, outputs, window, group, profile = CASES[case]
    random = np.random.default_rng(5)
    x = random.standard_normal((images, channels, height, width), np.float32)
    weight = random.standard_normal((outputs, channels // group, *window.kernel), np.float32)
    bias = random.standard_normal(outputs, np.float32)
    dy = random.standard_normal((images, outputs, *window.convolved((height, width))), np.float32)
    gradient = random.standard_normal(weight.shape, np.float32)
    y, dx, expected = np.empty_like(dy), np.empty_like(x), gradient.copy()
    rows = weight.reshape(outputs, -1)
    for n in range(images):
        for k in range(group):
            part, taken = slice(k * outputs // group, (k + 1) * outputs // group), halves(x[n], group)[k]
            columns, of_top = columns_of(taken, window), dy[n, part].reshape(outputs // group, -1)
            y[n, part] = gemm_by_elements(rows[part], columns, profile=profile).reshape(y[n, part].shape)
            back = gemm_by_elements(rows[part], of_top, transpose_a=True, profile=profile)
            halves(dx[n], group)[k][:] = image_of(back, taken.shape, window)
            onto = gemm_by_elements(of_top, columns, expected.reshape(outputs, -1)[part], False, True, profile)
            expected.reshape(outputs, -1)[part] = onto
    assert_same_bits(convolve(x, weight, None, window, group, profile, threads), y, "y")
    assert_same_bits(convolve(x, weight, bias, window, group, profile, threads), y + bias[:, None, None], "y with bias")
    actual = convolve_transposed(dy, weight, None, window, (height, width), group, profile, threads)
    assert_same_bits(actual, dx, "dx")
    add_weight_gradient(x, dy, gradient, window, group, profile, threads)
    assert_same_bits(gradient, expected, "weight gradient")


def test_wrong_shapes_are_refused():
    window = Window((3, 3))
    x, weight = np.zeros((1, 2, 5, 5), np.float32), np.zeros((4, 2, 3, 3), np.float32)
    with pytest.raises(ValueError, match=r"weight must be float32 of shape 4 x 2 x 3 x 3, not .* \(4, 1, 3, 3\)"):
        convolve(x, weight[:, :1], None, window)
    with pytest.raises(ValueError, match="bias must be float32 of shape 4"):
        convolve(x, weight, np.zeros(3, np.float32), window)
    with pytest.raises(ValueError, match=r"does not fit an image of \(2, 5\)"):
        convolve(x[:, :, :2], weight, None, window)
    with pytest.raises(ValueError, match="2 groups do not divide"):
        convolve(np.zeros((1, 3, 5, 5), np.float32), weight, None, window, group=2)
    with pytest.raises(ValueError, match=r"the output must have shape \(1, 4, 5, 5\)"):
        convolve_transposed(np.zeros((1, 4, 3, 3), np.float32), weight, None, window, (7, 7))
