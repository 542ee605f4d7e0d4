"""ContrastiveLoss: both engines against plain NumPy, gradients by finite differences."""

import numpy as np
import pytest
import torch

from tests.prototxt_import.numeric_gradient import numeric_gradient
from tests.prototxt_import.single_layer import single_layer


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize("legacy", [False, True])
def test_contrastive_loss(engine, legacy):
    random = np.random.default_rng(1)
    x, y = (random.standard_normal((8, 3, 1, 1)).astype(np.float32) for _ in range(2))
    similar = np.array([0, 1] * 4, np.float32)
    shapes = {"x": x.shape, "y": y.shape, "s": (8, 1, 1, 1)}
    more = f"contrastive_loss_param {{ margin: 3 legacy_version: {str(legacy).lower()} }}"
    net = single_layer("ContrastiveLoss", shapes, more, engine)

    def reference(x):
        squares = ((x - y) ** 2).reshape(8, 3).sum(1)
        apart = np.maximum(3 - squares, 0) if legacy else np.maximum(3 - np.sqrt(squares), 0) ** 2
        return np.where(similar, squares, apart).sum() / 8 / 2

    a, b = torch.from_numpy(x).requires_grad_(), torch.from_numpy(y).requires_grad_()
    loss = net({"x": a, "y": b, "s": torch.from_numpy(similar).reshape(8, 1, 1, 1)})["t"]
    loss.backward()
    assert float(loss.detach()) == pytest.approx(reference(x.astype(np.float64)), rel=1e-5)
    wanted = numeric_gradient(reference, x)
    np.testing.assert_allclose(a.grad.numpy(), wanted, rtol=0, atol=2e-4 * np.abs(wanted).max())  # of d + 1e-4
    np.testing.assert_allclose(b.grad.numpy(), -wanted, rtol=0, atol=2e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize("weights", [0, 1, 2])
def test_smooth_l1_loss(engine, weights):
    random = np.random.default_rng(2)
    x, y, within, without = (random.standard_normal((4, 6)).astype(np.float32) for _ in range(4))
    blobs = dict(zip("xyio", (x, y, within, without)[: 2 + weights], strict=False))
    more = "smooth_l1_loss_param { sigma: 1.5 }"
    net = single_layer("SmoothL1Loss", dict.fromkeys(blobs, (4, 6)), more, engine)

    def reference(x):
        d = (x - y) * (within if weights else 1)
        terms = np.where(np.abs(d) < 1 / 1.5**2, (1.5 * d) ** 2 / 2, np.abs(d) - 0.5 / 1.5**2)
        return (terms * (without if weights == 2 else 1)).sum() / 4

    inputs = {name: torch.from_numpy(blob).requires_grad_() for name, blob in blobs.items()}
    loss = net(inputs)["t"]
    loss.backward()
    assert float(loss.detach()) == pytest.approx(reference(x.astype(np.float64)), rel=1e-5)
    wanted = numeric_gradient(reference, x)
    np.testing.assert_allclose(inputs["x"].grad.numpy(), wanted, rtol=0, atol=1e-5)
    np.testing.assert_allclose(inputs["y"].grad.numpy(), -wanted, rtol=0, atol=1e-5)
    assert weights == 0 or inputs["i"].grad is None


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_the_loss_in_python_of_caffes_example(engine):
    param = 'python_param { module: "pyloss" layer: "EuclideanLossLayer" } loss_weight: 1'
    random = np.random.default_rng(3)
    x, y = (random.standard_normal((4, 5)).astype(np.float32) for _ in range(2))
    a, b = torch.from_numpy(x).requires_grad_(), torch.from_numpy(y).requires_grad_()
    loss = single_layer("Python", {"x": x.shape, "y": y.shape}, param, engine)({"x": a, "y": b})["t"]
    loss.sum().backward()
    np.testing.assert_allclose(loss.detach(), [((x - y) ** 2).sum() / 4 / 2], rtol=1e-6)
    np.testing.assert_allclose(a.grad, (x - y) / 4, rtol=1e-6)
    np.testing.assert_allclose(b.grad, (y - x) / 4, rtol=1e-6)
