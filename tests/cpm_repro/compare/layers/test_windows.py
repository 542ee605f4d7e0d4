"""Deconvolutions whose maps were cut elsewhere, and pooling that was not divided."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from cpm_repro.compare.layers.explanation import layer_causes
from cpm_repro.compare.layers.runs import LayerRun
from tests.prototxt_import.single_layer import single_layer

X = np.random.default_rng(3).standard_normal((2, 5, 7, 6)).astype(np.float32)
FILLED = 'weight_filler { type: "msra" } bias_term: false'


@pytest.mark.parametrize(("top", "left"), [(0, 0), (2, 2), (0, 1)])
def test_a_deconvolution_cut_elsewhere(top, left):
    settings = f"convolution_param {{ num_output: 3 kernel_size: 4 stride: 2 pad: 1 {FILLED} }}"
    net = single_layer("Deconvolution", {"x": X.shape}, settings, seed=1)
    whole = functional.conv_transpose2d(torch.from_numpy(X), net.layer("l").weight.detach(), stride=2).numpy()
    run = LayerRun([net.layer("l").spec], net)
    right = run.top({"x": X})
    cut = whole[:, :, top : top + right.shape[2], left : left + right.shape[3]]
    (cause,) = layer_causes(run, {"x": X}, right, np.ascontiguousarray(cut))
    said = f"B comes from a deconvolution cut out from row {top} and column {left} on; layer l pads by 1"
    assert cause.what == said
    (cause,) = layer_causes(run, {"x": X}, right, whole[:, :, : right.shape[2] + 2])
    assert "a deconvolution without padding; layer l has 1" in cause.what


def test_a_sum_of_the_whole_map():
    net = single_layer("Pooling", {"x": X.shape}, "pooling_param { pool: AVE global_pooling: true }")
    run = LayerRun([net.layer("l").spec], net)
    (cause,) = layer_causes(run, {"x": X}, run.top({"x": X}), X.sum((2, 3), keepdims=True))
    assert "the sum of the whole map, not divided by its size," in cause.what
