"""An LSTM run as others would have run it."""

import numpy as np
import pytest
import torch

from cpm_repro.compare.layers.explanation import layer_causes
from cpm_repro.compare.layers.runs import LayerRun
from tests.prototxt_import.single_layer import single_layer

FILLERS = 'weight_filler { type: "uniform" min: -0.9 max: 0.9 } bias_filler { type: "uniform" min: -0.5 max: 0.5 }'
GENERATOR = np.random.default_rng(6)
STEPS = GENERATOR.standard_normal((5, 3, 4)).astype(np.float32)
GOES_ON = np.float32([[0, 0, 0], [1, 1, 1], [1, 0, 1], [1, 1, 1], [1, 1, 0]])


def net(type_name="LSTM", seed=3):
    shapes = {"x": STEPS.shape, "c": GOES_ON.shape}
    return single_layer(type_name, shapes, f"recurrent_param {{ num_output: 3 {FILLERS} }}", seed=seed)


def outputs(of, x=STEPS, goes_on=GOES_ON, fresh=True):
    if fresh:
        of.layer("l").forget()
    with torch.no_grad():
        return of({"x": torch.from_numpy(np.ascontiguousarray(x)), "c": torch.from_numpy(goes_on)})["t"].numpy()


def causes(made, right=None, goes_on=GOES_ON, type_name="LSTM"):
    known = net(type_name)
    run, bottoms = LayerRun([known.layer("l").spec], known), {"x": STEPS, "c": goes_on}
    right = outputs(net(type_name), goes_on=goes_on) if right is None else right
    return [cause.what for cause in layer_causes(run, bottoms, right, np.ascontiguousarray(made))]


@pytest.mark.parametrize("type_name", ["LSTM", "RNN"])
def test_what_is_read_otherwise(type_name):
    def said(made):
        (what,) = causes(made, type_name=type_name)
        return what

    assert "never begins anew (its second bottom" in said(outputs(net(type_name), goes_on=np.ones_like(GOES_ON)))
    assert "begins anew with every step" in said(outputs(net(type_name), goes_on=np.zeros_like(GOES_ON)))
    turned = outputs(net(type_name), STEPS[::-1])
    assert said(turned) == "B comes from layer l on its steps from the last to the first"
    assert said(turned[::-1]).endswith("from the last to the first, its outputs turned back")


def test_the_hidden_weights_of_each_gate_transposed():
    other = net()
    weight = other.layer("l").hidden_weight
    with torch.no_grad():
        weight.copy_(torch.cat([part.t() for part in weight.chunk(4)]))
    assert "transposed, each gate's for itself" in causes(outputs(other))[0]


def test_a_state_that_was_left():
    goes_on = np.ones_like(GOES_ON)
    used = net()
    outputs(used, 2 * STEPS[::-1])
    (what,) = causes(outputs(used, goes_on=goes_on, fresh=False), goes_on=goes_on)
    assert what.startswith("B begins with another state than zeros: that which the batch before left")
    assert "begins with another state" not in " ".join(causes(outputs(net(seed=8), goes_on=goes_on), goes_on=goes_on))
