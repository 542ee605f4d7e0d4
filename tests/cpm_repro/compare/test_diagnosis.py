"""Faults put into arrays, layers and traces on purpose are named, and nothing is named where there is none."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from cpm_repro.array_comparison import EQUAL_BITS, Limits
from cpm_repro.compare.blobs import compare_dumps
from cpm_repro.compare.causes.arrays import by_size, recognised
from cpm_repro.compare.causes.cause import Cause
from cpm_repro.compare.causes.traces import parting, trace_causes
from cpm_repro.compare.diagnosis import Diagnosis
from cpm_repro.compare.dump import dump_net
from cpm_repro.compare.dump_files import dump_of
from cpm_repro.compare.layers.explanation import layer_causes
from cpm_repro.compare.layers.runs import LayerRun
from cpm_repro.compare.order import NetworkOrder
from cpm_repro.compare.origins import Origin, joined
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.formats.schema import SolverParameter
from prototxt_import.net import Net

RANDOM = np.random.default_rng(7)
SHAPE = (2, 4, 9, 11)


def values(*shape):
    return RANDOM.standard_normal(shape or SHAPE).astype(np.float32)


def with_flipped_bit(array, bit):
    changed = array.copy()
    changed.view(np.uint32)[1, 2, 3, 4] ^= np.uint32(1 << bit)
    return changed


def with_value(array, value):
    changed = array.copy()
    changed[0, 1, 2, 3] = value
    return changed


def without_centre_map(array):
    return np.concatenate([array[:, :3], np.zeros_like(array[:, 3:])], 1)


def brighter(array):
    """(x/256 − 0.5) to (x/255 − 0.5), the centre map as it was."""
    return np.concatenate([((array[:, :3] + 0.5) * (256 / 255) - 0.5), array[:, 3:]], 1)


def as_bfloat16(array):
    return torch.from_numpy(array).bfloat16().float().numpy()


FAULTS = [
    (lambda x: with_flipped_bit(x, 20), "a single flipped bit", "element (1, 2, 3, 4) differs, by bit 20 (mantissa)"),
    (lambda x: with_flipped_bit(x, 31), "a single flipped bit", "by bit 31 (the sign)"),
    (lambda x: with_flipped_bit(x, 24), "a single flipped bit", "by bit 24 (exponent)"),
    (lambda x: with_value(x, 5), "a single element", "element (0, 1, 2, 3)"),
    (lambda x: with_value(x, np.nan), "NaN in B", "1 of 792 values, first at (0, 1, 2, 3); A is finite"),
    (lambda x: with_value(x, np.inf), "Inf in B", "1 of 792 values"),
    (lambda x: x[:, [2, 1, 0, 3]], "channels swapped, RGB against BGR", "100 % of the bits are equal"),
    (lambda x: x[:, [1, 3, 0, 2]], "channels in another order", "[1, 3, 0, 2]"),
    (lambda x: x.transpose(0, 2, 3, 1), "axes transposed, channels last (NHWC)", "axes (0, 2, 3, 1)"),
    (lambda x: x.ravel(), "the same values in the same order, but in another shape", "read as (792,)"),
    (lambda x: x[..., None], "the same values in the same order, but in another shape", "100 %"),
    (lambda x: x.T, "axes transposed, all in reversed order, as MATLAB has them", "100 %"),
    (lambda x: x[1], "B lacks the axis of images, and holds image 1 alone", "100 %"),
    (lambda x: x.transpose(0, 1, 3, 2), "height and width (rows and columns) exchanged", "100 %"),
    (lambda x: x.transpose(0, 2, 3, 1).reshape(x.shape), "memory read in the old shape", "100 %"),
    (lambda x: x[..., ::-1], "mirrored", "axis 3"),
    (lambda x: x[..., ::-1, ::-1], "turned by 180°", "axes (2, 3)"),
    (lambda x: np.roll(x, 1, 3), "shifted by one (+1 along W)", "100 %"),
    (lambda x: np.roll(x, -1, 2), "shifted by one (-1 along H)", "100 %"),
    (lambda x: x[..., :-1, :-1], "B lacks the last row and the last column", "100 %"),
    (lambda x: x[..., 1:, :], "B lacks the first row", "100 %"),
    (lambda x: x[:1], "B lacks the last image", "100 %"),
    (lambda x: x[:, :3], "B lacks the centre map", "100 %"),
    (without_centre_map, "B lacks the centre map", "channel 3 is all zero"),
    (lambda x: 0 * x, "B is all zero", "792 zeros"),
    (lambda x: -x, "a constant factor of -1: the opposite sign", "relative error is 0"),
    (lambda x: x * np.float32(256 / 255), "a division by 255 in place of 256", "1.003922"),
    (lambda x: x * 256, "a constant factor of 256: a division by 256 that one side lacks", "100 %"),
    (lambda x: x + np.float32(0.5), "a constant offset of 0.5: the 128/256 that Caffe's input has subtracted", ""),
    (brighter, "a division by 255 in place of 256 on one side", "0.0019608"),
    (
        lambda x: x + np.float32([0.1, 0.2, -0.4, 0.7]).reshape(1, 4, 1, 1),
        "a constant per channel",
        "0.1, 0.2, -0.4, 0.7",
    ),
    (lambda x: np.maximum(x, 0), "a ReLU that A lacks", "100 %"),
    (lambda x: x.astype(np.float16), "B is rounded to float16", ""),
    (as_bfloat16, "B is rounded to bfloat16", ""),
    (lambda x: (x.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32), "precision of TF32", "13 bits"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=[what for _, what, _ in FAULTS])
def test_arrays(fault):
    change, what, evidence = fault
    a = values()
    (cause,) = recognised(a, change(a))
    assert what in cause.what and evidence in cause.evidence


def test_the_other_side_is_named_too():
    a = values()
    for change, what in (
        (lambda x: x[:, :3], "A lacks the centre map"),
        (lambda x: x.astype(np.float16), "A is rounded"),
    ):
        assert what in recognised(change(a), a)[0].what


def test_weights_read_with_inputs_and_outputs_exchanged():
    square, oblong = values(8, 8, 3, 3), values(16, 8, 5, 5)
    assert "inputs and outputs exchanged" in recognised(square, square.transpose(1, 0, 2, 3))[0].what
    found = recognised(oblong, oblong.transpose(1, 0, 2, 3).reshape(oblong.shape))[0]
    assert found.what.endswith("inputs and outputs exchanged and the memory read in the old shape")
    matrix = values(5, 7)
    assert "rows and columns (inputs and outputs) exchanged" in recognised(matrix, matrix.T)[0].what


@pytest.mark.parametrize("shape", [(5,), (), (6, 7), (2, 3, 4, 5), (2, 3, 1, 1), (3, 2, 2, 2, 2, 2)])
def test_strangers_are_not_explained(shape):
    a, b = values(*shape) if shape else np.float32(1.5), values(*shape) if shape else np.float32(4.1)
    assert not [cause for cause in recognised(a, b) if cause.what != "a single element"]


def test_the_size_of_the_error_is_the_last_resort():
    a = values()
    for size, what in ((1e-7, "rounding"), (1e-3, "low precision"), (1.0, "other values")):
        assert what in by_size(a, a + np.float32(size) * values())[-1].what
    b = a.copy()
    b[:, 2] += values(2, 9, 11)
    assert by_size(a, b)[0].what == "only channel 2 differs"
    assert by_size(a, a[0])[0].what == "another shape"


NET = """
input: "data" input_shape { dim: 2 dim: 3 dim: 40 dim: 18 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 0.3 }
  bias_filler { type: "constant" value: 0.3 } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param { num_output: 4 kernel_size: 5 pad: 2 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "lower" type: "Pooling" bottom: "data" top: "lower" pooling_param { pool: AVE kernel_size: 9 stride: 8 } }
"""
DATA = RANDOM.uniform(-0.5, 0.5, (2, 3, 40, 18)).astype(np.float32)


def net():
    return Net(parse_net(NET, "net"), seed=3)


def floor_pooling(padding):
    """The net with torch's own pooling in place of Caffe's."""
    changed = net()
    changed.layer("pool1").forward = lambda x: functional.max_pool2d(x, 3, 2, padding)
    return changed


def with_weights(layer, change, blob="weight"):
    changed = net()
    parameter = getattr(changed.layer(layer), blob)
    with torch.no_grad():
        parameter.copy_(change(parameter.clone()))
    return changed


def origins(a, b, with_prototxt=True, known=None, limits=EQUAL_BITS):
    """What Diagnosis says of two runs, each a net or a dictionary of blobs."""
    a, b = (
        dump_of(side, dump_net(x, {"data": DATA}, False) if isinstance(x, Net) else x)
        for side, x in (("A", a), ("B", b))
    )
    order = NetworkOrder(a.names, b.names, net().param if with_prototxt else None)
    return Diagnosis(compare_dumps(a, b, order, limits), a, b, order, known).origins()


@pytest.mark.parametrize("with_prototxt", [True, False])
@pytest.mark.parametrize("padding", [0, 1])
def test_pooling_that_rounds_down(padding, with_prototxt):
    for runs, side in (((floor_pooling(padding), net()), "A"), ((net(), floor_pooling(padding)), "B")):
        first = origins(*runs, with_prototxt)[0]
        assert first.name == "pool1" and f"{side} comes from pooling that rounds down (floor)" in first.causes[0].what
        assert first.made_by == ("pool1 (Pooling)" if with_prototxt else "")


def test_pooling_that_rounds_up_where_the_layer_does_not():
    bottom = values(1, 2, 12, 9)
    up, down = (functional.max_pool2d(torch.from_numpy(bottom), 3, 2, ceil_mode=c).numpy() for c in (True, False))
    (layer,) = parse_net(
        'layer { name: "p" type: "Pooling" bottom: "x" top: "p" '
        "pooling_param { kernel_size: 3 stride: 2 round_mode: FLOOR } }",
        "net",
    ).layer
    for sides, side in (((up, down), "A"), ((down, up), "B")):
        (cause,) = layer_causes(LayerRun([layer]), {"x": bottom}, *sides)
        assert cause.what == f"{side} comes from pooling that rounds up (ceil); layer p rounds down"
    assert layer_causes(LayerRun([layer]), {"x": bottom}, down, down) == []


def test_pooling_over_the_whole_map():
    deploy = parse_net(
        'input: "x" input_shape { dim: 1 dim: 2 dim: 6 dim: 6 } layer { name: "p" type: "Pooling" bottom: "x" '
        'top: "p" pooling_param { pool: AVE global_pooling: true } }',
        "net",
    )
    a = dump_net(Net(deploy), {"x": values(1, 2, 6, 6)}, False)
    b = {**a, "p": a["p"] + np.float32([1, 2]).reshape(1, 2, 1, 1)}
    a, b = dump_of("A", a), dump_of("B", b)
    order = NetworkOrder(a.names, b.names, Net(deploy).param)
    (origin,) = Diagnosis(compare_dumps(a, b, order, EQUAL_BITS), a, b, order).origins()
    assert origin.made_by == "p (Pooling)"


def test_pooling_that_rounds_down_and_was_filled_up():
    blobs = dump_net(net(), {"data": DATA}, False)
    blobs["pool1"] = functional.pad(torch.from_numpy(blobs["pool1"][..., :-1, :-1]), (0, 1, 0, 1)).numpy()
    cause, stale = origins(blobs, net())[0].causes
    assert "only the last row and the last column differ" in cause.what and "floor" in cause.what
    assert "right when it was used" in stale.what and stale.evidence == "what is made of it agrees (conv2)"


def test_a_flipped_bit_after_a_pooling_is_not_its_rounding():
    blobs = dump_net(net(), {"data": DATA}, False)
    blobs["pool1"].view(np.uint32)[1, 2, 3, 4] ^= np.uint32(1 << 30)
    assert [origin.causes[0].what for origin in origins(blobs, net())] == ["a single flipped bit"]


@pytest.mark.parametrize(
    ("layer", "change", "blob", "said"),
    [
        ("conv2", lambda w: w.transpose(2, 3), "weight", "height and width (rows and columns) exchanged"),
        ("conv2", lambda w: w.transpose(0, 1).reshape(w.shape), "weight", "inputs and outputs exchanged"),
        ("conv2", lambda w: w.flip(2, 3), "weight", "turned by 180°, a convolution"),
        ("conv1", lambda w: w.flip(1), "weight", "channels swapped, RGB against BGR"),
        ("conv1", lambda b: 0 * b, "bias", "without the bias"),
        ("conv1", lambda w: 2 * w, "weight", "other weights of layer conv1: scaled by 2"),
    ],
)
def test_the_weights_of_one_layer(layer, change, blob, said):
    """Named when the right weights are at hand; else by the layer whose inputs agree and whose top does not."""
    wrong = with_weights(layer, change, blob)
    for runs, side in (((wrong, net()), "A"), ((net(), wrong), "B")):
        first = origins(*runs, known=net())[0]
        assert first.name == layer and first.made_by.startswith(f"{layer} (Convolution)")
        assert side in first.causes[0].what and said in first.causes[0].what
    (cause,) = origins(wrong, net())[0].causes[:1]
    assert f"other settings of the layer {layer}" in cause.what or "factor" in cause.what


def test_the_fault_that_rounding_hides():
    """All blobs differ a little, one far more: it is an origin too."""
    exact = {name: array * np.float32(1 + 1e-7) for name, array in dump_net(net(), {"data": DATA}, False).items()}
    exact["data"] = DATA
    found = origins(exact, with_weights("conv2", lambda w: w.transpose(2, 3)), known=net())
    assert [origin.name for origin in found] == ["conv1", "lower", "conv2"] or found[-1].name == "conv2"
    assert "rounding" in found[0].causes[0].what and "height and width" in found[-1].causes[0].what
    exact["conv2"][0, 0, 0, 0] = np.nan
    assert origins(exact, net())[-1].causes[0].what == "NaN in A"
    assert [origin.name for origin in origins(exact, net(), limits=Limits(rtol=1e-5, atol=1e-6))] == ["conv2"]


def test_a_blob_that_is_missing():
    blobs = dump_net(net(), {"data": DATA}, False)
    missing = blobs.pop("conv1")
    (origin,) = origins(blobs, net())
    assert origin.made_by == "conv1 (Convolution) and relu1 (ReLU)" and "A lacks it: made, but" in origin.causes[0].what
    renamed = {"convolution": missing, **blobs}
    assert "convolution in A holds the same values" in origins(renamed, net())[0].causes[0].evidence
    ends_early = {name: blobs[name] for name in ("data", "pool1")}
    assert "ends early" in origins(net(), ends_early)[-1].causes[0].what


def train(inside, updates=14, base=0.01):
    """A trace of SGD with momentum on a quadratic bowl whose rate drops at iterations 6 and 11."""
    weights = np.linspace(1, 2, 5).astype(np.float32)
    history, losses, trace = np.zeros(5, np.float32), [], {"iter0/ip/0": weights.copy()}
    curvature = np.float32([3, 1, 4, 1, 5])
    for i in range(updates):
        rate = np.float32(base * 0.333 ** ((i >= 6) + (i >= 11)))
        losses.append([(weights * weights * curvature).sum()] * 2)
        gradient = 2 * curvature * weights
        history = np.float32(0.9) * history + (rate * gradient if inside else gradient)
        weights = weights - (history if inside else rate * history)
        if i + 1 in (1, 5, updates):
            trace[f"iter{i + 1}/ip/0"] = weights.copy()
    return {**trace, "loss": np.array(losses, np.float32)}


def trace_origins(a, b, solver=None):
    a, b = dump_of("A", a), dump_of("B", b)
    order = NetworkOrder(a.names, b.names)
    return Diagnosis(compare_dumps(a, b, order, EQUAL_BITS), a, b, order, solver=solver).origins()


SOLVER = SolverParameter(base_lr=0.01, lr_policy="multistep", gamma=0.333, stepvalue=[6, 11], max_iter=14)


@pytest.mark.parametrize("solver", [None, SOLVER])
def test_the_rate_outside_of_the_momentum(solver):
    """The two placements round differently from the start; the losses part with the update of iteration 6."""
    found = trace_origins(train(True), train(False), solver)
    (loss,) = (origin for origin in found if origin.name == "loss")
    assert "learning rate outside of the momentum" in loss.causes[0].what
    assert "part at iteration 7" in loss.causes[0].evidence and "at iteration 6" in loss.causes[0].evidence
    assert ("the rate changes from 0.01 to 0.00333" in loss.causes[0].evidence) == (solver is not None)


def test_what_is_not_the_rate():
    a, rows = train(True), slice(3, None)
    b = {**a, "loss": a["loss"].copy()}
    b["loss"][rows] *= 1.5
    assert parting(a["loss"], b["loss"]) == 3 and parting(a["loss"], a["loss"] * np.float32(1 + 1e-7)) is None
    assert "it is not the rate" in trace_origins(a, b, SOLVER)[0].causes[0].evidence
    assert "rounding" in trace_causes(a["loss"], a["loss"] * np.float32(1 + 1e-7), None)[0].what
    b["loss"][:] = a["loss"] * 2
    assert "factor of 2" in trace_origins(a, b)[0].causes[0].what


def test_parameters_that_part_between_two_records():
    a, b = train(True), train(True)
    b["iter14/ip/0"] = b["iter14/ip/0"] + values(5)
    (origin,) = trace_origins(a, b)
    assert origin.made_by == "layer ip" and "between iterations 5 and 14" in origin.causes[0].what
    b = {**a, "iter0/ip/0": a["iter0/ip/0"][::-1].copy()}
    assert trace_origins(a, b)[0].causes[0].what == "mirrored"


def test_two_values_everywhere_are_no_padding():
    a = (values() > 0.3).astype(np.float32)
    b = np.where(RANDOM.random(SHAPE) > 0.9, 0, a).astype(np.float32)
    assert not any("padding" in cause.what for cause in recognised(a, b))


def test_a_part_of_another_length_is_no_error():
    text = (
        'input: "x" input_shape { dim: 1 dim: 6 dim: 4 dim: 5 } layer { name: "s" type: "Slice" bottom: "x" top: "t" '
    )
    text += 'top: "u" slice_param { slice_point: 2 } }'
    a = dump_net(Net(parse_net(text, "net")), {"x": values(1, 6, 4, 5)}, False)
    b = {**a, "t": values(1, 3, 4, 5)}
    a, b = dump_of("A", a), dump_of("B", b)
    order = NetworkOrder(a.names, b.names, Net(parse_net(text, "net")).param)
    (origin,) = Diagnosis(compare_dumps(a, b, order, EQUAL_BITS), a, b, order).origins()
    assert origin.name == "t" and origin.causes


def test_a_loss_is_no_damaged_element():
    assert recognised(np.float32(2.5), np.float32(2.75)) == []


@pytest.mark.parametrize(
    ("names", "where"),
    [
        (("a_stage2", "b_stage2", "c_stage2"), " in stage 2 alone"),
        (("a_stage2", "b_stage2", "c_stage3"), ""),
        (("f", "a_stage2", "b_stage2"), ""),
        (tuple(f"a{i}_stage2" for i in range(6)), ""),  # more of them may not have been looked at
    ],
)
def test_the_weights_of_one_stage(names, where):
    layers = " ".join(f'layer {{ name: "{n}" type: "ReLU" bottom: "x" top: "{n}" }}' for n in names)
    order = NetworkOrder(["x", *names], ["x", *names], parse_net(f'input: "x" input_shape {{ dim: 1 }} {layers}', "n"))
    a, b = (dump_of(side, dict.fromkeys(names, np.full(3, value, np.float32))) for side, value in (("A", 1), ("B", 2)))
    blobs = {blob.name: blob for blob in compare_dumps(a, b, order, EQUAL_BITS).blobs}
    what = "B has other weights of layer {}: those of 4 of 4 outputs differ, 0.5 in all: of another file or snapshot"
    (origin,) = joined([Origin(name, name, [Cause(what.format(name), "")], blobs[name]) for name in names], order)
    assert origin.causes[0].what == f"B has the weights of another file or snapshot{where}"
