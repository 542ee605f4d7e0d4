"""Where a Crop without offsets is cut: FCN's nets say in BVLC's form (`offset`) what their own Caffe found itself."""

import warnings

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError, Note
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

SIZES = "convolution_param { num_output: 2 "


def fcn(last_stride: int, first_pad: int = 100, size: int = 70) -> str:
    """FCN's VGG with 2 channels, down to the pooling of that stride's map; V1, as in 2014."""
    lines, blob = [f'input: "data" input_dim: 1 input_dim: 3 input_dim: {size} input_dim: {size + 9}'], "data"
    for stage in range(1, 6):
        pad = first_pad if stage == 1 else 1
        lines.append(v1("CONVOLUTION", f"conv{stage}", blob, f"{SIZES} kernel_size: 3 pad: {pad} }}"))
        lines.append(v1("POOLING", f"pool{stage}", f"conv{stage}", "pooling_param { kernel_size: 2 stride: 2 }"))
        blob = f"pool{stage}"
    lines.append(v1("CONVOLUTION", "fc6", blob, f"{SIZES} kernel_size: 7 }}"))
    blob, stride, pool = "fc6", 32, 4
    while stride > last_stride:
        lines.append(v1("DECONVOLUTION", f"up{pool}", blob, f"{SIZES} kernel_size: 4 stride: 2 }}"))
        lines.append(v1("CONVOLUTION", f"score{pool}", f"pool{pool}", f"{SIZES} kernel_size: 1 }}"))
        lines.append(v1("CROP", f"crop{pool}", f"score{pool} up{pool}"))
        lines.append(v1("ELTWISE", f"fuse{pool}", f"up{pool} crop{pool}"))
        blob, stride, pool = f"fuse{pool}", stride // 2, pool - 1
    lines.append(v1("DECONVOLUTION", "big", blob, f"{SIZES} kernel_size: {2 * stride} stride: {stride} }}"))
    lines.append(v1("CROP", "score", "big data"))
    return "\n".join(lines)


def v1(kind: str, name: str, bottoms: str, more: str = "") -> str:
    made_of = " ".join(f"bottom: '{bottom}'" for bottom in bottoms.split())
    return f"layers {{ name: '{name}' type: {kind} {made_of} top: '{name}' {more} }}"


def v2(text: str) -> str:
    names = {"CONVOLUTION": "Convolution", "DECONVOLUTION": "Deconvolution", "POOLING": "Pooling", "CROP": "Crop"}
    text = text.replace("layers {", "layer {").replace("ELTWISE", "'Eltwise'")
    for old, new in names.items():
        text = text.replace(f"type: {old}", f"type: '{new}'")
    return text


def offsets(text: str) -> dict[str, list[int]]:
    net = Net(parse_net(text, "net"), only_shapes=True)
    return {layer.name: list(layer.crop_param.offset) for layer in net.param.layer if layer.type == "Crop"}


@pytest.mark.parametrize(
    ("stride", "published"),
    [
        (32, {"score": [19, 19]}),
        (16, {"crop4": [5, 5], "score": [27, 27]}),
        (8, {"crop4": [5, 5], "crop3": [9, 9], "score": [31, 31]}),
    ],
)
def test_fcns_of_v1_are_cut_where_those_of_today_say(stride, published):
    assert offsets(fcn(stride)) == published


def test_todays_crop_cuts_from_the_corner_and_a_note_says_what_others_did():
    with pytest.warns(Note, match=r"layer 'score' \(Crop\) cuts 'score' from the corner.*crop_param \{ offset: 19 \}"):
        assert offsets(v2(fcn(32))) == {"score": []}


@pytest.mark.parametrize(("kernel", "what"), [(3, "right from the corner"), (4, "half a pixel beside")])
def test_where_no_offset_would_be_better_there_is_nothing_to_say(kernel, what):
    net = f"""input: "data" input_dim: 1 input_dim: 2 input_dim: 9 input_dim: 11
    layer {{ name: "a" type: "Convolution" bottom: "data" top: "a" {SIZES} kernel_size: 3 stride: 2 pad: 1 }} }}
    layer {{ name: "up" type: "Deconvolution" bottom: "a" top: "up" {SIZES} kernel_size: {kernel} stride: 2 pad: 1 }} }}
    layer {{ name: "relu" type: "ReLU" bottom: "up" top: "up" }}
    layer {{ name: "crop" type: "Crop" bottom: "up" bottom: "data" top: "crop" }}"""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert offsets(net) == {"crop": []}, what


def test_rows_and_columns_may_be_cut_apart():
    net = """layers { name: "p" type: CONVOLUTION bottom: "data" top: "p" convolution_param { num_output: 3 kernel_h: 5
    kernel_w: 3 pad_h: 5 pad_w: 7 } }
    layers { name: "c" type: CROP bottom: "p" bottom: "data" top: "c" }
    layers { name: "q" type: CONVOLUTION bottom: "c" top: "q" convolution_param { num_output: 3 kernel_size: 1
    pad: 4 } }
    layers { name: "d" type: CROP bottom: "q" bottom: "data" top: "d" }"""
    head = 'input: "data" input_dim: 1 input_dim: 2 input_dim: 9 input_dim: 8\n'
    assert offsets(head + net) == {"c": [3, 6], "d": [4, 4]}
    shifted = Net(parse_net(head + net, "net"), seed=1)
    x = torch.from_numpy(np.random.default_rng(3).standard_normal((1, 2, 9, 8)).astype(np.float32))
    blobs = shifted({"data": x})
    torch.testing.assert_close(blobs["c"], blobs["p"][:, :, 3:12, 6:14], rtol=0, atol=0)


def test_what_cannot_be_laid_over_the_other_is_refused():
    net = """input: "data" input_dim: 1 input_dim: 2 input_dim: 9 input_dim: 8
    input: "other" input_dim: 1 input_dim: 2 input_dim: 5 input_dim: 5
    layers { name: "c" type: CROP bottom: "data" bottom: "other" top: "c" }"""
    with pytest.raises(InputError, match=r"layer 'c' \(Crop\): expected bottoms of which one lies over the other"):
        offsets(net)
