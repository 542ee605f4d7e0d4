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


@pytest.mark.parametrize("engine", ["fast", "exact", "plain"])
@pytest.mark.parametrize(
    "param",
    [
        None,
        "",
        "plateau: 0.4",
        "normalize_by_num_entries: true",
        "l2_per_location: true",
        "l2_per_location: true l2_prescale_by_channels: true epsilon: 0.3 plateau: 0.5 normalize_by_num_entries: true",
    ],
)
def test_l1_loss(engine, param):
    shape, rng = (2, 3, 5, 7), np.random.default_rng(4)
    x, y = (rng.standard_normal(shape).astype(np.float32) for _ in "xy")
    y[:, :, 1, 2:5] = np.nan
    x[1, :, 3, 3] = y[1, :, 3, 3]
    more = "" if param is None else f"l1_loss_param {{ {param} }}"
    net = single_layer("L1Loss", dict.fromkeys(("x", "y"), shape), more, engine)
    blobs = {"x": torch.from_numpy(x).requires_grad_(), "y": torch.from_numpy(y)}
    made = net(blobs)["t"]
    made.backward()
    d, p = np.where(np.isnan(y), 0, x.astype(float) - y), param or ""
    entries = (~np.isnan(y)).sum() / 3 if "num_entries" in p else 2
    if "l2_per" in p:
        share, epsilon, plateau = (1 / 3, 0.3, 0.5) if "prescale" in p else (1, 0.01, 0)
        squares = (d**2).sum(1, keepdims=True) * share
        root = np.sqrt(np.where(squares < plateau**2, 0, squares) + epsilon)
        wanted, slope = root.sum(), np.where(squares < plateau**2, 0, d * share / root)
    else:
        at_0 = -1 if param is not None else 0
        sign = np.where(np.isnan(y), 0, np.where(d > 0, 1, np.where(d < 0, -1, at_0)))
        sign = np.where(abs(d) < (0.4 if "plateau" in p else 0), 0, sign)
        wanted, slope = (d * sign).sum(), sign
    assert made.item() == pytest.approx(wanted / entries, rel=1e-5)
    np.testing.assert_allclose(blobs["x"].grad.numpy(), slope / entries, rtol=0, atol=1e-6)


def test_l1_loss_of_one_bottom():
    net = single_layer("L1Loss", {"x": (2, 3)}, "l1_loss_param { l2_per_location: false }")
    assert float(net({"x": torch.tensor([[1.0, -2, 3], [0, float("nan"), 4]])})["t"]) == 5
