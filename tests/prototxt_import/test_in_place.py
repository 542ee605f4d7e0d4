"""Chains of in-place layers against a plain simulation of Caffe's memory: one array of values, one of gradients."""

import copy

import numpy as np
import pytest
import torch

from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

X = 'input: "x" input_shape { dim: 2 dim: 3 dim: 4 } '
MAKER = 'layer { name: "m" type: "Dropout" bottom: "x" top: "a" } '


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# By name: the layer's text, its value, and what its backward writes over the gradient, from that and the blob's values.
LAYERS = {
    "relu": ('type: "ReLU"', lambda x: np.maximum(x, 0), lambda g, now: g * (now > 0)),
    "leaky": (
        'type: "ReLU" relu_param { negative_slope: -0.3 }',
        lambda x: np.where(x > 0, x, -0.3 * x),
        lambda g, now: g * np.where(now > 0, 1, -0.3),
    ),
    "sigmoid": ('type: "Sigmoid"', sigmoid, lambda g, now: g * now * (1 - now)),
    "tanh": ('type: "TanH"', np.tanh, lambda g, now: g * (1 - now**2)),
    "absval": ('type: "AbsVal"', np.abs, lambda g, now: np.sign(now) ** 2),
    "affine": (
        'type: "Power" power_param { scale: 2 shift: -0.5 }',
        lambda x: 2 * x - 0.5,
        lambda g, now: np.full_like(g, 4),
    ),
    "square": (
        'type: "Power" power_param { power: 2 scale: 0.5 shift: 0.3 }',
        lambda x: (0.3 + 0.5 * x) ** 2,
        lambda g, now: (2 * 0.5 * (0.3 + 0.5 * now)) ** 2,
    ),
    "bnll": ('type: "BNLL"', lambda x: np.log1p(np.exp(x)), lambda g, now: g * sigmoid(now)),
    "log": ('type: "Log" log_param { shift: 3 }', lambda x: np.log(x + 3), lambda g, now: 1 / (now + 3) ** 2),
    "dropout": ('type: "Dropout"', lambda x: x, lambda g, now: g),
}
CHAINS = [
    ["relu", "sigmoid", "affine"], ["absval"], ["leaky"], ["square"], ["bnll"], ["log"], ["sigmoid", "relu"],
    ["tanh", "square", "relu"], ["relu", "dropout"], ["sigmoid", "tanh", "absval"],
]  # fmt: skip
COMPOSITE = {"square", "bnll", "log"}
"""Which the fast engine makes of several operations, whose values are not the blob's."""


def text(chain):
    layers = (f'layer {{ name: "{i}" {LAYERS[name][0]} bottom: "a" top: "a" }} ' for i, name in enumerate(chain))
    return X + MAKER + "".join(layers) + 'layer { name: "end" type: "Reduction" bottom: "a" top: "end" }'


@pytest.mark.parametrize("chain", CHAINS, ids="-".join)
@pytest.mark.parametrize("engine", ["exact", "fast"])
def test_gradients_are_of_what_the_blob_holds_then(engine, chain):
    if engine == "fast" and COMPOSITE & set(chain):
        pytest.skip("the fast engine has that of the value")
    net = Net(parse_net(text(chain), "n"), engine=engine)
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
    blobs = net({"x": x})
    blobs["end"].sum().backward()
    values = x.detach().numpy().astype(np.float64)
    for name in chain:
        values = LAYERS[name][1](values)
    gradient = np.ones_like(values)
    for name in reversed(chain):
        gradient = LAYERS[name][2](gradient, values)
    np.testing.assert_allclose(blobs["a"].detach().numpy(), values, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), gradient, rtol=1e-5, atol=1e-6)


def test_chains_whose_gradients_are_their_values_are_left_alone():
    for chain in (["relu"], ["relu", "dropout"], ["dropout"]):
        net = Net(parse_net(text(chain), "n"), engine="exact")
        assert not any("forward" in vars(layer) for layer in net.layers.values())


def test_without_gradients_and_as_a_copy():
    net = Net(parse_net(text(["relu", "sigmoid", "affine"]), "n"), engine="exact")
    x = torch.randn(2, 3, 4)
    other = copy.deepcopy(net)
    with torch.no_grad():
        expected = net({"x": x})["a"]
    assert torch.equal(other({"x": x.clone().requires_grad_()})["a"].detach(), expected)


def test_propagate_down_false_ends_a_gradient():
    layers = 'layer { name: "r" type: "Power" bottom: "x" top: "r" power_param { scale: 3 } propagate_down: false } '
    layers += (
        'layer { name: "s" type: "Eltwise" bottom: "r" bottom: "x" top: "s" propagate_down: true propagate_down: true }'
    )
    net = Net(parse_net(X + layers, "n"))
    x = torch.randn(2, 3, 4, requires_grad=True)
    net({"x": x})["s"].sum().backward()
    assert torch.equal(x.grad, torch.ones(2, 3, 4))
