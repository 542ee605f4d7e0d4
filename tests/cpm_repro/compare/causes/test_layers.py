"""Which of a Concat's bottoms differs, and why."""

import numpy as np
import pytest

from cpm_repro.compare.causes.layer_runs import LayerRun
from cpm_repro.compare.causes.layers import explain, layer_causes
from tests.prototxt_import.single_layer import single_layer

GENERATOR = np.random.default_rng(4)
BOTTOMS = {
    name: GENERATOR.standard_normal((2, n, 5, 6)).astype(np.float32) for name, n in {"x": 3, "y": 1, "z": 4}.items()
}


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        ((1,), "only channel 1, of bottom 1, differs: a constant factor of 1.5"),
        ((3,), "only channel 3, of bottom 2, differs: a constant factor of 1.5"),
        ((5, 6), "only channels 5 to 6, of bottom 3, differ: a constant factor of 1.5"),
    ],
)
def test_the_one_bottom_that_differs(channels, said):
    (cause,) = causes_of_channels(channels)
    assert cause.what == said


def test_two_bottoms_that_differ():
    assert causes_of_channels((2, 3)) == []


def causes_of_channels(channels):
    net = single_layer("Concat", {name: array.shape for name, array in BOTTOMS.items()}, "")
    run = LayerRun([net.layer("l").spec], net)
    right = run.top(BOTTOMS)
    wrong = right.copy()
    wrong[:, list(channels)] *= np.float32(1.5)
    return explain(run, BOTTOMS, "B", wrong, right)


def test_vectors_that_are_joined():
    bottoms = {"x": np.ones(3, np.float32), "y": np.zeros(2, np.float32)}
    net = single_layer("Concat", {name: array.shape for name, array in bottoms.items()}, "concat_param { axis: 0 }")
    run = LayerRun([net.layer("l").spec], net)
    right = run.top(bottoms)
    wrong = right + np.array([0, 2, 6, 7, 0], np.float32)
    assert layer_causes(run, bottoms, right, wrong) == []
