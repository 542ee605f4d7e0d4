"""Formulas that other libraries have in place of Caffe's layers are found again, by their name."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from cpm_repro.compare.layers.explanation import explain
from cpm_repro.compare.layers.runs import LayerRun
from tests.prototxt_import.single_layer import single_layer

X = np.random.default_rng(2).standard_normal((2, 6, 9, 7)).astype(np.float32)
FLOW = np.random.default_rng(3).uniform(-3, 3, (2, 2, 9, 7)).astype(np.float32)
RADIUS = "a window of 7, local_size taken for its radius, and alpha 0.6 not divided"
FORMULAS = {
    "temperature": ("Softmax", "", lambda x: torch.softmax(x / 2, 1), "softmax of x / 2 (a temperature of 2)"),
    "order": ("Power", "power_param { power: 2 scale: 0.5 shift: 1.5 }", lambda x: 0.5 * x**2 + 1.5,
              "shift + scale · x^power"),
    "natural": ("Log", "log_param { base: 10 shift: 9 }", lambda x: torch.log(x + 9), "the natural logarithm"),
    "base": ("Exp", "exp_param { base: 2 shift: 0.3 }", lambda x: torch.exp(x + 0.3), "e^(shift + scale · x)"),
    "L1": ("Normalize", "norm_param { across_spatial: false }", lambda x: functional.normalize(x, p=1),
           "a division by the sum of absolute values of each pixel's channels"),
    "n - 1": ("MVN", "", lambda x: (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True),
              "the deviation of n − 1 values"),
    "bilinear": ("Upsample", "", lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear"),
                 "bilinear interpolation, half-pixel (align_corners=False)"),
    "side by side": ("Upsample", "", lambda x: x.repeat(1, 1, 2, 2), "the whole map, repeated side by side"),
    "bicubic": ("Interp", "interp_param { height: 17 width: 13 }",
                lambda x: functional.interpolate(x, (17, 13), mode="bicubic", align_corners=True), "bicubic"),
    "interleaved": ("Tile", "tile_param { tiles: 2 }", lambda x: x.repeat_interleave(2, 1), "each value repeated"),
    "smallest": ("ArgMax", "argmax_param { axis: 1 }", lambda x: x.argmin(1, keepdim=True).float(),
                 "the place of the smallest value"),
    "L2": ("Pooling", "pooling_param { kernel_size: 2 round_mode: FLOOR }",
           lambda x: functional.lp_pool2d(x, 2.0, 2, 1), "pooling by L2 norm"),
    "SiLU": ("HardSwish", "", functional.silu, "SiLU (Swish) in place of layer l (HardSwish)"),
    "hard sigmoid": ("HardSigmoid", "", functional.hardsigmoid, "hard sigmoid, x / 6 + 1/2"),
    "CELU": ("ELU", "elu_param { alpha: 0.7 }", lambda x: functional.celu(x, 0.7), "CELU"),
    "radius": ("LRN", "lrn_param { local_size: 3 alpha: 0.6 }",
               lambda x: functional.local_response_norm(x, 7, 0.6 * 7, 0.75, 1.0), RADIUS),
    "the batch's": ("BN", "bn_param { frozen: true eps: 1e-5 }",
                    lambda x: functional.batch_norm(x, None, None, training=True), "the batch's own mean"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_is_named(name):
    kind, settings, formula, said = FORMULAS[name]
    net = single_layer(kind, {"x": X.shape}, settings, seed=1)
    assert said in verdict(net, {"x": X}, formula(torch.from_numpy(X)).numpy())


@pytest.mark.parametrize(("flow", "said"), [(-FLOW, "the opposite sign"), (FLOW[:, ::-1].copy(), "y before x")])
def test_flows(flow, said):
    net = single_layer("FlowWarp", {"x": X.shape, "f": FLOW.shape})
    made = net({"x": torch.from_numpy(X), "f": torch.from_numpy(flow)})["t"].numpy()
    assert said in verdict(net, {"x": X, "f": FLOW}, made)


def test_a_mask_that_is_not_looked_at():
    mask = np.broadcast_to(np.arange(63, dtype=np.float32).reshape(9, 7) * 2 + 15, X.shape).copy()
    net = single_layer("Upsample", {"x": X.shape, "m": X.shape}, "upsample_param { scale: 2 }")
    wrong = np.zeros((2, 6, 18, 14), np.float32)
    wrong[:, :, ::2, ::2] = X
    assert "in the upper left corner of its window" in verdict(net, {"x": X, "m": mask}, wrong)


def verdict(net, bottoms, wrong):
    run = LayerRun([net.layer("l").spec], net)
    (cause,) = explain(run, bottoms, "B", wrong, run.top(bottoms))
    return cause.what


BOXES = {
    "boxes in pixels": lambda b: b * np.float32([30, 40, 30, 40]),
    "boxes as centre, width and height": lambda b: np.concatenate([(b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2]], 1),
    "boxes as corner, width and height": lambda b: np.concatenate([b[:, :2], b[:, 2:] - b[:, :2]], 1),
    "boxes with y before x": lambda b: b[:, [1, 0, 3, 2]],
    "boxes with both x before both y": lambda b: b[:, [0, 2, 1, 3]],
    "boxes from the last place to the first": lambda b: b[::-1],
    "boxes before whose places columns come": lambda b: b.reshape(5, 3, -1, 4).swapaxes(0, 1).reshape(-1, 4),
}


@pytest.mark.parametrize("said", BOXES)
def test_boxes_said_otherwise(said):
    shapes = {"x": (1, 2, 5, 3), "image": (1, 3, 40, 30)}
    bottoms = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    net = single_layer(
        "PriorBox", shapes, "prior_box_param { min_size: 6 aspect_ratio: 2 aspect_ratio: 3 flip: false }"
    )
    boxes, variances = net({name: torch.from_numpy(b) for name, b in bottoms.items()})["t"].numpy()[0].reshape(2, -1, 4)
    made = np.stack([BOXES[said](boxes), variances]).reshape(1, 2, -1).astype(np.float32)
    assert f"{said}" in verdict(net, bottoms, made)
    made = np.stack([boxes, np.ones_like(variances)]).reshape(1, 2, -1)
    assert "boxes whose variances are 1" in verdict(net, bottoms, made)
