"""The weight's gradient, taken directly, against sums in float64: all windows, groups, CPUs and numbers of threads."""

import numpy as np
import pytest

from cpm_kernels.exact.gemm import best_version
from cpm_kernels.training import weight_gradient as direct
from cpm_kernels.training.weight_gradient import weight_gradient
from cpm_kernels.window import Window
from tests.bits import assert_same_bits

CASES = {
    "3 x 3": (Window((3, 3), pad=(1, 1)), 2, 7, 13, (11, 14), 1),
    "strides": (Window((5, 3), (2, 3), (2, 1)), 3, 50, 70, (17, 23), 1),
    "dilation": (Window((3, 3), (1, 2), (4, 2), (4, 2)), 2, 6, 9, (9, 12), 1),
    "three channels": (Window((9, 9), pad=(4, 4)), 1, 3, 66, (20, 19), 1),
    "one tap": (Window((1, 1)), 5, 37, 53, (6, 7), 1),
    "one tap, a stride": (Window((1, 1), (2, 2)), 2, 9, 17, (7, 9), 1),
    "one place": (Window((1, 1)), 3, 300, 210, (1, 1), 1),
    "many blocks": (Window((1, 1)), 2, 500, 520, (3, 3), 1),
    "groups": (Window((3, 3), pad=(1, 1)), 2, 12, 20, (8, 9), 4),
    "a group a channel": (Window((3, 3), (2, 1), (1, 1)), 2, 69, 69, (8, 9), 69),
    "two outputs a channel": (Window((3, 3)), 2, 5, 10, (8, 9), 5),
    "a kernel beyond the image": (Window((7, 7), pad=(6, 6)), 1, 4, 5, (2, 3), 1),
}


def arrays(case):
    window, images, channels, outputs, size, group = CASES[case]
    random = np.random.default_rng(len(case))
    x = random.standard_normal((images, *size, channels), np.float32)
    return x, random.standard_normal((images, *window.convolved(size), outputs), np.float32), window, group


def expected(x, dy, window, group):
    """In float64, tap by tap."""
    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.stride, window.dilation
    pad = [(0, 0), *((p, p) for p in window.pad), (0, 0)]
    x, (rows, columns) = np.pad(x, pad).astype(np.float64), dy.shape[1:3]
    within, of_group = x.shape[3] // group, dy.shape[3] // group
    made = np.zeros((dy.shape[3], within, kh, kw))
    for row, column, g in np.ndindex(kh, kw, group):
        seen = x[:, row * dh :, column * dw :, g * within : (g + 1) * within][:, ::sh, ::sw][:, :rows, :columns]
        outputs = slice(g * of_group, (g + 1) * of_group)
        made[outputs, :, row, column] = np.einsum("nhwc,nhwo->oc", seen, dy[..., outputs])
    return made


@pytest.fixture(autouse=True)
def poisoned(monkeypatch):
    monkeypatch.setattr(direct, "empty", lambda shape: np.full(shape, np.nan, np.float32))


@pytest.mark.parametrize("version", range(best_version() + 1))
@pytest.mark.parametrize("case", CASES)
def test_against_float64(case, version, monkeypatch):
    monkeypatch.setattr(direct, "best_version", lambda: version)
    x, dy, window, group = arrays(case)
    right = expected(x, dy, window, group)
    found = weight_gradient(x, dy, window, group, threads=2)
    assert found.shape == right.shape and np.abs(found - right).max() <= 3e-6 * np.abs(right).max()


@pytest.mark.parametrize("case", CASES)
def test_threads_do_not_show(case):
    x, dy, window, group = arrays(case)
    one = weight_gradient(x, dy, window, group, threads=1)
    for threads in (2, 3, 7):
        assert_same_bits(weight_gradient(x, dy, window, group, threads=threads), one, f"{threads} threads")


def test_shapes_have_to_fit():
    x, dy, window, _ = arrays("3 x 3")
    with pytest.raises(ValueError, match="the output must have shape"):
        weight_gradient(x, dy[:, 1:], window)
    with pytest.raises(ValueError, match="groups do not divide"):
        weight_gradient(x, dy, window, group=2)
