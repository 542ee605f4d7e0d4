"""Weights of which the blobs tell what was done to them."""

import numpy as np
import pytest
import torch

from cpm_repro.compare.layers.explanation import explain
from cpm_repro.compare.layers.runs import LayerRun
from tests.prototxt_import.single_layer import single_layer

FILLED = 'weight_filler { type: "msra" } bias_filler { type: "uniform" min: -0.2 max: 0.3 }'
RANDOM = np.random.default_rng(7)


def quantised(weight, scale):
    return (weight / scale * 127).round() * scale / 127


@pytest.mark.parametrize(("change", "said"), [
    (lambda w: torch.where(w.abs() < 0.05, 0.0, w), "are 0 in B: pruned"),
    (lambda w: w.clamp(-0.3, 0.2), "cut off at -0.3 and 0.2"),
    (lambda w: w.index_fill(1, torch.tensor([2]), 0.0), "only those of input 2 differ, times 0"),
    (lambda w: quantised(w, w.abs().max()), "whole numbers of 8 bits times one factor: quantised"),
    (lambda w: quantised(w, w.abs().amax((1, 2, 3), keepdim=True)), "8 bits times one factor an output"),
])  # fmt: skip
def test_of_a_convolution(change, said):
    x = RANDOM.standard_normal((2, 4, 13, 11)).astype(np.float32)
    shared = f"convolution_param {{ num_output: 5 kernel_size: 3 {FILLED} }}"
    assert said in verdict("Convolution", shared, x, "weight", change)


def at(index, value):
    def change(blob):
        blob[index] += value
        return blob

    return change


@pytest.mark.parametrize(("blob", "change", "said"), [
    ("weight", at((3, 17), 0.5), "those of output 3 alone, as the weight of input 17 that is +0.5 off makes it"),
    ("weight", lambda w: w.index_fill(0, torch.tensor([2, 5]), 0.0), "those of outputs 2, 5 alone"),
    ("bias", at(4, -0.25), "its bias of output 4 alone, 0.00997364 in place of 0.259974"),
])  # fmt: skip
def test_of_a_fully_connected_layer_with_few_images(blob, change, said):
    x = RANDOM.standard_normal((3, 4, 7, 5)).astype(np.float32)
    assert said in verdict("InnerProduct", f"inner_product_param {{ num_output: 9 {FILLED} }}", x, blob, change)


def verdict(kind, settings, x, blob, change):
    net, other = (single_layer(kind, {"x": x.shape}, settings, seed=1) for _ in range(2))
    parameter = getattr(other.layer("l"), blob)
    with torch.no_grad():
        parameter.copy_(change(parameter.clone()))
        wrong = other({"x": torch.from_numpy(x)})["t"].numpy()
    run = LayerRun([net.layer("l").spec], net)
    (cause,) = explain(run, {"x": x}, "B", wrong, run.top({"x": x}))
    return cause.what
