"""Deformable convolution against a loop over everything, forward and backward."""

import math

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from tests.prototxt_import.single_layer import single_layer

X, OFFSETS = (2, 6, 7, 9), (2, 2 * 2 * 6, 4, 5)
PARAM = "num_output: 4 kernel_h: 3 kernel_w: 2 stride: 2 pad: 1 group: 2 deformable_group: 2"
FILLERS = 'weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 }'


def seen(plane, y, x):
    """Bilinear at a place, whose last row and column go on for less than a pixel; 0 beyond."""
    height, width = plane.shape
    if not (0 <= y < height and 0 <= x < width):
        return 0.0
    y, x = min(y, height - 1), min(x, width - 1)
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = plane[top, left] * (1 - x + left) + plane[top, right] * (x - left)
    lower = plane[bottom, left] * (1 - x + left) + plane[bottom, right] * (x - left)
    return upper * (1 - y + top) + lower * (y - top)


def deformed(x, offsets, weight, bias, stride, pad, dilation, group, parts):
    out_channels, own, high, wide = weight.shape
    images, channels = x.shape[:2]
    out = np.zeros((images, out_channels, *offsets.shape[2:]))
    taps = offsets.reshape(images, parts, high, wide, 2, *offsets.shape[2:])
    for n, o, i, j in np.ndindex(out.shape):
        total = bias[o]
        for c, u, v in np.ndindex(own, high, wide):
            channel = o // (out_channels // group) * own + c
            dy, dx = taps[n, channel // (channels // parts), u, v, :, i, j]
            y, across = i * stride - pad + u * dilation + dy, j * stride - pad + v * dilation + dx
            total += weight[o, c, u, v] * seen(x[n, channel], y, across)
        out[n, o, i, j] = total
    return out


def both(engine, reach, param=PARAM, shapes=(X, OFFSETS)):
    net = single_layer(
        "DeformableConvolution",
        {"x": shapes[0], "o": shapes[1]},
        f"deformable_convolution_param {{ {param} {FILLERS} }}",
        engine,
        seed=4,
    )
    random = np.random.default_rng(6)
    x = random.standard_normal(shapes[0]).astype(np.float32)
    offsets = random.uniform(-reach, reach, shapes[1]).astype(np.float32)
    return net, x, offsets


def assert_the_loops(net, x, offsets, *settings):
    """The net's top is that of `deformed` with these settings."""
    layer = net.layer("l")
    weight, bias = (blob.detach().double().numpy() for blob in (layer.weight, layer.bias))
    with torch.no_grad():
        ours = net({"x": torch.from_numpy(x), "o": torch.from_numpy(offsets)})["t"]
    theirs = deformed(x.astype(float), offsets.astype(float), weight, bias, *settings)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize("reach", [0, 0.9, 4])
def test_it_is_the_loops(engine, reach):
    assert_the_loops(*both(engine, reach), 2, 1, 1, 2, 2)


def test_dilation_of_a_square_kernel():
    shapes = (1, 3, 5, 6), (1, 18, 5, 6)
    assert_the_loops(*both("fast", 2, "num_output: 3 kernel_size: 3 pad: 2 dilation: 2", shapes), 1, 2, 2, 1, 1)


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_gradients_are_those_of_the_loops(engine):
    net, x, offsets = both(engine, 2)
    layer, random = net.layer("l"), np.random.default_rng(7)
    above = random.standard_normal((2, 4, 4, 5))
    tensors = {"x": torch.from_numpy(x).requires_grad_(), "o": torch.from_numpy(offsets).requires_grad_()}
    (net(tensors)["t"] * torch.from_numpy(above.astype(np.float32))).sum().backward()
    values = {"x": x, "o": offsets, "w": layer.weight.detach().numpy(), "b": layer.bias.detach().numpy()}
    values = {name: value.astype(np.float64) for name, value in values.items()}
    grads = {"x": tensors["x"].grad, "o": tensors["o"].grad, "w": layer.weight.grad, "b": layer.bias.grad}
    for name, grad in grads.items():
        way, ends = random.standard_normal(values[name].shape), []
        for step in (-1e-6, 1e-6):
            at = {**values, name: values[name] + step * way}
            ends.append((deformed(at["x"], at["o"], at["w"], at["b"], 2, 1, 1, 2, 2) * above).sum())
        ours = float((grad.numpy() * way).sum())
        assert ours == pytest.approx((ends[1] - ends[0]) / 2e-6, rel=1e-3, abs=1e-3), name


def test_without_offsets_it_is_a_convolution():
    net, x, offsets = both("fast", 0)
    plain = single_layer(
        "Convolution", {"x": X}, f"convolution_param {{ {PARAM.replace('deformable_group: 2', '')} {FILLERS} }}", seed=4
    )
    with torch.no_grad():
        ours = net({"x": torch.from_numpy(x), "o": torch.from_numpy(offsets)})["t"]
        theirs = plain({"x": torch.from_numpy(x)})["t"]
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("offsets", "param", "said"),
    [
        ((2, 23, 4, 5), PARAM, r"a second bottom of the shape \(2, 24, 4, 5\), found \(2, 23, 4, 5\)"),
        (OFFSETS, PARAM.replace("deformable_group: 2", "deformable_group: 4"), "deformable_group that divides 6"),
        (OFFSETS, PARAM.replace("group: 2 ", "group: 5 "), "groups that divide 6 and 4"),
        (OFFSETS, "kernel_size: 3", "num_output above 0"),
    ],
)
def test_what_is_refused(offsets, param, said):
    with pytest.raises(InputError, match=f"'l' \\(DeformableConvolution\\): expected {said}"):
        single_layer("DeformableConvolution", {"x": X, "o": offsets}, f"deformable_convolution_param {{ {param} }}")
