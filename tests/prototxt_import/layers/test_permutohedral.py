"""The lattice's filter beside Gaussian filters summed directly, and its transpose."""

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.layers.permutohedral import Lattice, simplices


def features(count: int, axes: int, spread: float = 4.0, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy((np.random.default_rng(seed).random((count, axes)) * spread).astype(np.float32))


@pytest.mark.parametrize("axes", [1, 2, 3, 5])
def test_a_point_is_the_mean_of_its_simplex_corners(axes):
    points = features(97, axes, 30) - 15
    corners, weights = simplices(points)
    assert weights.min() > -1e-5
    torch.testing.assert_close(weights.sum(1), torch.ones(97), rtol=0, atol=1e-5)
    whole = torch.cat([corners, -corners.sum(2, keepdim=True)], 2)
    remainders = whole.remainder(axes + 1)
    assert (remainders == remainders[:, :, :1]).all()
    assert (remainders[:, :, 0] == torch.arange(axes + 1)).all()
    scale = np.sqrt(2 / 3) * (axes + 1) / np.sqrt(np.arange(1, axes + 1) * np.arange(2, axes + 2))
    scaled = points.double().numpy() * scale
    behind = scaled[:, ::-1].cumsum(1)[:, ::-1] - scaled
    lifted = np.concatenate([scaled.sum(1, keepdims=True), behind - scaled * np.arange(1, axes + 1)], 1)
    np.testing.assert_allclose((weights[:, :, None] * whole).sum(1).numpy(), lifted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("axes", [2, 3])
def test_a_dense_cloud_is_filtered_like_by_a_gaussian(axes):
    points = features(4000, axes)
    values = torch.from_numpy(np.random.default_rng(1).random((4000, 2)).astype(np.float32)) + points[:, :1]
    lattice = Lattice(points, "points")
    found = lattice.filter(values) / lattice.filter(torch.ones(4000, 1))
    gauss = torch.exp(-0.5 * torch.cdist(points.double(), points.double()) ** 2)
    wanted = gauss @ values.double() / gauss.sum(1, keepdim=True)
    inside = ((points > 0.5) & (points < 3.5)).all(1)
    assert (found - wanted)[inside].abs().max() < 0.25  # of 5.5, of means over the whole cloud
    assert (found - wanted)[inside].abs().mean() < 0.04


@pytest.mark.parametrize("axes", [2, 5])
def test_backwards_is_the_transpose(axes):
    points = features(31, axes, 9)
    lattice = Lattice(points, "points")
    one = torch.eye(31)
    forwards, backwards = lattice.compute(one), lattice.compute(one, backwards=True)
    torch.testing.assert_close(backwards, forwards.T, rtol=0, atol=1e-6)
    x = features(31, 3, seed=4).requires_grad_()
    weights = features(31, 3, seed=5)
    (lattice.filter(x) * weights).sum().backward()
    torch.testing.assert_close(x.grad, forwards.T @ weights, rtol=0, atol=1e-5)


def test_threads_change_no_bit():
    points, values = features(5000, 5, 9), features(5000, 21)
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(Lattice(points, "points").compute(values))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*results)


def test_points_beyond_what_can_be_counted_are_refused():
    with pytest.raises(InputError, match="features less far apart"):
        Lattice(features(50, 5, 1e6), "layer 'crf'")
