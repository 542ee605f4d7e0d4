"""What Caffe's Scale does with the gradient of an earlier pass."""

import numpy as np
import pytest
import torch

from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.bits import assert_same_bits


def numbers(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


SCALE = """layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ {dims} }} }} }}
layer {{ name: "s" type: "Scale" bottom: "x" top: "y" scale_param {{ {param} }} }}"""


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize(
    ("shape", "param", "adds"),
    [
        ((1, 3, 2, 5), "", False),  # one image: each channel's sum is the gradient
        ((1, 3, 1, 1), "", False),  # as many factors as values
        ((2, 3), "axis: 0 num_axes: 2", False),
        ((2, 3, 2, 5), "", True),
        ((1, 3, 2, 5), "num_axes: 0", True),  # one number
        ((1, 1, 2, 5), "", True),
        ((1, 1, 1, 1), "", False),
        ((3, 1), "", True),
    ],
)
def test_a_factors_gradient_replaces_that_of_an_earlier_pass_where_caffes_does(shape, param, adds, engine):
    """With nothing to add up over the outer axes Caffe's layer writes into the diff, as iter_size lets it be seen."""
    dims = " ".join(f"dim: {size}" for size in shape)
    net = Net(parse_net(SCALE.format(dims=dims, param=param), "n"), "TRAIN", engine, seed=1)
    factor, passes = net.layer("s").factor, []
    for x, dy in ((numbers(i, *shape), numbers(i + 9, *shape)) for i in range(2)):
        factor.grad = None
        net({"x": torch.from_numpy(x)})["y"].backward(torch.from_numpy(dy))
        passes.append((x, dy, factor.grad.numpy().copy()))
    factor.grad = None
    for x, dy, _ in passes:
        net({"x": torch.from_numpy(x)})["y"].backward(torch.from_numpy(dy))
    if adds:
        np.testing.assert_allclose(factor.grad.numpy(), passes[0][2] + passes[1][2], rtol=1e-5, atol=1e-6)
    else:
        assert_same_bits(factor.grad.numpy(), passes[1][2])
