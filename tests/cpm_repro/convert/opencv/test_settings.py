"""Settings that OpenCV ignores: named, and not held against the file."""

import pytest

from cpm_repro.convert.check import check
from cpm_repro.convert.opencv.settings import ignored_by_opencv
from prototxt_import.formats.caffemodel import write_caffemodel
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

LAYERS = [
    ('type: "InnerProduct" inner_product_param { num_output: 4 transpose: true FILLER }', "transpose"),
    ('type: "LRN" lrn_param { local_size: 3 alpha: 0.5 k: 3 }', "k"),
    ('type: "LRN"', "that alpha is 1 unless set"),
    ('type: "Deconvolution" convolution_param { num_output: 2 kernel_size: 3 dilation: 2 FILLER }', "dilation"),
    ('type: "Convolution" convolution_param { num_output: 2 kernel_size: 3 pad_w: 1 FILLER }', "pad_w"),
    ('type: "Pooling" pooling_param { kernel_size: 3 pad_h: 1 }', "pad_h"),
    ('type: "Pooling" pooling_param { pool: AVE kernel_size: 3 pad_h: 1 }', "pad_h"),
    (
        'type: "Pooling" pooling_param { kernel_size: 2 stride: 4 }',
        "that the maximum of nothing is the lowest float",
    ),
    ('type: "Swish" swish_param { beta: 1.5 }', "beta"),
    ('type: "MVN" mvn_param { eps: 0.5 }', "eps"),
    ('type: "Log" log_param { shift: 9 }', "shift"),
    ('type: "Reorg" reorg_param { stride: 2 reverse: true }', "reverse"),
    ('type: "Interp" interp_param { height: 14 width: 18 pad_beg: -1 }', "pad_beg"),
    ('type: "Resample" resample_param { type: NEAREST width: 4 height: 5 }', "where this fork finds the places"),
    (
        'bottom: "data" type: "Correlation" '
        "correlation_param { kernel_size: 1 max_displacement: 2 pad: 2 correlation_type: SUBTRACT }",
        "correlation_type",
    ),
]


def _net(layer: str) -> tuple[Net, str]:
    layer = layer.replace("FILLER", 'weight_filler { type: "xavier" }')
    text = f"""input: "data" input_shape {{ dim: 1 dim: 4 dim: 8 dim: 6 }}
        layer {{ name: "l" bottom: "data" top: "y" {layer} }}
        layer {{ name: "c" bottom: "data" top: "z" type: "InnerProduct"
                inner_product_param {{ num_output: 2 weight_filler {{ type: "xavier" }} }} }}"""
    return Net(parse_net(text, "n"), seed=1), text


@pytest.mark.parametrize(("layer", "ignored"), LAYERS)
def test_what_opencv_ignores_is_said_and_not_held_against_the_file(tmp_path, layer, ignored):
    pytest.importorskip("cv2", reason="cv2 is not installed (extra `test`)")
    net, text = _net(layer)
    write_caffemodel(tmp_path / "n.caffemodel", net.to_caffemodel())
    read_back, opencv = check(net, text, tmp_path / "n.caffemodel")
    assert read_back.fits and read_back.blobs and opencv.fits
    assert f"for it ignores {ignored} of layer 'l'" in opencv.remark
    assert ignored_by_opencv(net) == [f"{ignored} of {net.layer('l').where}"]


@pytest.mark.parametrize(
    ("fields", "remark"),
    [
        ("min_size: 35.84 clip: false", "takes min_size and max_size for whole pixels of layer 'l'"),
        ("min_size: 35", "that nothing is clipped unless clip is set of layer 'l'"),
        ("min_size: 35 clip: false", ""),
    ],
)
def test_opencv_takes_prior_boxes_otherwise(tmp_path, fields, remark):
    pytest.importorskip("cv2", reason="cv2 is not installed (extra `test`)")
    text = f"""input: "data" input_shape {{ dim: 1 dim: 3 dim: 60 dim: 60 }}
        layer {{ name: "c" type: "Convolution" bottom: "data" top: "c"
                convolution_param {{ num_output: 2 kernel_size: 9 stride: 9 weight_filler {{ type: "xavier" }} }} }}
        layer {{ name: "l" type: "PriorBox" bottom: "c" bottom: "data" top: "p"
                prior_box_param {{ variance: 0.1 {fields} }} }}"""
    net = Net(parse_net(text, "n"), seed=1)
    write_caffemodel(tmp_path / "n.caffemodel", net.to_caffemodel())
    read_back, opencv = check(net, text, tmp_path / "n.caffemodel")
    assert read_back.fits and opencv.fits and bool(opencv.blobs) == (not remark)
    assert remark in opencv.remark
