"""Values that only move: ShuffleNet's and YOLO's orders against plain loops, and OpenCV."""

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.prototxt_import.opencv import opencvs_blob
from tests.prototxt_import.single_layer import single_layer


def test_shuffle_channel():
    net = single_layer("ShuffleChannel", {"x": (1, 6, 1, 1)}, "shuffle_channel_param { group: 3 }")
    assert net({"x": torch.arange(6.0).reshape(1, 6, 1, 1)})["t"].flatten().tolist() == [0, 2, 4, 1, 3, 5]
    with pytest.raises(InputError, match="groups that divide 6 channels, found 4"):
        single_layer("ShuffleChannel", {"x": (1, 6, 1, 1)}, "shuffle_channel_param { group: 4 }")


def darknet_reorg(x, stride, reverse):
    """Darknet's loop over the bottom's axes, with its memory taken for that of fewer, larger maps."""
    images, channels, height, width = x.shape
    few = channels // stride**2
    out, flat = np.zeros(x.size, np.float32), x.reshape(-1)
    for n, c, h, w in np.ndindex(x.shape):
        small = w + width * (h + height * (c + channels * n))
        offset = c // few
        row, column = h * stride + offset // stride, w * stride + offset % stride
        large = column + width * stride * (row + height * stride * (c % few + few * n))
        if reverse:
            out[large] = flat[small]
        else:
            out[small] = flat[large]
    if reverse:
        return out.reshape(images, few, height * stride, width * stride)
    return out.reshape(images, channels * stride**2, height // stride, width // stride)


@pytest.mark.parametrize("reverse", [False, True])
def test_reorg_is_darknets(reverse):
    more = f"reorg_param {{ stride: 2 reverse: {str(reverse).lower()} }}"
    net = single_layer("Reorg", {"x": (2, 8, 4, 6)}, more)
    x = np.random.default_rng(1).standard_normal((2, 8, 4, 6)).astype(np.float32)
    assert np.array_equal(net({"x": torch.from_numpy(x)})["t"].numpy(), darknet_reorg(x, 2, reverse))


def test_reorg_is_opencvs(tmp_path):
    text = 'name: "n" input: "data" input_shape { dim: 1 dim: 8 dim: 4 dim: 6 } '
    text += 'layer { name: "t" type: "Reorg" bottom: "data" top: "t" reorg_param { stride: 2 } }'
    net = Net(parse_net(text, "n"))
    x = np.random.default_rng(1).standard_normal((1, 8, 4, 6)).astype(np.float32)
    ours = net({"data": torch.from_numpy(x)})["t"].numpy()
    assert np.array_equal(ours, opencvs_blob(net, text, {"data": x}, "t", tmp_path))


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize(("param", "axis"), [("", 0), ("reverse_param { axis: -1 }", 2)])
def test_reverse(engine, param, axis):
    x = torch.randn(3, 2, 4).requires_grad_()
    y = single_layer("Reverse", {"x": (3, 2, 4)}, param, engine)({"x": x})["t"]
    assert np.array_equal(y.detach(), np.flip(x.detach().numpy(), axis))
    (y * torch.arange(24).reshape(3, 2, 4)).sum().backward()
    assert np.array_equal(x.grad, np.flip(np.arange(24).reshape(3, 2, 4), axis))


@pytest.mark.parametrize("engine", ["fast", "exact", "plain"])
def test_eltwise_of_one_bottom_multiplies_it(engine):
    x = torch.randn(2, 3, 4, 5).requires_grad_()
    y = single_layer("Eltwise", {"x": (2, 3, 4, 5)}, "eltwise_param { coeff: 0.25 }", engine)({"x": x})["t"]
    y.sum().backward()
    assert torch.equal(y, x * 0.25) and (x.grad == 0.25).all()
    for operation in ("MAX", "PROD"):
        net = single_layer("Eltwise", {"x": (2, 3, 4, 5)}, f"eltwise_param {{ operation: {operation} }}", engine)
        assert torch.equal(net({"x": x})["t"], x)


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_gather_of_one_process_is_each_bottom(engine):
    net = single_layer("Gather", {"a": (2, 3), "b": (4,)}, "", engine, ("c", "d"))
    a, b = torch.randn(2, 3, requires_grad=True), torch.randn(4)
    tops = net({"a": a, "b": b})
    assert torch.equal(tops["c"], a) and torch.equal(tops["d"], b)
    (tops["c"] * 3).sum().backward()
    assert torch.equal(a.grad, torch.full((2, 3), 3.0))
    with pytest.raises(InputError, match="as many tops as bottoms, 2, found 1"):
        single_layer("Gather", {"a": (2, 3), "b": (4,)}, "", engine)


def test_ctpns_transpose():
    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    net = single_layer("Transpose", {"x": (2, 3, 4, 5)}, "transpose_param { dim: 3 dim: 2 dim: 0 dim: 1 }")
    assert torch.equal(net({"x": x})["t"], x.permute(3, 2, 0, 1))
    with pytest.raises(InputError, match=r"each axis of 4 once, found \[3, 3\]"):
        single_layer("Transpose", {"x": (2, 3, 4, 5)}, "transpose_param { dim: 3 dim: 3 }")


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize(
    ("param", "flipped"),
    [("", np.s_[..., ::-1]), ("flip_height: true", np.s_[..., ::-1, ::-1]),
     ("flip_width: false flip_height: true", np.s_[..., ::-1, :]), ("flip_width: false", np.s_[...])],
)  # fmt: skip
def test_flip(engine, param, flipped):
    x = np.random.default_rng(1).standard_normal((2, 3, 4, 5)).astype(np.float32)
    given = torch.from_numpy(x).requires_grad_()
    y = single_layer("Flip", {"x": x.shape}, f"flip_param {{ {param} }}", engine)({"x": given})["t"]
    np.testing.assert_array_equal(y.detach(), x[flipped])
    (y * torch.from_numpy(x)).sum().backward()
    np.testing.assert_array_equal(given.grad, x[flipped])
