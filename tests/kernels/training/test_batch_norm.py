"""Batch normalisation and its gradient against float64: odd sizes, all CPUs, any number of threads."""

import numpy as np
import pytest

from cpm_kernels.exact.gemm import best_version
from cpm_kernels.training import batch_norm as module
from cpm_kernels.training.batch_norm import batch_norm, batch_norm_gradient
from tests.bits import assert_same_bits

SHAPES = [(2, 1), (3, 17), (64, 5), (65, 33), (1001, 64), (9000, 3)]


def arrays(shape):
    random = np.random.default_rng(shape)
    x = random.standard_normal(shape, np.float32) * 3 + random.standard_normal(shape[1], np.float32) * 20
    return x, random.standard_normal(shape, np.float32)


@pytest.fixture(autouse=True)
def poisoned(monkeypatch):
    monkeypatch.setattr(module, "empty", lambda shape: np.full(shape, np.nan, np.float32))


@pytest.mark.parametrize("version", range(best_version() + 1))
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_against_float64(shape, version, monkeypatch):
    monkeypatch.setattr(module, "best_version", lambda: version)
    x, dy = arrays(shape)
    y, mean, variance, scale = batch_norm(x, 1e-2, threads=2)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(mean, wide.mean(0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(variance, wide.var(0), rtol=1e-4)
    right = (wide - wide.mean(0)) / np.sqrt(wide.var(0) + 1e-2)
    np.testing.assert_allclose(y, right, atol=2e-5)
    right_dx = (dy - dy.mean(0) - right * (dy * right).mean(0)) / np.sqrt(wide.var(0) + 1e-2)
    np.testing.assert_allclose(
        batch_norm_gradient(dy, y, scale, threads=2), right_dx, atol=2e-5 * np.abs(right_dx).max() + 1e-6
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_threads_do_not_show(shape):
    x, dy = arrays(shape)
    one = batch_norm(x, 1e-5, threads=1)
    dx = batch_norm_gradient(dy, one[0], one[3], threads=1)
    for threads in (2, 3, 7):
        for name, found, right in zip(
            ("y", "mean", "variance", "scale"), batch_norm(x, 1e-5, threads), one, strict=True
        ):
            assert_same_bits(found, right, f"{name}, {threads} threads")
        assert_same_bits(batch_norm_gradient(dy, one[0], one[3], threads), dx, f"dx, {threads} threads")


def test_shapes_have_to_fit():
    x, dy = arrays((6, 4))
    y, _, _, scale = batch_norm(x, 1e-5)
    with pytest.raises(ValueError, match="y must be float32 of shape 6 x 4"):
        batch_norm_gradient(dy, y[:5], scale)
