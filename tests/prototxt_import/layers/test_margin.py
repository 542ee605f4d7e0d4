"""SphereFace's inner product and the centre loss beside what their authors' loops compute."""

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from tests.prototxt_import.single_layer import single_layer

ENGINES = ["fast", "exact", "plain"]


def margin(kind: str, angle: float) -> float:
    """(−1)^k cos(m θ) − 2 k for θ from k π / m to (k + 1) π / m."""
    m = {"DOUBLE": 2, "TRIPLE": 3, "QUADRUPLE": 4}[kind]
    k = min(int(angle * m / np.pi), m - 1)
    return (-1) ** k * np.cos(m * angle) - 2 * k


def sphere(x: np.ndarray, w: np.ndarray, labels: np.ndarray, kind: str, weight: float) -> np.ndarray:
    y = x @ w.T
    for i, label in enumerate(labels if kind != "SINGLE" else ()):
        length = np.linalg.norm(x[i])
        angle = np.arccos(np.clip(y[i, label] / length / np.linalg.norm(w[label]), -1, 1))
        y[i, label] = (length * margin(kind, angle) + weight * y[i, label]) / (1 + weight)
    return y


@pytest.mark.parametrize("kind", ["SINGLE", "DOUBLE", "TRIPLE", "QUADRUPLE"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_margin_product(engine, kind):
    more = f"""margin_inner_product_param {{ num_output: 7 type: {kind} weight_filler {{ type: "xavier" }} base: 100
    gamma: 0.5 power: 2 lambda_min: 5 iteration: 3 }}"""
    net = single_layer("MarginInnerProduct", {"x": (11, 2, 3), "y": (11,)}, more, engine, ("t", "lambda"), 1, "TRAIN")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((11, 2, 3)).astype(np.float32)
    labels = rng.integers(0, 7, 11)
    w = net.layer("l").weight.detach().double().numpy()
    w = w / np.linalg.norm(w, axis=1, keepdims=True)
    for passes in (4, 5, 6):
        blobs = {"x": torch.from_numpy(x).requires_grad_(), "y": torch.from_numpy(labels.astype(np.float32))}
        made = net(blobs)
        weight = max(100 * (1 + 0.5 * passes) ** -2, 5)
        assert float(made["lambda"]) == pytest.approx(weight)
        wanted = sphere(x.reshape(11, 6).astype(float), w, labels, kind, weight)
        np.testing.assert_allclose(made["t"].detach().numpy(), wanted, rtol=0, atol=2e-5)
    np.testing.assert_allclose(net.layer("l").weight.detach().numpy(), w, rtol=0, atol=1e-6)
    dy = rng.standard_normal((11, 7)).astype(np.float32)
    (made["t"] * torch.from_numpy(dy)).sum().backward()
    np.testing.assert_allclose(net.layer("l").weight.grad.numpy(), dy.T @ x.reshape(11, 6), rtol=0, atol=2e-5)
    found = blobs["x"].grad.reshape(11, 6).numpy()
    np.testing.assert_allclose(found, slope_of_sphere(x.reshape(11, 6), w, labels, dy, kind, weight), rtol=0, atol=5e-5)


def slope_of_sphere(x, w, labels, dy, kind, weight):
    """The true slope, but the factors of w and x in the label's own term have length 1."""
    slope = dy.astype(float) @ w
    for i, label in enumerate(labels if kind != "SINGLE" else ()):
        length, step = np.linalg.norm(x[i]), 1e-6
        c = x[i] @ w[label] / length
        of_cosine = (margin(kind, np.arccos(c + step)) - margin(kind, np.arccos(c - step))) / (2 * step)
        of_row, of_x = of_cosine, (margin(kind, np.arccos(c)) - c * of_cosine) / length
        norm = np.hypot(of_row, of_x)
        own = (of_row * w[label] + of_x * x[i]) / norm
        slope[i] += dy[i, label] * ((own + weight * w[label]) / (1 + weight) - w[label])
    return slope


@pytest.mark.parametrize("kind", ["SINGLE", "DOUBLE", "TRIPLE", "QUADRUPLE"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_large_margin_product(engine, kind):
    more = f"""largemargin_inner_product_param {{ num_output: 5 type: {kind} weight_filler {{ type: "xavier" }} base: 9
    gamma: 1 lambda_min: 2 }}"""
    net = single_layer("LargeMarginInnerProduct", {"x": (6, 4), "y": (6,)}, more, engine, ("t", "lambda"), 1, "TRAIN")
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((6, 4)).astype(np.float32), rng.integers(0, 5, 6)
    blobs = {"x": torch.from_numpy(x).requires_grad_(), "y": torch.from_numpy(labels.astype(np.float32))}
    made = net(blobs)
    assert made["lambda"].item() == 4.5
    dy = rng.standard_normal((6, 5))
    (made["t"] * torch.from_numpy(dy.astype(np.float32))).sum().backward()
    values = {"x": x.astype(float), "w": net.layer("l").weight.detach().double().numpy()}

    def top() -> np.ndarray:
        y = values["x"] @ values["w"].T
        for i, label in enumerate(labels if kind != "SINGLE" else ()):
            lengths = np.linalg.norm(values["x"][i]) * np.linalg.norm(values["w"][label])
            y[i, label] = (lengths * margin(kind, np.arccos(y[i, label] / lengths)) + 4.5 * y[i, label]) / 5.5
        return y

    np.testing.assert_allclose(made["t"].detach().numpy(), top(), rtol=0, atol=2e-5)
    for name, gradient in (("x", blobs["x"].grad), ("w", net.layer("l").weight.grad)):
        for place in np.ndindex(values[name].shape):
            before, ends = values[name][place], []
            for step in (1e-6, -1e-6):
                values[name][place] = before + step
                ends.append((top() * dy).sum())
            values[name][place] = before
            assert abs((ends[0] - ends[1]) / 2e-6 - gradient[place].item()) < 2e-4


@pytest.mark.parametrize("engine", ENGINES)
def test_the_centre_loss(engine):
    more = 'loss_weight: 0.5 center_loss_param { num_output: 5 center_filler { type: "xavier" } }'
    net = single_layer("CenterLoss", {"x": (9, 4), "y": (9, 1, 1, 1)}, more, engine, seed=2, phase="TRAIN")
    rng = np.random.default_rng(1)
    x, labels = rng.standard_normal((9, 4)).astype(np.float32), rng.integers(0, 4, 9)
    blobs = {
        "x": torch.from_numpy(x).requires_grad_(),
        "y": torch.from_numpy(labels.astype(np.float32))[:, None, None, None],
    }
    made = net(blobs)
    c = net.layer("l").centers.detach().double().numpy()
    d = x - c[labels]
    assert made["t"].item() == pytest.approx((d**2).sum() / 9 / 2, rel=1e-5)
    net.loss(made).backward()
    np.testing.assert_allclose(blobs["x"].grad.numpy(), 0.5 * d / 9, rtol=0, atol=1e-6)
    wanted = np.zeros_like(c)
    for label in range(5):
        wanted[label] = -d[labels == label].sum(0) / (1 + (labels == label).sum())
    np.testing.assert_allclose(net.layer("l").centers.grad.numpy(), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_label_beyond_the_classes_is_refused(engine):
    net = single_layer("CenterLoss", {"x": (2, 3), "y": (2,)}, "center_loss_param { num_output: 4 }", engine, seed=1)
    with pytest.raises(InputError, match="labels from 0 to 3, found 4"):
        net({"x": torch.ones(2, 3), "y": torch.tensor([0.0, 4.0])})
    with pytest.raises(InputError, match="expected 2 labels"):
        single_layer("CenterLoss", {"x": (2, 3), "y": (3,)}, "center_loss_param { num_output: 4 }", engine)
    with pytest.raises(InputError, match="expected a center_loss_param with num_output"):
        single_layer("CenterLoss", {"x": (2, 3), "y": (2,)}, "", engine)
