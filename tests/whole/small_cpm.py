"""A CPM in small, with everything whose ports go wrong: its blobs, and those of the same net with a fault in it."""

import functools

import numpy as np
import torch

from cpm_repro.array_comparison import EQUAL_BITS
from cpm_repro.compare.blobs import compare_dumps
from cpm_repro.compare.diagnosis import Diagnosis
from cpm_repro.compare.dump import dump_net
from cpm_repro.compare.dump_files import dump_of
from cpm_repro.compare.order import NetworkOrder
from cpm_repro.compare.origins import Origin
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

MAPS = 15  # 14 parts and the background


def _conv(name, bottom, outputs, kernel, relu=True, extra=""):
    rectified = f'layer {{ name: "relu_{name}" type: "ReLU" bottom: "{name}" top: "{name}" }}' if relu else ""
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" convolution_param {{ '
        f'num_output: {outputs} kernel_size: {kernel} pad: {kernel // 2} {extra} weight_filler {{ type: "msra" }} '
        f'bias_filler {{ type: "uniform" min: -0.2 max: 0.3 }} }} }}\n{rectified}\n'
    )


def _layer(name, kind, bottoms, settings=""):
    bottoms = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} top: "{name}" {settings} }}\n'


def _stage(stage, features, beliefs):
    concat, first, second = (f"{name}_stage{stage}" for name in ("concat", "Mconv1", "Mconv2"))
    return (
        _layer(concat, "Concat", f"{features} {beliefs} centre")
        + _conv(first, concat, 6, 5)
        + _conv(second, first, MAPS, 3, relu=False)
    )


TEXT = (
    'input: "data" input_shape { dim: 2 dim: 4 dim: 37 dim: 42 }\n'
    'layer { name: "slice" type: "Slice" bottom: "data" top: "image" top: "centre_full" '
    "slice_param { slice_point: 3 } }\n"
    + _layer("centre", "Pooling", "centre_full", "pooling_param { pool: AVE kernel_size: 5 stride: 2 }")
    + _conv("conv1", "image", 8, 3)
    + _layer("norm1", "LRN", "conv1", "lrn_param { local_size: 5 alpha: 0.5 beta: 0.75 }")
    + _layer("pool1", "Pooling", "norm1", "pooling_param { pool: MAX kernel_size: 3 stride: 2 }")
    + _layer("bn1", "BatchNorm", "pool1")
    + _conv("conv2", "pool1", 8, 3)
    + _conv("conv3", "conv2", 8, 3)
    + _conv("conv4_stage1", "conv3", MAPS, 1, relu=False)
    + _layer("crop", "Crop", "conv4_stage1 centre")
    + _layer("features", "Crop", "conv3 centre")
    + _layer("halved", "Eltwise", "conv2 conv3", "eltwise_param { operation: SUM coeff: 0.5 coeff: 0.5 }")
    + _layer("prob", "Softmax", "crop")
    + _stage(2, "features", "crop")
    + _stage(3, "features", "Mconv2_stage2")
    + 'layer { name: "up" type: "Deconvolution" bottom: "Mconv2_stage3" top: "up" convolution_param { num_output: 15 '
    'group: 15 kernel_size: 4 stride: 2 pad: 1 bias_term: false weight_filler { type: "bilinear" } } }'
)


def pixels(seed=3):
    """Pictures of 8 bits, and their centre map as a CPM has it."""
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (2, 3, 37, 42))
    return np.concatenate([(image - 128) / 256, gaussian(sigma=6)], 1).astype(np.float32)


def gaussian(sigma, row=18, column=21, height=1.0):
    """(2, 1, 37, 42)."""
    y, x = np.mgrid[:37, :42]
    values = height * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * sigma**2))
    return np.broadcast_to(values, (2, 1, 37, 42)).copy()


@functools.cache
def net(text=TEXT):
    """The net with its weights; those of layers that `text` shares with TEXT are the same."""
    made, random = Net(parse_net(text, "net"), seed=5), torch.Generator().manual_seed(5)
    with torch.no_grad():
        made.layer("bn1").mean.uniform_(0, 1, generator=random)
        made.layer("bn1").variance.uniform_(0.01, 2, generator=random)
        made.layer("bn1").factor.fill_(1)
    if text != TEXT:
        made.load_state_dict(net().state_dict(), strict=False)
    return made


def blobs(of=None, data=None):
    """Every blob of a forward pass of `net()`, or of another."""
    return dict(_right() if of is data is None else _run(of or net(), pixels() if data is None else data))


@functools.cache
def _right():
    return _run(net(), pixels())


def _run(of, data):
    return dump_net(of, {"data": data}, False)


def with_text(old, new):
    """Blobs of the net with other settings."""
    assert old in TEXT
    return blobs(net(TEXT.replace(old, new)))


def with_weights(layer, change, blob="weight"):
    """Blobs of the net with one blob changed."""
    made = Net(parse_net(TEXT, "net"))
    made.load_state_dict(net().state_dict())
    parameter = getattr(made.layer(layer), blob)
    with torch.no_grad():
        parameter.copy_(change(parameter.clone()))
    return blobs(made)


def unfolded(made):
    """The net, with ReLUs that are computed for themselves."""
    for layer in made.layers.values():
        layer.folded = layer.folded_relu = False
    return made


def with_layer(layer, function):
    """Blobs of the net with another function in place of a layer's."""
    made = unfolded(Net(parse_net(TEXT, "net")))
    made.load_state_dict(net().state_dict())
    made.layer(layer).forward = function
    return blobs(made)


def origins(a, b, prototxt=True, weights=True, common=False, of=None) -> list[Origin]:
    """What the diagnosis says of two dumps, of this net or another."""
    a, b, known = dump_of("A", a), dump_of("B", b), of or net()
    order = NetworkOrder(a.names, b.names, known.param if prototxt else None)
    compared = compare_dumps(a, b, order, EQUAL_BITS, common)
    return Diagnosis(compared, a, b, order, known if prototxt and weights else None).origins()


def first_cause(wrong, side="B", **known):
    """(name of the first origin, its first cause) where `side` holds `wrong` and the other the right blobs."""
    sides = (wrong, blobs()) if side == "A" else (blobs(), wrong)
    first = origins(*sides, **known)[0]
    return first.name, first.causes[0].what
