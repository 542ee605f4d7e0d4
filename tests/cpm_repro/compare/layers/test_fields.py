"""Settings that are fitted are those that were planted; what has no such setting gets no such cause."""

import numpy as np
import pytest

from cpm_repro.compare.layers.explanation import layer_causes
from cpm_repro.compare.layers.runs import LayerRun
from tests.prototxt_import.single_layer import single_layer

RANDOM = np.random.default_rng(5)
SIZES = np.linspace(0.2, 2, 12, dtype=np.float32).reshape(2, 6, 1, 1)  # each map's own deviation
X = SIZES * RANDOM.standard_normal((2, 6, 13, 11)).astype(np.float32)
Y = RANDOM.standard_normal(X.shape).astype(np.float32)
LRN = "lrn_param { local_size: 5 alpha: 0.5 beta: 0.75 }"


def centred(eps, outside):
    variance = X.astype(np.float64).var((2, 3), keepdims=True)
    deviation = np.sqrt(variance) + eps if outside else np.sqrt(variance + eps)
    return (X - X.mean((2, 3), keepdims=True)) / deviation


def lrn(alpha, beta, k):
    squares = np.pad(X.astype(np.float64) ** 2, ((0, 0), (2, 2), (0, 0), (0, 0)))
    return X / (k + alpha / 5 * sum(squares[:, i : i + 6] for i in range(5))) ** beta


def causes(type_name, bottoms, param, wrong):
    net = single_layer(type_name, {name: array.shape for name, array in bottoms.items()}, param)
    run = LayerRun([net.layer("l").spec], net)
    return layer_causes(run, bottoms, run.top(bottoms), wrong.astype(np.float32))


PLANTED = {
    "eps": ("MVN", {"x": X}, "", centred(0.037, True), "MVN with an eps of 0.037 added to the deviation; layer l has"),
    "eps under the root": ("MVN", {"x": X}, "", centred(0.037, False), "MVN with an eps of 0.037 under the root"),
    "alpha and k": ("LRN", {"x": X}, LRN, lrn(0.13, 0.75, 1.7), "LRN with alpha 0.13 and k 1.7; layer l has alpha 0.5"),
    "a small alpha": ("LRN", {"x": X}, LRN, lrn(3e-4, 0.75, 1), "LRN with alpha 0.0003; layer l has alpha 0.5"),
    "coefficients": ("Eltwise", {"x": X, "y": Y}, "", 0.3 * X + 0.9 * Y, "bottoms times 0.3, 0.9; layer l has 1, 1"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted(name):
    type_name, bottoms, param, wrong, said = PLANTED[name]
    (cause,) = causes(type_name, bottoms, param, wrong)
    assert said in cause.what


@pytest.mark.parametrize(
    ("type_name", "bottoms", "wrong"),
    [
        ("MVN", {"x": X}, 0.9 * centred(0, True)),  # a factor is no eps
        ("MVN", {"x": X}, centred(0, True) * RANDOM.uniform(0.5, 1, (2, 6, 1, 1))),
        ("LRN", {"x": X}, lrn(0.5, 0.75, 1) * RANDOM.uniform(0.5, 1, X.shape)),
        ("Eltwise", {"x": X, "y": Y}, X + Y + 0.01 * RANDOM.standard_normal(X.shape)),
        ("Eltwise", {"x": X, "y": Y}, np.tanh(X) + Y),
    ],
)
def test_what_is_none_of_these(type_name, bottoms, wrong):
    assert causes(type_name, bottoms, LRN if type_name == "LRN" else "", wrong) == []
