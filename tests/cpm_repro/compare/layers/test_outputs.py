"""Blobs of one value an output: which one differs, of which layer, and what it has to do with the right one."""

import functools

import numpy as np
import pytest
import torch

from cpm_repro.compare.layers.explanation import layer_causes
from cpm_repro.compare.layers.runs import LayerRun
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.prototxt_import.single_layer import single_layer

FILLED = 'filler { type: "uniform" min: 0.4 max: 1.6 } bias_filler { type: "uniform" min: -0.5 max: 0.5 }'
TEXT = f"""
input: "x" input_shape {{ dim: 2 dim: 4 dim: 11 dim: 13 }}
layer {{ name: "conv" type: "Convolution" bottom: "x" top: "y" convolution_param {{ num_output: 8 kernel_size: 3
  bias_term: false weight_filler {{ type: "msra" }} }} }}
layer {{ name: "bn" type: "BatchNorm" bottom: "y" top: "y" }}
layer {{ name: "scale" type: "Scale" bottom: "y" top: "y" scale_param {{ bias_term: true {FILLED} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "y" top: "y" }}
"""
X = np.random.default_rng(4).standard_normal((2, 4, 11, 13)).astype(np.float32)
ORDER = [3, 1, 0, 2, 7, 6, 5, 4]


def net():
    made, random = Net(parse_net(TEXT, "net"), seed=2), torch.Generator().manual_seed(3)
    with torch.no_grad():
        made.layer("bn").mean.uniform_(-0.5, 0.5, generator=random)
        made.layer("bn").variance.uniform_(0.5, 2, generator=random)
        made.layer("bn").factor.fill_(1)
    return made


def causes(changes, skipped=()):
    """What is said of the blob of a net with other blobs, without some layers."""
    known, other = net(), net()
    with torch.no_grad():
        for layer, blob, change in changes:
            parameter = getattr(other.layer(layer), blob)
            parameter.copy_(change(parameter.clone()))
    run = LayerRun([known.layer(name).spec for name in ("conv", "bn", "scale", "relu")], known)
    wrong = LayerRun(run.layers, other)
    made = wrong.top({"x": X}, without=[layer for layer in run.layers if layer.name in skipped])
    return [cause.what for cause in layer_causes(run, {"x": X}, run.top({"x": X}), made)]


CHANGES = {
    "bias twice": ([("scale", "bias", lambda b: 2 * b)], "scale: its bias times 2"),
    "bias negated": ([("scale", "bias", torch.neg)], "scale: its bias negated"),
    "bias reversed": ([("scale", "bias", lambda b: b.flip(0))], "scale: its bias in reversed order"),
    "one factor": (
        [("scale", "factor", lambda f: f + 2 * (torch.arange(8) == 3))],
        "scale: its factor of output 3 alo",
    ),
    "means in another order": ([("bn", "mean", lambda m: m[ORDER])], f"bn: its mean in another order, {ORDER}"),
    "statistics in another order": (
        [("bn", blob, lambda m: m[ORDER]) for blob in ("mean", "variance")],
        f"bn: its mean in another order, {ORDER} and its variance in another order, {ORDER}",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_planted(name):
    changes, said = CHANGES[name]
    (what,) = causes(changes)
    assert what.startswith(f"B has other weights of layer {said}")


def test_which_of_them_cannot_be_told():
    (what,) = causes([("scale", "bias", lambda b: b + torch.linspace(-0.3, 0.5, 8) ** 2)])
    assert what == "B has another offset of each output, by other values in one of the layers bn, scale"


def test_two_layers_that_are_left_out():
    (what,) = causes([], skipped=("bn", "scale"))
    assert what == "B comes from a net without layer bn (BatchNorm) and layer scale (Scale)"


def fully(x, change):
    """What is said of a fully connected layer with changed blobs."""
    settings = 'inner_product_param { num_output: 12 weight_filler { type: "msra" } bias_filler { type: "uniform" } }'
    nets = [single_layer("InnerProduct", {"x": x.shape}, settings, seed=1) for _ in range(2)]
    with torch.no_grad():
        change(nets[1].layer("l"))
    runs = [LayerRun([made.layer("l").spec], made) for made in nets]
    return [cause.what for cause in layer_causes(runs[0], {"x": x}, *(run.top({"x": x}) for run in runs))]


def test_few_images():
    """Of one image, whose every output has an offset of its own, no bias follows."""
    x = np.random.default_rng(1).standard_normal((3, 20)).astype(np.float32)
    (what,) = fully(x, lambda layer: layer.bias.copy_(layer.bias.flip(0)))
    assert what == "B has other weights of layer l: its bias in reversed order"
    assert fully(x[:1], lambda layer: layer.weight.normal_()) == []


@functools.cache
def convolution():
    filled = 'weight_filler { type: "msra" } bias_filler { type: "uniform" min: -0.2 max: 0.3 }'
    return single_layer(
        "Convolution", {"x": X.shape}, f"convolution_param {{ num_output: 4 kernel_size: 3 {filled} }}", seed=1
    )


@pytest.mark.parametrize(("scale", "bias", "said"), [(2, 1, ", scaled by 2"), (1, 0, ", without the bias")])
def test_two_causes_in_one_layer(scale, bias, said):
    known, layer = convolution(), convolution().layer("l")
    w, b = (blob.detach() for blob in (layer.weight, layer.bias))
    made = torch.nn.functional.conv2d(torch.from_numpy(X), scale * w.flip(2, 3), bias * b).numpy()
    run = LayerRun([layer.spec], known)
    (cause,) = layer_causes(run, {"x": X}, run.top({"x": X}), made)
    assert f"turned by 180°, a convolution against Caffe's correlation{said}" in cause.what
