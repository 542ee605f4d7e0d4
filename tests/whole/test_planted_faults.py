"""Faults that ports of a CPM make, planted into a small one: the diagnosis names where, and what."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

from .small_cpm import TEXT, blobs, first_cause, gaussian, net, origins, pixels, with_layer, with_text, with_weights

MEAN, DEVIATION = (np.reshape(v, (1, 3, 1, 1)) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


pytestmark = pytest.mark.usefixtures("one_thread")


def with_image(change):
    """Blobs of the net given `change` of the pixels 0 … 255, BGR."""
    data = pixels()
    image = change(data[:, :3].astype(np.float64) * 256 + 128)
    return blobs(data=np.concatenate([image, data[:, 3:]], 1).astype(np.float32))


def with_centre(centre):
    return blobs(data=np.concatenate([pixels()[:, :3], centre], 1).astype(np.float32))


INPUTS = {
    "divided by 255": (lambda: with_image(lambda p: p / 255 - 0.5), "a division by 255 in place of 256"),
    "from 0 to 1": (lambda: with_image(lambda p: p / 255), "B has pixels / 255, 0 … 1, in place of (p − 128) / 256"),
    "as they are": (lambda: with_image(lambda p: p), "B has pixels 0 … 255 as they are, in place of"),
    "not divided": (lambda: with_image(lambda p: p - 128), "a constant factor of 256: a division by 256"),
    "from -1 to 1": (lambda: with_image(lambda p: p / 127.5 - 1), "B has pixels / 127.5 − 1, in place of"),
    "RGB": (lambda: with_image(lambda p: (p[:, ::-1] - 128) / 256), "channels swapped, RGB against BGR"),
    "ImageNet": (
        lambda: with_image(lambda p: (p / 255 - MEAN[:, ::-1]) / DEVIATION[:, ::-1]),
        "B has ImageNet's mean and standard deviation (BGR, torchvision's), in place of (p − 128) / 256",
    ),
    "mean of Caffe": (
        lambda: with_image(lambda p: p - np.reshape((104, 117, 123), (1, 3, 1, 1))),
        "B has pixels less ImageNet's mean (BGR), in place of",
    ),
    "mirrored": (lambda: with_image(lambda p: (p[..., ::-1] - 128) / 256), "mirrored from left to right"),
    "upside down": (lambda: with_image(lambda p: (p[..., ::-1, :] - 128) / 256), "mirrored upside down"),
    "three pixels off": (
        lambda: with_image(lambda p: (np.roll(p, 3, 3) - 128) / 256),
        "shifted by 3 pixels (+3 along W)",
    ),
    "batch reversed": (lambda: blobs(data=pixels()[::-1].copy()), "images in reversed order"),
    "no centre map": (lambda: with_centre(0 * gaussian(6)), "B lacks the centre map"),
    "centre map of another sigma": (
        lambda: with_centre(gaussian(5)),
        "the centre map alone differs: B's Gaussian has sigma 5 in place of A's 6",
    ),
    "centre map elsewhere": (
        lambda: with_centre(gaussian(6, 19, 21.5)),
        "the centre map alone differs: B's Gaussian has its peak moved by +1 rows and +0.5 columns",
    ),
    "centre map up to 255": (
        lambda: with_centre(255 * gaussian(6)),
        "the centre map alone differs: a constant factor of 255",
    ),
    "another picture": (lambda: blobs(data=pixels(9)), "other values"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_of_the_input(name):
    make, said = INPUTS[name]
    wrong = make()
    (origin,) = origins(blobs(), wrong)  # no fault of its own after the input's
    assert origin.name == "data" and said in origin.causes[0].what
    assert said in first_cause(wrong, prototxt=False)[1]


def test_two_causes_of_the_input_at_once():
    wrong = with_image(lambda p: (p[:, ::-1] / 255 - MEAN) / DEVIATION)
    (origin,) = origins(blobs(), wrong)
    swapped, normalised = origin.causes
    assert swapped.what == "channels swapped, RGB against BGR" and "together with the next" in swapped.evidence
    assert normalised.what.startswith("B has ImageNet's mean and standard deviation (RGB")
    (origin,) = origins(with_image(lambda p: p[..., ::-1] / 255 - 0.5), blobs())
    assert origin.causes[0].what == "mirrored from left to right"
    assert "a division by 255 in place of 256" in origin.causes[1].what


def convolved(x, pads, mode="constant", name="conv2", **options):
    """What a convolution and its ReLU make of a bottom that is padded like that."""
    layer = net().layer(name)
    return functional.relu(functional.conv2d(functional.pad(x, pads, mode=mode), layer.weight, layer.bias, **options))


RELU2 = 'layer { name: "relu_conv2" type: "ReLU" bottom: "conv2" top: "conv2" }'
LEAKY = RELU2.replace(" }", " relu_param { negative_slope: 0.1 } }")
SETTINGS = {
    "leaky ReLU": (lambda: with_text(RELU2, LEAKY), "conv2", "a leaky ReLU of slope 0.1 in place of layer relu_conv2"),
    "no ReLU": (lambda: with_text(RELU2, ""), "conv2", "a net without layer relu_conv2 (ReLU)"),
    "AVE": (
        lambda: with_text("pool: MAX kernel_size: 3", "pool: AVE kernel_size: 3"),
        "pool1",
        "pooling by AVE in place of MAX; layer pool1 takes MAX",
    ),
    "floor": (
        lambda: with_layer("pool1", lambda x: functional.max_pool2d(x, 3, 2)),
        "pool1",
        "pooling that rounds down (floor); layer pool1 rounds up",
    ),
    "floor with padding": (
        lambda: with_layer("pool1", lambda x: functional.max_pool2d(x, 3, 2, 1)),
        "pool1",
        "pooling that rounds down (floor) and with padding 1; layer pool1 rounds up and has 0",
    ),
    "smaller pooling": (
        lambda: with_text("pool: MAX kernel_size: 3", "pool: MAX kernel_size: 2"),
        "pool1",
        "pooling over 2×2; layer pool1 over 3×3",
    ),
    "LRN's alpha": (lambda: with_text("alpha: 0.5", "alpha: 2.5"), "norm1", "alpha 0.5 not divided by the window's 5"),
    "LRN's size": (lambda: with_text("local_size: 5", "local_size: 3"), "norm1", "LRN with local_size 3"),
    "no LRN": (lambda: with_layer("norm1", lambda x: x), "norm1", "a net without layer norm1 (LRN)"),
    "eps": (
        lambda: with_text(' top: "bn1" ', ' top: "bn1" batch_norm_param { eps: 1e-3 } '),
        "bn1",
        "batch normalisation with eps 0.001; layer bn1 has 1e-05",
    ),
    "statistics of the batch": (
        lambda: with_text(' top: "bn1" ', ' top: "bn1" batch_norm_param { use_global_stats: false } '),
        "bn1",
        "batch normalisation by the batch's own mean and variance",
    ),
    "no padding": (
        lambda: with_layer("Mconv2_stage3", lambda x: functional.conv2d(x, *net().layer("Mconv2_stage3").parameters())),
        "Mconv2_stage3",
        "a convolution with padding 0; layer Mconv2_stage3 has padding 1",
    ),
    "reflected padding": (
        lambda: with_layer("conv2", lambda x: convolved(x, (1, 1, 1, 1), "reflect")),
        "conv2",
        "a convolution whose padding is the map reflected; layer conv2 pads with zeros",
    ),
    "padding on one side": (
        lambda: with_layer("conv2", lambda x: convolved(x, (2, 0, 2, 0))),
        "conv2",
        "a convolution with padding 2 above, 0 below, 2 left, 0 right; layer conv2 has padding 1",
    ),
    "dilated": (
        lambda: with_layer("conv2", lambda x: convolved(x, (2, 2, 2, 2), dilation=2)),
        "conv2",
        "a convolution with dilation 2; layer conv2 has 1",
    ),
    "bottoms in another order": (
        lambda: with_layer("concat_stage2", lambda a, b, c: torch.cat([b, a, c], 1)),
        "concat_stage2",
        "the bottoms of layer concat_stage2 joined in the order 2, 1, 3",
    ),
    "softmax of rows": (
        lambda: with_text('top: "prob" ', 'top: "prob" softmax_param { axis: 2 }'),
        "prob",
        "softmax along axis 2; layer prob has 1",
    ),
    "no softmax": (lambda: with_layer("prob", lambda x: x), "prob", "a net without layer prob (Softmax)"),
    "no coeff": (lambda: with_text("coeff: 0.5 coeff: 0.5", ""), "halved", "without the coeff of layer halved"),
    "maximum": (
        lambda: with_text("operation: SUM coeff: 0.5 coeff: 0.5", "operation: MAX"),
        "halved",
        "MAX of the bottoms; layer halved takes their SUM",
    ),
    "half pixels": (
        lambda: with_layer("up", lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear")),
        "up",
        "bilinear interpolation, half-pixel (align_corners=False) in place of layer up",
    ),
    "corners aligned": (
        lambda: with_layer(
            "up", lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        ),
        "up",
        "bilinear interpolation, corners aligned (align_corners=True) in place of layer up",
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_of_a_layers_settings(name):
    make, layer, said = SETTINGS[name]
    wrong = make()
    for side in "AB":
        where, what = first_cause(wrong, side)
        assert where == layer and f"{side} comes from" in what and said in what


WEIGHTS = {
    "scaled": (lambda w: 1.1 * w, "weight", "scaled by 1.1"),
    "bias scaled": (lambda b: 2 * b, "bias", "with a bias scaled by 2"),
    "no bias": (lambda b: 0 * b, "bias", "without the bias"),
    "another bias": (lambda b: b + torch.linspace(-0.1, 0.2, 8), "bias", "with another bias"),
    "batch normalisation folded": (
        lambda w: w * torch.linspace(0.5, 2, 8).reshape(-1, 1, 1, 1),
        "weight",
        "scaled for each output, with another bias: batch normalisation folded otherwise",
    ),
    "moved": (lambda w: torch.roll(w, 1, 2), "weight", "kernels moved by one (+1 along H)"),
    "rows for columns": (lambda w: w.transpose(2, 3), "weight", "height and width (rows and columns) exchanged"),
    "turned": (lambda w: w.flip(2, 3), "weight", "turned by 180°, a convolution against Caffe's correlation"),
    "inputs for outputs": (lambda w: w.transpose(0, 1), "weight", "inputs and outputs exchanged"),
    "of another layer": (lambda w: net().layer("conv3").weight, "weight", "those of layer conv3"),
    "8 bits, none for 0": (
        lambda w: steps(w),
        "weight",
        "equal steps of 8 bits from the least to the largest: quantised",
    ),
}


def steps(weight):
    step = (weight.max() - weight.min()) / 255
    return torch.round((weight - weight.min()) / step) * step + weight.min()


@pytest.mark.parametrize("name", WEIGHTS)
def test_of_a_layers_weights(name):
    change, blob, said = WEIGHTS[name]
    where, what = first_cause(with_weights("conv2", change, blob))
    assert where == "conv2" and what.startswith("B has other weights of layer conv2: ") and said in what


def test_weights_that_nothing_explains_are_said_to_be_unknown():
    wrong = with_weights("Mconv1_stage2", torch.randn_like)  # 651 weights of an output, too few places to solve them
    assert first_cause(wrong) == (
        "Mconv1_stage2",
        "B was computed with other weights or settings of layer Mconv1_stage2",
    )
    wrong = with_weights("conv2", torch.randn_like)  # 73, which follow from the map
    where, what = first_cause(wrong)
    assert where == "conv2" and what.startswith("B has other weights of layer conv2: ") and "another file" in what
    where, what = first_cause(wrong, weights=False)
    assert where == "conv2" and "other weights" in what and "other settings of the layer conv2" in what


def test_without_the_weights():
    assert "a ReLU that B lacks, or B's is leaky" in first_cause(with_text(RELU2, LEAKY), weights=False)[1]
    assert "pooling by AVE" in first_cause(SETTINGS["AVE"][0](), weights=False)[1]
    assert "pooling by AVE in place of MAX; Caffe's takes MAX" in first_cause(SETTINGS["AVE"][0](), prototxt=False)[1]


def test_dropout_that_was_left_on():
    torch.manual_seed(1)
    wrong = with_layer("conv3", lambda x: functional.dropout(convolved(x, (1, 1, 1, 1), name="conv3"), 0.5))
    for known in ({}, {"weights": False}, {"prototxt": False}):
        assert first_cause(wrong, **known) == ("conv3", "dropout is at work in B")


def test_left_and_right():
    order = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 14]
    exchanged = {name: v[:, order] if name == "Mconv2_stage3" else v for name, v in blobs().items()}
    assert first_cause(exchanged)[1] == "left and right exchanged"
    turned = {name: v[:, order, :, ::-1] if name == "Mconv2_stage3" else v for name, v in blobs().items()}
    assert first_cause(turned)[1] == "mirrored, left and right parts with it"


def test_one_stale_blob():
    stale = {**blobs(), "conv3": blobs(data=pixels(8))["conv3"]}
    (origin,) = origins(blobs(), stale)
    (cause,) = origin.causes
    assert origin.name == "conv3" and "it was right when it was used: stale" in cause.what
    assert cause.evidence.startswith("what is made of it agrees (conv4_stage1, ")
    before_relu = blobs(net(TEXT.replace(RELU2.replace("conv2", "conv3"), "")))["conv3"]
    (origin,) = origins(blobs(), {**blobs(), "conv3": before_relu})
    assert [cause.what[:40] for cause in origin.causes] == [
        "B comes from a net without layer relu_co",
        "it was right when it was used: stale, wr",
    ]


def test_a_blob_that_was_changed_behind_its_use():
    """Its layer's weights are none of the reason: what is made of it agrees."""
    scaled = {**blobs(), "Mconv2_stage3": 100 * blobs()["Mconv2_stage3"]}
    (origin,) = origins(blobs(), scaled)
    assert origin.causes[0].what == "a constant factor of 100" and "stale" in origin.causes[1].what


def test_a_weight_that_is_not_finite():
    def broken(weight):
        weight[2, 1, 1, 1] = float("nan")
        return weight

    (cause,) = origins(blobs(), with_weights("conv3", broken))[0].causes
    assert cause.what == "NaN in B" and "all in channel 2, first at (0, 2, 0, 0)" in cause.evidence


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.half().float(), "B comes from weights, not the bias, that are rounded to float16"),
        (
            lambda w: torch.round(w / (w.abs().max() / 127)) * (w.abs().max() / 127),
            "8 bits times one factor: quantised",
        ),
        (steps, "equal steps of 8 bits from the least to the largest: quantised"),
    ],
)
def test_weights_of_few_bits_that_the_map_is_too_small_to_solve(change, said):
    where, what = first_cause(with_weights("Mconv1_stage2", change))
    assert where == "Mconv1_stage2" and said in what


def test_centre_maps_that_are_rounded_or_missing():
    half = gaussian(6).astype(np.float16)
    assert first_cause(with_centre(half))[1] == "the centre map alone differs: B is rounded to float16"
    one = gaussian(6) * np.reshape([1, 0], (2, 1, 1, 1))
    assert "the centre map alone differs: images 1 of B are all zero" in first_cause(with_centre(one))[1]


def test_two_names_exchanged():
    right = blobs()
    found = origins(right, {**right, "conv2": right["conv3"], "conv3": right["conv2"]})
    assert [(o.name, o.causes[0].what.split(":")[0]) for o in found] == [
        ("conv2", "B holds conv3 under this name"),
        ("conv3", "B holds conv2 under this name"),
    ]


def test_faults_of_two_layers():
    """The second shows although its inputs are wrong already."""
    faulty = Net(parse_net(TEXT, "net"))
    faulty.load_state_dict(net().state_dict())
    with torch.no_grad():
        faulty.layer("conv2").weight.copy_(net().layer("conv2").weight.transpose(2, 3))
        faulty.layer("Mconv1_stage3").bias.zero_()
    for sides, side in (((blobs(), blobs(faulty)), "B"), ((blobs(faulty), blobs()), "A")):
        first, second = origins(*sides)
        assert first.name == "conv2" and "height and width" in first.causes[0].what
        assert second.name == "Mconv1_stage3"
        assert second.causes[0].what == f"{side} has other weights of layer Mconv1_stage3: without the bias"
        assert f"of {side}'s own inputs" in second.causes[0].evidence


def test_a_whole_run_in_low_precision_is_one_cause():
    rounded = {name: v.astype(np.float16).astype(np.float32) for name, v in blobs().items()}
    rounded["data"] = blobs()["data"]
    assert all(cause.what == "B is rounded to float16" for o in origins(blobs(), rounded) for cause in o.causes)


def test_missing_blobs_are_joined_by_stage():
    right = blobs()
    lacking = {name: v for name, v in right.items() if "_stage3" not in name and name != "up"}
    found = origins(lacking, right)
    labels = [origin.name for origin in found]
    assert "Mconv2_stage3" in labels[0] and "arrays of stage3)" in labels[0] and len(labels) == 2
    assert found[0].causes[0].what == "A lacks it: its net has no such blob, or its dump ends early"


def test_what_other_weights_leave_is_said():
    """Zeros behind a ReLU tell no weight: the strip shows in what the bias leaves."""
    wrong = with_weights("conv3", lambda b: b + 0.5 * (torch.arange(8) == 0), "bias")
    wrong["conv3"] = wrong["conv3"].copy()
    assert "its bias of output 0 alone, 0.601712 in place of" in origins(blobs(), wrong)[0].causes[0].what
    wrong["conv3"][:, :, 2:5] = 0
    (cause,) = origins(blobs(), wrong)[0].causes[:1]
    assert "only bias (0,) differs" in cause.what and "more may be wrong" in cause.evidence
