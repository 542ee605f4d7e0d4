"""CRF-RNN's layer beside a NumPy version whose lattice is made corner by corner, in a dict."""

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.prototxt_import.single_layer import single_layer

CRF = (
    "multi_stage_meanfield_param {{ num_iterations: {} compatibility_mode: POTTS threshold: 2 theta_alpha: 5 "
    "theta_beta: 3 theta_gamma: 2 {} }}"
)
WEIGHTS = 'spatial_filter_weights_str: "3 2 1" bilateral_filter_weights_str: "5 4 6 9"'


class Corners:
    """The lattice of Adams et al., point by point."""

    def __init__(self, points: np.ndarray) -> None:
        self.axes = points.shape[1]
        self.shares = [self._simplex(point) for point in points]
        self.keys = sorted({key for shares in self.shares for key, _ in shares})

    def _simplex(self, point: np.ndarray) -> list[tuple[tuple[int, ...], float]]:
        d = self.axes
        cf = [point[i] * np.sqrt(2 / 3) * (d + 1) / np.sqrt((i + 1) * (i + 2)) for i in range(d)]
        y = [sum(cf)] + [sum(cf[j:]) - j * cf[j - 1] for j in range(1, d + 1)]
        base = [int(np.round(v / (d + 1))) * (d + 1) for v in y]
        order = sorted(range(d + 1), key=lambda i: (-(y[i] - base[i]), i))
        excess = sum(base) // (d + 1)
        for i in order[d + 1 - excess :] if excess > 0 else order[:-excess]:
            base[i] += -(d + 1) if excess > 0 else d + 1
        order = sorted(range(d + 1), key=lambda i: (-(y[i] - base[i]), i))
        rest = [(y[i] - base[i]) / (d + 1) for i in order]
        shares = []
        for remainder in range(d + 1):
            lowest = order[d + 1 - remainder :]
            key = tuple(k + remainder - (d + 1) * (i in lowest) for i, k in enumerate(base))
            weight = rest[d - remainder] - rest[d - remainder + 1] if remainder else 1 + rest[d] - rest[0]
            shares.append((key, weight))
        return shares

    def filter(self, values: np.ndarray) -> np.ndarray:
        at = {key: np.zeros(values.shape[1]) for key in self.keys}
        for value, shares in zip(values, self.shares, strict=True):
            for key, weight in shares:
                at[key] = at[key] + weight * value
        for axis in range(self.axes + 1):
            at = {key: self._blurred(at, key, axis) for key in self.keys}
        gathered = [sum(weight * at[key] for key, weight in shares) for shares in self.shares]
        return np.array(gathered) / (1 + 2.0**-self.axes)

    def _blurred(self, at: dict, key: tuple[int, ...], axis: int) -> np.ndarray:
        step = [-1] * (self.axes + 1)
        step[axis] = self.axes
        sides = [at.get(tuple(k + sign * s for k, s in zip(key, step, strict=True)), 0) for sign in (1, -1)]
        return at[key] + 0.5 * (sides[0] + sides[1])


def meanfield(scores, first, image, weights, iterations):
    """(C, H, W), (C, H, W), (3, H, W) -> (C, H, W) in float64."""
    classes, height, width = scores.shape
    y, x = np.mgrid[:height, :width]
    places = np.stack([x.ravel(), y.ravel()], 1).astype(float)
    filters = [Corners(places / 2), Corners(np.concatenate([places / 5, image.reshape(3, -1).T / 3], 1))]
    norms = [1 / lattice.filter(np.ones((height * width, 1))) for lattice in filters]
    unary, refined = (values.reshape(classes, -1).T.astype(float) for values in (scores, first))
    for _ in range(iterations):
        e = np.exp(refined - refined.max(1, keepdims=True))
        beliefs = e / e.sum(1, keepdims=True)
        filtered = [lattice.filter(beliefs) * norm for lattice, norm in zip(filters, norms, strict=True)]
        messages = filtered[0] @ weights[0].T + filtered[1] @ weights[1].T
        refined = unary - messages @ weights[2].T
    return refined.T.reshape(scores.shape)


def inputs(height: int, width: int, images: int = 2) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(height)
    scores = rng.standard_normal((images, 3, height, width)).astype(np.float32)
    first = rng.standard_normal((images, 3, height, width)).astype(np.float32)
    image = (rng.random((images, 3, height, width)) * 20).astype(np.float32)
    return {"a": torch.from_numpy(scores), "b": torch.from_numpy(first), "c": torch.from_numpy(image)}


@pytest.mark.parametrize("engine", ["fast", "exact", "plain"])
def test_the_mean_field(engine):
    x = inputs(7, 9)
    net = single_layer(
        "MultiStageMeanfield", {k: v.shape for k, v in x.items()}, CRF.format(3, WEIGHTS), engine, seed=1
    )
    layer = net.layer("l")
    assert [layer.spatial[0, 0].diag().tolist(), layer.bilateral[0, 0].diag().tolist()] == [[3, 2, 1], [5, 4, 6]]
    assert torch.equal(layer.compatibility[0, 0], -torch.eye(3))
    rng = np.random.default_rng(5)
    with torch.no_grad():
        for name in layer.blob_names:
            blob = getattr(layer, name)
            blob += torch.from_numpy(rng.standard_normal(blob.shape).astype(np.float32))
    weights = [getattr(layer, name)[0, 0].detach().double().numpy() for name in layer.blob_names]
    found = net(x)["t"].detach().numpy()
    for n in range(2):
        wanted = meanfield(*(x[k][n].numpy() for k in "abc"), weights, 3)
        np.testing.assert_allclose(found[n], wanted, rtol=0, atol=2e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("engine", ["fast", "exact", "plain"])
def test_its_gradients(engine):
    x = inputs(5, 4, 1)
    more = CRF.format(2, "spatial_filter_weight: 0.3 bilateral_filter_weight: 0.5")
    net = single_layer("MultiStageMeanfield", {k: v.shape for k, v in x.items()}, more, engine, seed=1, phase="TRAIN")
    layer, top = net.layer("l"), np.random.default_rng(2).standard_normal((1, 3, 5, 4)).astype(np.float32)
    for k in "ab":
        x[k].requires_grad_()
    (net(x)["t"] * torch.from_numpy(top)).sum().backward()
    values = {k: v.detach().numpy()[0].astype(float) for k, v in x.items()}
    weights = [getattr(layer, name)[0, 0].detach().double().numpy() for name in layer.blob_names]

    def loss() -> float:
        return float((meanfield(values["a"], values["b"], values["c"], weights, 2) * top[0]).sum())

    rng = np.random.default_rng(3)
    found = [(values[k], x[k].grad[0]) for k in "ab"]
    found += [(w, getattr(layer, name).grad[0, 0]) for w, name in zip(weights, layer.blob_names, strict=True)]
    for array, gradient in found:
        for _ in range(4):
            place = tuple(int(rng.integers(n)) for n in array.shape)
            before, ends = array[place], []
            for step in (1e-5, -1e-5):
                array[place] = before + step
                ends.append(loss())
            array[place] = before
            assert abs((ends[0] - ends[1]) / 2e-5 - float(gradient[place])) < 2e-4


def test_v1s_form_is_the_same_layer():
    text = """input: "data" input_dim: 1 input_dim: 3 input_dim: 6 input_dim: 5
    layers { name: "u" type: CONVOLUTION bottom: "data" top: "u" convolution_param { num_output: 2 kernel_size: 1 } }
    layers { name: "split" type: SPLIT bottom: "u" top: "unary" top: "Q0" }
    layers { name: "crf" type: MULTI_STAGE_MEANFIELD bottom: "unary" bottom: "Q0" bottom: "data" top: "pred" blobs_lr: 1
    multi_stage_meanfield_param { num_iterations: 5 compatibility_mode: POTTS threshold: 2 theta_alpha: 160
    theta_beta: 3 theta_gamma: 3 spatial_filter_weight: 3 bilateral_filter_weight: 5 } }"""
    net = Net(parse_net(text, "net"), seed=1)
    assert net.layer("crf").bilateral[0, 0].tolist() == [[5, 0], [0, 5]]
    assert net({"data": torch.rand(1, 3, 6, 5)})["pred"].shape == (1, 2, 6, 5)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (CRF.format(1, WEIGHTS), "expected num_iterations above 1, found 1"),
        (CRF.format(2, WEIGHTS.replace("3 2 1", "3 2")), "3 numbers in spatial_filter_weights_str, found '3 2'"),
        (CRF.format(2, WEIGHTS.replace("3 2 1", "3 2 x")), "expected 3 numbers in spatial_filter_weights_str"),
        (CRF.format(2, ""), "expected either spatial_filter_weight or spatial_filter_weights_str, found neither"),
        (CRF.format(2, WEIGHTS + " spatial_filter_weight: 3"), "found both"),
        (CRF.format(2, WEIGHTS).replace("theta_beta: 3", ""), "expected a theta_beta above 0, found 0"),
    ],
)
def test_what_is_wrong_is_said(more, message):
    shapes = {"a": (1, 3, 4, 5), "b": (1, 3, 4, 5), "c": (1, 3, 4, 5)}
    with pytest.raises(InputError, match=message):
        single_layer("MultiStageMeanfield", shapes, more)
