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
