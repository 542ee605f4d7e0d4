"""A piece of a large map says the same as the map, or nothing where it cannot."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from cpm_repro.compare.layers import pieces
from cpm_repro.compare.layers.explanation import explain
from cpm_repro.compare.layers.runs import LayerRun
from tests.prototxt_import.single_layer import single_layer

X = np.random.default_rng(3).standard_normal((2, 4, 52, 47)).astype(np.float32)
FILLED = 'weight_filler { type: "msra" } bias_filler { type: "uniform" min: -0.2 max: 0.3 }'


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(pieces, "_LARGE", 10_000)
    monkeypatch.setattr(pieces, "_SIDE", 40)
    settings = f"convolution_param {{ num_output: 5 kernel_size: 3 pad: 1 {FILLED} }}"
    net = single_layer("Convolution", {"x": X.shape}, settings, seed=1)
    return LayerRun([net.layer("l").spec], net)


def wrongs(layer):
    x, w, b = torch.from_numpy(X), layer.weight.detach(), layer.bias.detach()
    yield functional.conv2d(x, w.flip(2, 3), b, padding=1), "turned by 180°"
    yield functional.conv2d(x, 2 * w.transpose(2, 3), b, padding=1), "exchanged, scaled by 2"
    yield functional.conv2d(functional.pad(x, (0, 2, 0, 2)), w, b), "padding 0 above, 2 below, 0 left, 2 right"
    yield functional.conv2d(functional.pad(x, (1, 1, 1, 1), mode="reflect"), w, b), "padding is the map reflected"
    yield functional.conv2d(x, w, b.flip(0), padding=1), "its bias in reversed order"


@pytest.mark.parametrize("case", range(5))
def test_the_same_is_said(run, case):
    wrong, said = list(wrongs(run.net.layer("l")))[case]
    (cause,) = explain(run, {"x": X}, "B", wrong.numpy(), run.top({"x": X}))
    assert said in cause.what


def test_what_a_piece_does_not_show_is_looked_for_in_the_whole(run):
    own = run.top({"x": X})
    wrong = own.copy()
    wrong[1] *= 2
    assert pieces.piece_of(run, {"x": X}, wrong, own) is None
    piece = pieces.piece_of(run, {"x": X}, 2 * own, own)
    assert piece.wrong.shape == (1, 5, 20, 20) and piece.before == pytest.approx(0.5)
