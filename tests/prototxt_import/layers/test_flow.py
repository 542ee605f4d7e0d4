"""FlowNet's layers against plain loops, forward; backward by what their values are made of."""

import math

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from tests.prototxt_import.single_layer import single_layer

ENGINES = pytest.mark.parametrize("engine", ["fast", "exact"])
random = np.random.default_rng(1)


def correlation(a, b, pad, kernel, reach, stride_1, stride_2, rows, differs):
    above, up = (pad, reach) if rows else (0, 0)
    a, b = (np.pad(x.astype(float), ((0, 0), (0, 0), (above,) * 2, (pad,) * 2)) for x in (a, b))
    steps = range(-(reach // stride_2), reach // stride_2 + 1)
    moves = [(y * stride_2, x * stride_2) for y in (steps if rows else [0]) for x in steps]
    size = [math.ceil((n - 2 * r - (kernel - 1)) / stride_1) for n, r in zip(a.shape[2:], (up, reach), strict=True)]
    out = np.zeros((len(a), len(moves), *size))
    for k, (dy, dx) in enumerate(moves):
        for i, j in np.ndindex(*size):
            y, x = i * stride_1 + up, j * stride_1 + reach
            one = a[:, :, y : y + kernel, x : x + kernel]
            other = b[:, :, y + dy : y + dy + kernel, x + dx : x + dx + kernel]
            out[:, k, i, j] = (np.abs(one - other) if differs else one * other).mean((1, 2, 3))
    return out


@ENGINES
@pytest.mark.parametrize("rows", [True, False])
@pytest.mark.parametrize(("numbers", "differs"), [((4, 1, 4, 1, 2), False), ((3, 3, 2, 2, 1), False),
                                                  ((2, 1, 2, 1, 1), True), ((0, 3, 1, 1, 1), True)])  # fmt: skip
def test_correlation_against_plain_loops(engine, rows, numbers, differs):
    names = ("pad", "kernel_size", "max_displacement", "stride_1", "stride_2")
    param = " ".join(f"{name}: {n}" for name, n in zip(names, numbers, strict=True))
    param += " correlation_type: SUBTRACT" * differs
    shape, type_name = (2, 3, 9, 10), "Correlation" if rows else "Correlation1D"
    net = single_layer(type_name, {"a": shape, "b": shape}, f"correlation_param {{ {param} }}", engine)
    a, b = (torch.from_numpy(random.standard_normal(shape).astype(np.float32)).requires_grad_() for _ in "ab")
    y = net({"a": a, "b": b})["t"]
    assert y.shape == net.blob_shapes["t"]
    wanted = correlation(a.detach().numpy(), b.detach().numpy(), *numbers, rows, differs)
    np.testing.assert_allclose(y.detach(), wanted, rtol=1e-5, atol=1e-6)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    (y * weights).sum().backward()
    if not differs:  # linear in each: what goes in times its gradient is what comes out
        for x in (a, b):
            total = float((y.detach() * weights).sum())
            assert float((x.detach() * x.grad).sum()) == pytest.approx(total, rel=1e-4, abs=1e-4)


def warped(image, flow, fill):
    out = np.full(image.shape, fill)
    height, width = image.shape[2:]
    for n, i, j in np.ndindex(len(image), height, width):
        x, y = j + flow[n, 0, i, j], i + flow[n, 1, i, j]
        if 0 <= x < width and 0 <= y < height:
            left, top = int(x), int(y)
            right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
            upper = image[n, :, top, left] * (1 - x + left) + image[n, :, top, right] * (x - left)
            lower = image[n, :, bottom, left] * (1 - x + left) + image[n, :, bottom, right] * (x - left)
            out[n, :, i, j] = upper * (1 - y + top) + lower * (y - top)
    return out


@ENGINES
@pytest.mark.parametrize(("param", "fill"), [("", 0.0), ("flow_warp_param { fill_value: NOT_A_NUMBER }", np.nan)])
def test_warp_against_plain_loops(engine, param, fill):
    image, flow = random.standard_normal((2, 3, 6, 7)).astype(np.float32), random.uniform(-3, 3, (2, 2, 6, 7))
    net = single_layer("FlowWarp", {"i": image.shape, "f": flow.shape}, param, engine)
    x, f = torch.from_numpy(image).requires_grad_(), torch.from_numpy(flow.astype(np.float32)).requires_grad_()
    y = net({"i": x, "f": f})["t"]
    np.testing.assert_allclose(y.detach(), warped(image, flow.astype(np.float32), fill), rtol=1e-4, atol=1e-5)
    if not param:
        y.sum().backward()
        total = warped(np.ones_like(image), flow, 0.0).sum()  # linear in the image: 1 · gradient = f(1)
        assert float(x.grad.sum()) == pytest.approx(total, rel=1e-4) and bool(f.grad.abs().sum() > 0)


@ENGINES
def test_lengths_of_vectors(engine):
    x = torch.randn(2, 3, 4, 5)
    x[0, :, 0, 0] = 0
    x.requires_grad_()
    y = single_layer("ChannelNorm", {"x": (2, 3, 4, 5)}, "", engine)({"x": x})["t"]
    torch.testing.assert_close(y, x.pow(2).sum(1, keepdim=True).sqrt())
    y.sum().backward()
    torch.testing.assert_close(x.grad, (x / (y + 1e-9)).detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("more", "said"), [
    ("kernel_size: 2 max_displacement: 1", "an odd kernel_size, found 2"), ("kernel_size: 1", "a max_displacement"),
    ("kernel_size: 1 max_displacement: 3", "displacements fit into, found 6 rows"),
    ("kernel_size: 1 max_displacement: 1 do_abs: true", "no do_abs"),
    ("kernel_size: 1 max_displacement: 1 single_direction: -1", "to both sides, found single_direction -1"),
])  # fmt: skip
def test_what_cannot_be_is_named(more, said):
    with pytest.raises(InputError, match=said):
        single_layer("Correlation", {"a": (1, 2, 6, 9), "b": (1, 2, 6, 9)}, f"correlation_param {{ {more} }}")


@ENGINES
def test_grid_and_warp_against_plain_loops(engine):
    net = single_layer("Grid", {"x": (2, 3, 4, 5)}, "", engine)
    grid = net({"x": torch.full((2, 3, 4, 5), 7.0)})["t"].numpy()
    assert net.blob_shapes["t"] == grid.shape == (2, 2, 4, 5)
    assert all(grid[n, 0, i, j] == j and grid[n, 1, i, j] == i for n, i, j in np.ndindex(2, 4, 5))
    image, places = random.standard_normal((2, 3, 6, 7)).astype(np.float32), random.uniform(-2, 8, (2, 2, 4, 5))
    places[0, :, 0, 0], places[1, :, 0, 0] = (6, 5), (3, 2)
    net = single_layer("Warp", {"i": image.shape, "p": places.shape}, "", engine)
    x, p = torch.from_numpy(image).requires_grad_(), torch.from_numpy(places.astype(np.float32)).requires_grad_()
    y = net({"i": x, "p": p})["t"]
    padded, wanted = np.pad(image, ((0, 0), (0, 0), (4, 4), (4, 4))), np.zeros(net.blob_shapes["t"])
    by_place, back = np.zeros_like(places), np.zeros_like(padded)
    for n, i, j in np.ndindex(2, 4, 5):
        u, v = places.astype(np.float32)[n, :, i, j] + 4.0
        left, top = math.floor(u), math.floor(v)
        a, b = u - left, v - top
        four = padded[n, :, top : top + 2, left : left + 2]
        share = np.outer([1 - b, b], [1 - a, a])
        wanted[n, :, i, j] = (four * share).sum((1, 2))
        by_place[n, 0, i, j] = (four * [[b - 1, 1 - b], [-b, b]]).sum()
        by_place[n, 1, i, j] = (four * [[a - 1, -a], [1 - a, a]]).sum()
        back[n, :, top : top + 2, left : left + 2] += share
    np.testing.assert_allclose(y.detach(), wanted, rtol=1e-5, atol=1e-5)
    y.sum().backward()
    np.testing.assert_allclose(x.grad, back[:, :, 4:-4, 4:-4], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(p.grad, by_place, rtol=1e-4, atol=1e-4)


@ENGINES
@pytest.mark.parametrize("by", ["size", "bottom"])
def test_downsample_against_plain_loops(engine, by):
    x = random.standard_normal((2, 2, 9, 7)).astype(np.float32)
    x[0, 0, :2, :2], x[1, 1, 4, 3] = np.nan, np.nan
    more = "downsample_param { top_height: 4 top_width: 3 }" if by == "size" else ""
    bottoms = {"x": x.shape} if by == "size" else {"x": x.shape, "like": (1, 5, 4, 3)}
    net = single_layer("Downsample", bottoms, more, engine)
    blobs = {name: torch.zeros(shape) for name, shape in bottoms.items()} | {"x": torch.from_numpy(x).requires_grad_()}
    y = net(blobs)["t"]
    assert not y.requires_grad
    wanted = np.zeros((2, 2, 4, 3))
    for n, c, i, j in np.ndindex(2, 2, 4, 3):
        middle, total, weight, lost = (i * 8 / 3, j * 6 / 2), 0.0, 0.0, 0.0
        for row, column in np.ndindex(9, 7):
            near = max(0, 1 - abs(row - middle[0]) * 3 / 8) * max(0, 1 - abs(column - middle[1]) * 2 / 6)
            if np.isnan(x[n, c, row, column]):
                lost += near
            else:
                total, weight = total + near * x[n, c, row, column], weight + near
        wanted[n, c, i, j] = np.nan if lost / weight > 0.5 else total / weight
    assert np.isnan(wanted).any() and not np.isnan(wanted[1]).any()
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


def test_sizes_that_do_not_fit_are_refused_by_name():
    with pytest.raises(InputError, match=r"a size above 1 and up to the bottom's, \(4, 4\), found \(5, 4\)"):
        single_layer("Downsample", {"x": (1, 2, 4, 4), "like": (1, 2, 5, 4)})
    with pytest.raises(InputError, match=r"places of the shape \(1, 2, H, W\)"):
        single_layer("Warp", {"i": (1, 2, 4, 4), "p": (1, 3, 4, 4)})


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_the_mean_of_images_goes_on_for_some_runs(engine):
    shapes, batches = {"x": (2, 3, 4, 5)}, torch.rand(4, 2, 3, 4, 5).double().float()
    for per_pixel in (True, False):
        param = f"augmentation_param {{ augment_during_test: true recompute_mean: 3 mean_per_pixel: {per_pixel} }}"
        net = single_layer("DataAugmentation", shapes, param, engine)
        for run, x in enumerate(batches):
            mean = batches[: min(run + 1, 3)].mean((0, 1))
            wanted = x - (mean if per_pixel else mean.mean((1, 2), keepdim=True))
            torch.testing.assert_close(net({"x": x})["t"], wanted, rtol=1e-5, atol=1e-6)
        assert [tuple(blob.shape) for blob in net.parameters()] == [(1, 1, 1, 1), (1, 3, 4, 5), (1, 3, 1, 1)]
        assert next(net.parameters()).item() == 4 and not any(blob.requires_grad for blob in net.parameters())


def test_the_mean_that_the_prototxt_says():
    x = torch.rand(2, 3, 4, 5)
    param = "augmentation_param { mean: 0.1 mean: 0.2 mean: 0.3 mean_per_pixel: false } reshape_every_iter: false"
    y = single_layer("DataAugmentation", {"x": (2, 3, 4, 5)}, param)({"x": x})["t"]
    torch.testing.assert_close(y, x - torch.tensor([0.1, 0.2, 0.3])[:, None, None])
    assert torch.equal(single_layer("DataAugmentation", {"x": (2, 3, 4, 5)})({"x": x})["t"], x)
    with pytest.raises(InputError, match="images that are not cut, as at deployment, found crop_width"):
        single_layer("DataAugmentation", {"x": (2, 3, 4, 5)}, "augmentation_param { crop_width: 3 }")
