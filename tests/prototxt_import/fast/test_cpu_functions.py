"""Functions written out for a CPU: there near float64's values; elsewhere they are torch's own."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from prototxt_import.fast.operations import Fast
from prototxt_import.plain.operations import Plain

FUNCTIONS = {
    "power": lambda engine, x: engine.power(x.abs(), 0.75, 1.5, 1.0),
    "elu": lambda engine, x: engine.elu(x, 0.7),
    "sigmoid": lambda engine, x: engine.sigmoid(x),
    "bnll": lambda engine, x: engine.bnll(x),
    "softmax": lambda engine, x: engine.softmax(x, 1),
    "lrn": lambda engine, x: engine.lrn_across(x, 5, 1e-2, 0.75, 1.0),
}


def value_and_gradient(engine, function, x):
    x = x.clone().requires_grad_()
    y = function(engine, x)
    y.backward(torch.cos(x.detach()))
    return y.detach(), x.grad


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients(name):
    x = 4 * torch.randn(2, 7, 5, 11, generator=torch.Generator().manual_seed(1))
    expected = value_and_gradient(Plain(), FUNCTIONS[name], x.double())
    for found, right in zip(value_and_gradient(Fast(), FUNCTIONS[name], x), expected, strict=True):
        torch.testing.assert_close(found.double(), right, rtol=1e-6, atol=1e-6)


class Calls(TorchDispatchMode):
    """The functions of torch that were called."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(str(function))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_elsewhere_they_are_torchs(name):
    made = []
    for engine in (Fast(), Plain()):
        with Calls() as calls:
            value_and_gradient(engine, FUNCTIONS[name], torch.empty(2, 7, 5, 11, device="meta"))
        made.append(calls.names)
    assert made[0] == made[1]
