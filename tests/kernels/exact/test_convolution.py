"""Convolution's three products against a column matrix written out in NumPy and the products' element functions."""

import numpy as np
import pytest

from cpm_kernels.exact import convolution
from cpm_kernels.exact.convolution import Geometry, add_weight_gradient, convolve, convolve_transposed
from cpm_kernels.exact.gemm import GEMM_PROFILES, gemm_by_elements
from tests.bits import assert_same_bits

THREADED = GEMM_PROFILES["openblas-0.3.21-threads"]
CASES = {
    "3x3": (2, 6, 13, 11, 5, Geometry((3, 3), pad=(1, 1))),
    "rectangular, stride": (2, 4, 14, 9, 6, Geometry((5, 3), stride=(2, 3), pad=(2, 0))),
    "groups, dilation": (1, 6, 15, 13, 8, Geometry((3, 3), pad=(2, 2), dilation=(2, 2), group=2)),
    "1x1": (3, 40, 7, 7, 9, Geometry((1, 1))),
    "1x1 with stride": (1, 5, 9, 8, 3, Geometry((1, 1), stride=(2, 2))),
    "large": (2, 30, 23, 22, 17, Geometry((5, 5), pad=(2, 2))),
    "threaded profile": (1, 30, 23, 22, 17, Geometry((5, 5), pad=(2, 2), profile=THREADED)),
    "wide": (1, 3, 40, 60, 130, Geometry((9, 9), pad=(4, 4))),
    "one pixel": (1, 2, 1, 1, 3, Geometry((3, 3), pad=(1, 1))),
}  # fmt: skip


@pytest.fixture(autouse=True)
def poisoned(monkeypatch):
    """Arrays that the library must fill start as NaN."""
    monkeypatch.setattr(convolution, "empty", lambda shape: np.full(shape, np.nan, np.float32))


def columns_of(image, geometry):
    """im2col of (C, H, W): (C · kernel rows · kernel columns, positions)."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = geometry.kernel, geometry.stride, geometry.pad, geometry.dilation
    rows, columns = geometry.size(image.shape[1:])
    padded = np.pad(image, ((0, 0), (ph, ph), (pw, pw)))
    taps = [
        padded[:, y * dh : y * dh + (rows - 1) * sh + 1 : sh, x * dw : x * dw + (columns - 1) * sw + 1 : sw]
        for y in range(kh)
        for x in range(kw)
    ]
    return np.ascontiguousarray(np.stack(taps, 1).reshape(len(image) * kh * kw, rows * columns))


def image_of(columns, shape, geometry):
    """col2im: terms arrive in the order kernel row, kernel column, from 0 on."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = geometry.kernel, geometry.stride, geometry.pad, geometry.dilation
    channels, height, width = shape
    rows, wide = geometry.size((height, width))
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
    images, channels, height, width, outputs, g = CASES[case]
    random = np.random.default_rng(5)
    x = random.standard_normal((images, channels, height, width), np.float32)
    weight = random.standard_normal((outputs, channels // g.group, *g.kernel), np.float32)
    bias = random.standard_normal(outputs, np.float32)
    dy = random.standard_normal((images, outputs, *g.size((height, width))), np.float32)
    gradient = random.standard_normal(weight.shape, np.float32)
    y, dx, expected = np.empty_like(dy), np.empty_like(x), gradient.copy()
    rows = weight.reshape(outputs, -1)
    for n in range(images):
        for k in range(g.group):
            part, taken = slice(k * outputs // g.group, (k + 1) * outputs // g.group), halves(x[n], g.group)[k]
            columns, of_top = columns_of(taken, g), dy[n, part].reshape(outputs // g.group, -1)
            y[n, part] = gemm_by_elements(rows[part], columns, profile=g.profile).reshape(y[n, part].shape)
            back = gemm_by_elements(rows[part], of_top, transpose_a=True, profile=g.profile)
            halves(dx[n], g.group)[k][:] = image_of(back, taken.shape, g)
            onto = gemm_by_elements(of_top, columns, expected.reshape(outputs, -1)[part], False, True, g.profile)
            expected.reshape(outputs, -1)[part] = onto
    assert_same_bits(convolve(x, weight, None, g, threads), y, "y")
    assert_same_bits(convolve(x, weight, bias, g, threads), y + bias[:, None, None], "y with bias")
    assert_same_bits(convolve_transposed(dy, weight, None, g, (height, width), threads), dx, "dx")
    add_weight_gradient(x, dy, g, gradient, threads)
    assert_same_bits(gradient, expected, "weight gradient")


def test_wrong_shapes_are_refused():
    g = Geometry((3, 3))
    x, weight = np.zeros((1, 2, 5, 5), np.float32), np.zeros((4, 2, 3, 3), np.float32)
    with pytest.raises(ValueError, match=r"weight must be float32 of shape 4 x 2 x 3 x 3, not .* \(4, 1, 3, 3\)"):
        convolve(x, weight[:, :1], None, g)
    with pytest.raises(ValueError, match="bias must be float32 of shape 4"):
        convolve(x, weight, np.zeros(3, np.float32), g)
    with pytest.raises(ValueError, match=r"does not fit an image of \(2, 5\)"):
        convolve(x[:, :, :2], weight, None, g)
    with pytest.raises(ValueError, match="2 groups do not divide"):
        convolve(np.zeros((1, 3, 5, 5), np.float32), weight, None, Geometry((3, 3), group=2))
    with pytest.raises(ValueError, match=r"the output must have shape \(1, 4, 5, 5\)"):
        convolve_transposed(np.zeros((1, 4, 3, 3), np.float32), weight, None, g, (7, 7))
