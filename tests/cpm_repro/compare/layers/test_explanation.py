"""Layers run again as others would have run them: which mistake is named, and which bottom of a Concat differs."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from cpm_repro.compare.layers.explanation import explain, layer_causes
from cpm_repro.compare.layers.runs import LayerRun
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
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
    (cause,) = causes_of_channels((2, 3))
    assert cause.what == "only channels 2 to 3 differ: a constant factor of 1.5"


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


def values(*shape):
    return GENERATOR.standard_normal(shape).astype(np.float32)


MAP, SMALL, LIKE = values(2, 6, 13, 11), values(2, 6), values(2, 6, 5, 4)
ROIS = np.float32([[0, 3, 5, 40, 61], [1, 0, 0, 79, 33], [1, 20, 8, 70, 90]])
FILLERS = 'weight_filler { type: "uniform" min: -0.5 max: 0.5 } bias_filler { type: "uniform" min: -0.3 max: 0.3 }'
MISTAKES = {
    "a mean for a sum": ("Eltwise", {"x": MAP, "y": MAP[::-1]}, "", lambda y, x: y / 2, "the mean of the bottoms"),
    "no shortcut": (
        "Eltwise", {"x": MAP, "y": MAP[::-1]}, "", lambda y, x: x["x"], "the sum of layer l without its bottom 2"),
    "the middle": (
        "Crop", {"x": MAP, "y": LIKE}, "crop_param { axis: 2 offset: 1 }", lambda y, x: x["x"][:, :, 4:9, 3:7],
        "the middle of the map; layer l has offsets"),
    "one more": (
        "Scale", {"x": MAP, "s": SMALL}, "scale_param { axis: 0 }",
        lambda y, x: x["x"] * (1 + x["s"][:, :, None, None]), "x · (1 + factor) in place of layer l"),
    "another base": ("Exp", {"x": MAP}, "", lambda y, x: np.float32(10) ** x["x"], "Exp with base 10; layer l has -1"),
    "another threshold": (
        "Threshold", {"x": MAP}, "threshold_param { threshold: 0.3 }", lambda y, x: (x["x"] > 0.5).astype(np.float32),
        "Threshold with threshold 0.5; layer l has 0.3"),
    "the middle of what is pooled": (
        "Pooling", {"x": MAP}, "pooling_param { kernel_size: 3 stride: 1 }", lambda y, x: y[:, :, 1:-1, 1:],
        "B is cut out of what layer l makes: 1 rows above, 1 below, 1 columns left, 0 right are gone"),
    "windows of SAME": (
        "Pooling", {"x": MAP}, "pooling_param { kernel_size: 2 stride: 1 }",
        lambda y, x: functional.max_pool2d(functional.pad(torch.from_numpy(x["x"]), (0, 1, 0, 1), value=-9), 2, 1),
        "pooling with padding 0 above, 1 below, 0 left, 1 right; layer l has padding 0"),
    "means of other windows": (
        "Pooling", {"x": MAP}, "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }",
        lambda y, x: functional.avg_pool2d(torch.from_numpy(x["x"]), 3, 2, ceil_mode=True, count_include_pad=False),
        "padding 0"),
    "channels last": (
        "Reshape", {"x": MAP}, "reshape_param { shape { dim: 2 dim: 13 dim: -1 } }",
        lambda y, x: x["x"].transpose(0, 2, 3, 1).reshape(y.shape), "its bottom read channels last (H, W, C)"),
    "the inverse": (
        "Permute", {"x": values(2, 5, 5, 5)}, "permute_param { order: 0 order: 2 order: 3 order: 1 }",
        lambda y, x: x["x"].transpose(0, 3, 1, 2), "the order's inverse"),
    "resized": (
        "Crop", {"x": MAP, "y": LIKE}, "", lambda y, x: functional.interpolate(torch.from_numpy(x["x"]), (5, 4)),
        "nearest-neighbour interpolation in place of layer l (Crop)"),
    "one of two": ("Eltwise", {"x": MAP, "y": MAP[::-1]}, "", lambda y, x: x["y"], "without its bottom 1"),
    "exponentials": (
        "Softmax", {"x": MAP}, "", lambda y, x: np.exp(x["x"]), "exponentials that are not divided by their sum"),
    "each image": (
        "BatchNorm", {"x": MAP}, "", lambda y, x: functional.instance_norm(torch.from_numpy(x["x"])),
        "each image's own mean and variance (instance)"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_what_a_layer_computes_instead(name):
    type_name, bottoms, param, mistake, said = MISTAKES[name]
    net = single_layer(type_name, {name: array.shape for name, array in bottoms.items()}, param)
    run = LayerRun([net.layer("l").spec], net)
    right = run.top(bottoms)
    (cause,) = layer_causes(run, bottoms, right, np.ascontiguousarray(mistake(right, bottoms)))
    assert said in cause.what


LABELS = GENERATOR.integers(0, 6, (2, 13, 11)).astype(np.float32)
OFFSETS = values(2, 18, 13, 11)
PRIORS = np.stack([np.tile(np.float32([0.1, 0.2, 0.5, 0.6]), 31), np.tile(np.float32([0.1, 0.1, 0.2, 0.2]), 31)])[None]
BOXES = {"x": values(1, 124), "s": np.abs(values(1, 93)), "p": PRIORS}
DEFORMED = f"deformable_convolution_param {{ num_output: 4 kernel_size: 3 pad: 1 {FILLERS} }}"
DETECTED = "detection_output_param { num_classes: 3 nms_param { nms_threshold: 0.4 top_k: 20 } }"
OTHERS = {
    "all labels count": (
        "SoftmaxWithLoss", {"x": MAP, "y": LABELS}, "loss_param { ignore_label: 5 }", "loss_param { }",
        "SoftmaxWithLoss without ignore_label; layer l has 5"),
    "another divisor": (
        "SoftmaxWithLoss", {"x": MAP, "y": LABELS}, "", "loss_param { normalization: BATCH_SIZE }",
        "SoftmaxWithLoss with normalization BATCH_SIZE; layer l has VALID"),
    "a field of a message in another": (
        "DetectionOutput", BOXES, DETECTED, DETECTED.replace("20", "10"), "with top_k 10; layer l has 20"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_fields(name):
    type_name, bottoms, param, other, said = OTHERS[name]
    shapes = {name: array.shape for name, array in bottoms.items()}
    nets = [single_layer(type_name, shapes, text) for text in (param, other)]
    run, wrong = (LayerRun([net.layer("l").spec], net) for net in nets)
    causes = layer_causes(run, bottoms, run.top(bottoms), wrong.top(bottoms))
    assert [said in cause.what for cause in causes] == [True]


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (lambda moves: moves.reshape(2, 9, 2, 13, 11)[:, :, ::-1].reshape(moves.shape), "offsets have x before y"),
        (lambda moves: 0 * moves, "a convolution without offsets"),
    ],
)
def test_offsets_taken_otherwise(mistake, said):
    bottoms = {"x": MAP, "o": OFFSETS}
    net = single_layer(
        "DeformableConvolution", {name: array.shape for name, array in bottoms.items()}, DEFORMED, seed=3
    )
    run = LayerRun([net.layer("l").spec], net)
    wrong = run.top({"x": MAP, "o": np.ascontiguousarray(mistake(OFFSETS))})
    (cause,) = layer_causes(run, bottoms, run.top(bottoms), wrong)
    assert said in cause.what


CONVOLVED = f"convolution_param {{ num_output: 8 kernel_size: 3 pad: 1 {FILLERS} }}"
GROUPED = CONVOLVED.replace("pad: 1", "pad: 1 group: 2")
FULLY = f"inner_product_param {{ num_output: 9 {FILLERS} }}"
LARGE, SMALLER, DENSE = values(2, 4, 17, 19), values(5, 3, 4, 5), torch.from_numpy(values(8, 4, 3, 3))


def blocks(weight):
    """Without what is outside of two groups."""
    kept = weight.clone()
    kept[:4, 2:], kept[4:, :2] = 0, 0
    return kept


OTHER_WEIGHTS = {
    "dense": ("Convolution", LARGE, GROUPED, lambda w, x: (DENSE, 1), "a convolution over all inputs (dense weights"),
    "repeated": (
        "Convolution", LARGE, GROUPED, lambda w, x: (w.repeat(1, 2, 1, 1), 1), "the weights of a group repeated"),
    "of other groups": ("Convolution", LARGE, GROUPED, lambda w, x: (DENSE[:, :2], 2), "of another file or snapshot"),
    "groups alone": ("Convolution", LARGE, CONVOLVED, lambda w, x: (blocks(w), 1), "those outside of 2 groups"),
    "first inputs": ("Convolution", LARGE, CONVOLVED, lambda w, x: (w[:, :2], 2), "the first inputs' alone, taken"),
    "columns written": (
        "InnerProduct", SMALLER, FULLY, lambda w, x: (w.T.reshape(w.shape), x), "exchanged and the memory read"),
    "columns read": (
        "InnerProduct", SMALLER, FULLY, lambda w, x: (w.reshape(w.T.shape).T, x), "exchanged read in Caffe's order"),
    "MATLAB's flattening": (
        "InnerProduct", SMALLER, FULLY, lambda w, x: (w, x.permute(0, 3, 2, 1)), "in MATLAB's order (W, H, C)"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER_WEIGHTS)
def test_weights_for_other_groups_or_another_order(name):
    type_name, x, param, mistake, said = OTHER_WEIGHTS[name]
    net = single_layer(type_name, {"x": x.shape}, param, seed=3)
    run, layer, inputs = LayerRun([net.layer("l").spec], net), net.layer("l"), torch.from_numpy(x)
    weight, how = mistake(layer.weight.detach(), inputs)
    if type_name == "InnerProduct":
        wrong = functional.linear(how.flatten(1), weight, layer.bias.detach())
    else:
        wrong = functional.conv2d(inputs, weight, layer.bias.detach(), padding=1, groups=how)
    (cause,) = layer_causes(run, {"x": x}, run.top({"x": x}), wrong.numpy())
    assert said in cause.what


def test_detections_by_score():
    net = single_layer("DetectionOutput", {name: array.shape for name, array in BOXES.items()}, DETECTED)
    run = LayerRun([net.layer("l").spec], net)
    right = run.top(BOXES)
    wrong = np.ascontiguousarray(right[:, :, np.argsort(-right[0, 0, :, 2])])
    (cause,) = layer_causes(run, BOXES, right, wrong)
    assert "detections by score, whatever their label" in cause.what


@pytest.mark.parametrize(
    ("type_name", "shape", "param", "mistake", "said"),
    [
        ("Embed", (7, 3), f"embed_param {{ num_output: 5 input_dim: 9 {FILLERS} }}",
         lambda layer: layer.weight.copy_(layer.weight.roll(1, 0)), "the row before the one that each index"),
        ("LSTM", (2, 1, 3), f"recurrent_param {{ num_output: 2 {FILLERS} }}",
         lambda layer: [blob.copy_(torch.cat([blob.chunk(4)[i] for i in (0, 1, 3, 2)])) for blob in layer.parameters()],
         "its gates in the order input, forget, candidate, output"),
        ("LSTM", (2, 1, 3), f"recurrent_param {{ num_output: 2 {FILLERS} }}",
         lambda layer: layer.input_bias[2:4].add_(1), "layer l with +1 in the forget gate's bias"),
        ("LSTM", (2, 1, 3), f"recurrent_param {{ num_output: 2 {FILLERS} }}",
         lambda layer: layer.input_bias.zero_(), "layer l without its bias"),
        ("InnerProduct", (2, 3, 4, 5), f"inner_product_param {{ num_output: 7 {FILLERS} }}",
         lambda layer: layer.weight.copy_(layer.weight.reshape(7, 3, 4, 5).permute(0, 2, 3, 1).reshape(7, -1).clone()),
         "layer l with weights for a bottom flattened channels last (H, W, C)"),
    ],
)  # fmt: skip
def test_what_is_done_to_weights(type_name, shape, param, mistake, said):
    shapes = {"x": shape, **({"c": shape[:2]} if type_name == "LSTM" else {})}
    net, other = (single_layer(type_name, shapes, param, seed=2) for _ in range(2))
    bottoms = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    bottoms["x"] = GENERATOR.integers(0, 8, shape).astype(np.float32) if type_name == "Embed" else values(*shape)
    with torch.no_grad():
        net({name: torch.from_numpy(array) for name, array in bottoms.items()})  # a state is left behind
        mistake(other.layer("l"))
    run, wrong = (LayerRun([each.layer("l").spec], each) for each in (net, other))
    (cause,) = layer_causes(run, bottoms, run.top(bottoms), wrong.top(bottoms))
    assert said in cause.what


def test_another_part_of_a_slice():
    net = single_layer("Slice", {"x": (2, 6, 13, 11)}, "", tops=("t", "u", "v"))
    run, bottoms = LayerRun([net.layer("l").spec], net), {"x": MAP}
    (cause,) = layer_causes(run, bottoms, MAP[:, :2], np.ascontiguousarray(MAP[:, 3:5]))
    assert cause.what == "B holds 3 to 4 along axis 1 of the bottom of layer l: other slice points"


RECTIFIED = """
input: "x" input_shape { dim: 2 dim: 6 dim: 13 dim: 11 } input: "y" input_shape { dim: 2 dim: 6 dim: 13 dim: 11 }
layer { name: "sum" type: "Eltwise" bottom: "x" bottom: "y" top: "s" }
layer { name: "relu" type: "ReLU" bottom: "s" top: "s" }
layer { name: "conv" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 6 kernel_size: 3 pad: 1
  weight_filler { type: "msra" } bias_filler { type: "uniform" min: -0.3 max: 0.3 } } }
layer { name: "relu_c" type: "ReLU" bottom: "c" top: "c" }
"""


def test_a_difference_for_a_sum_behind_a_relu():
    net = Net(parse_net(RECTIFIED, "net"))
    run = LayerRun([net.layer(name).spec for name in ("sum", "relu")], net)
    bottoms = dict(zip(run.first.bottom, (MAP, MAP[::-1]), strict=True))
    wrong = np.maximum(MAP - 0.7 * MAP[::-1], 0)
    (cause,) = layer_causes(run, bottoms, run.top(bottoms), wrong)
    assert cause.what == "B comes from the sum of the bottoms times 1, -0.7; layer sum has 1, 1"


def test_no_relu_and_weights_in_another_order():
    net = Net(parse_net(RECTIFIED, "net"), seed=1)
    run, layer = LayerRun([net.layer(name).spec for name in ("conv", "relu_c")], net), net.layer("conv")
    weight, bias = layer.weight.detach().transpose(0, 1), layer.bias.detach()
    wrong = functional.conv2d(torch.from_numpy(MAP), weight, bias, padding=1).numpy()
    bottoms = {run.first.bottom[0]: MAP}
    causes = layer_causes(run, bottoms, run.top(bottoms), wrong)
    assert [cause.what for cause in causes] == [
        "B comes from a net without layer relu_c (ReLU)",
        "B has other weights of layer conv: axes transposed, inputs and outputs exchanged",
    ]
