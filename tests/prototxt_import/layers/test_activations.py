"""Activations of forks."""

import torch

from tests.prototxt_import.single_layer import single_layer


def test_swish_and_relu6():
    x = torch.linspace(-9, 9, 20, requires_grad=True)
    y = single_layer("Swish", {"x": (20,)}, "swish_param { beta: 1.5 }")({"x": x})["t"]
    torch.testing.assert_close(y, x / (1 + torch.exp(-1.5 * x)))
    y = single_layer("ReLU6", {"x": (20,)})({"x": x})["t"]
    y.sum().backward()
    assert torch.equal(y, x.clamp(0, 6)) and torch.equal(x.grad != 0, (x > 0) & (x < 6))
