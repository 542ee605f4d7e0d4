"""The spatial transformer beside loops over pixels, and its slopes."""

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from tests.prototxt_import.single_layer import single_layer

ENGINES = ["fast", "exact", "plain"]


def transformed(maps: np.ndarray, theta: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    n, channels, height, width = maps.shape
    top = np.zeros((n, channels, *size))
    for image, s, t in np.ndindex(n, *size):
        x, y = theta[image].reshape(2, 3) @ [s / size[0] * 2 - 1, t / size[1] * 2 - 1, 1]
        x, y = (x + 1) / 2 * height, (y + 1) / 2 * width
        for m in (int(np.floor(x)), int(np.floor(x)) + 1):
            for n_ in (int(np.floor(y)), int(np.floor(y)) + 1):
                if 0 <= m < height and 0 <= n_ < width:
                    top[image, :, s, t] += max(0, 1 - abs(x - m)) * max(0, 1 - abs(y - n_)) * maps[image, :, m, n_]
    return top


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", [(), (4, 11)])
def test_maps_and_slopes(engine, size):
    rng = np.random.default_rng(0)
    maps = rng.standard_normal((2, 3, 7, 5)).astype(np.float32)
    theta = (rng.standard_normal((2, 6)) * 0.4 + [1, 0, 0, 0, 1, 0]).astype(np.float32)  # no place is on a pixel
    more = f"st_param {{ output_H: {size[0]} output_W: {size[1]} }}" if size else ""
    net = single_layer("SpatialTransformer", {"u": maps.shape, "theta": (2, 6)}, more, engine)
    blobs = {"u": torch.from_numpy(maps).requires_grad_(), "theta": torch.from_numpy(theta).requires_grad_()}
    made = net(blobs)["t"]
    size = size or (7, 5)
    wanted = transformed(maps.astype(float), theta.astype(float), size)
    np.testing.assert_allclose(made.detach().numpy(), wanted, rtol=0, atol=1e-5)
    top = rng.standard_normal(made.shape).astype(np.float32)
    (made * torch.from_numpy(top)).sum().backward()
    for name, values in (("u", maps.astype(float)), ("theta", theta.astype(float))):
        for _ in range(8):
            place = tuple(int(rng.integers(n)) for n in values.shape)
            before, ends = values[place], []
            for step in (1e-6, -1e-6):
                values[place] = before + step
                both = (values, theta.astype(float)) if name == "u" else (maps.astype(float), values)
                ends.append((transformed(*both, size) * top).sum())
            values[place] = before
            assert abs((ends[0] - ends[1]) / 2e-6 - blobs[name].grad[place].item()) < 5e-3


@pytest.mark.parametrize("engine", ENGINES)
def test_the_identity_and_its_slope(engine):
    """On a pixel its own Caffe's slope by the place is that pixel's value, for the one behind it weighs nothing."""
    maps = torch.arange(24.0).reshape(1, 1, 4, 6)
    more = "st_param { theta_1_1: 1 theta_1_2: 0 theta_2_1: 0 theta_2_2: 1 to_compute_dU: false }"
    net = single_layer("SpatialTransformer", {"u": (1, 1, 4, 6), "theta": (1, 2)}, more, engine)
    blobs = {"u": maps.requires_grad_(), "theta": torch.zeros(1, 2, requires_grad=True)}
    made = net(blobs)["t"]
    torch.testing.assert_close(made, maps, rtol=0, atol=1e-6)
    made[0, 0, 2, 4].backward()
    assert blobs["u"].grad is None
    torch.testing.assert_close(blobs["theta"].grad, torch.tensor([[16 * 4 / 2, 16 * 6 / 2]]), rtol=1e-5, atol=0)


def test_what_is_wrong_is_said():
    with pytest.raises(InputError, match="expected 5 values of theta for each of 2 images"):
        single_layer("SpatialTransformer", {"u": (2, 1, 3, 3), "theta": (2, 6)}, "st_param { theta_1_3: 0 }")
    with pytest.raises(InputError, match="expected transform_type affine, found 'tps'"):
        single_layer("SpatialTransformer", {"u": (2, 1, 3, 3), "theta": (2, 6)}, 'st_param { transform_type: "tps" }')
