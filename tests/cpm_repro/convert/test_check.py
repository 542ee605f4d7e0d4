"""The comparison of a converted file with its source: what fits, and what must not."""

import sys

import numpy as np
import pytest
import torch

from cpm_repro.convert.check import Check, check, check_table, compare_blobs
from cpm_repro.convert.weights import convert
from prototxt_import.files import InputError
from prototxt_import.formats.caffemodel import write_caffemodel
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net, load_net


@pytest.fixture
def mini(golden, tmp_path):
    """(weights, prototxt) of a CPM that a check runs in no time."""
    text = (golden / "net/mini_cpm_deploy.prototxt").read_text().replace("dim: 104", "dim: 56")
    (tmp_path / "mini.prototxt").write_text(text)
    return golden / "net/mini_cpm_deploy.caffemodel", tmp_path / "mini.prototxt"


@pytest.mark.parametrize("form", ["n.pt", "n.safetensors", "n.caffemodel", "n.caffemodel.h5", "n.onnx"])
def test_every_form_fits(mini, tmp_path, form):
    for package in ("safetensors", "onnx", "onnxruntime", "cv2"):
        pytest.importorskip(package, reason=f"{package} is not installed (extras `convert` and `test`)")
    weights, prototxt = mini
    net, text, _ = convert(weights, tmp_path / form, prototxt)
    checks = check(net, text, tmp_path / form)
    readers = {"n.onnx": ["ONNX Runtime"], "n.caffemodel": ["read back", "OpenCV"]}.get(form, ["read back"])
    assert [made.reader.split(" 4.")[0] for made in checks] == readers
    assert all(made.fits and not made.remark for made in checks)
    (blob,) = checks[0].blobs
    assert blob.name == "Mconv5_stage3" and blob.shapes == ((2, 15, 7, 7),) * 2
    assert blob.equal_percent == 100 or form == "n.onnx"
    assert "fits" in check_table(checks) and "NOT" not in check_table(checks)


@pytest.mark.parametrize("form", ["n.pt", "n.onnx", "n.caffemodel"])
def test_one_changed_weight_does_not_fit(mini, tmp_path, form):
    if form == "n.onnx":
        pytest.importorskip("onnxruntime", reason="the extra `convert` is not installed")
    weights, prototxt = mini
    net, text, _ = convert(weights, tmp_path / form, prototxt)
    with torch.no_grad():
        net.layers["Mconv5_stage3"].bias[3] += 0.01
    checks = check(net, text, tmp_path / form)
    assert not any(made.fits for made in checks if not made.remark)
    assert "DOES NOT FIT" in check_table(checks)


def test_opencv_is_told_apart_when_it_is_missing_or_cannot(mini, tmp_path, monkeypatch):
    weights, prototxt = mini
    net, text, _ = convert(weights, tmp_path / "n.caffemodel", prototxt)
    monkeypatch.setitem(sys.modules, "cv2", None)
    missing = check(net, text, tmp_path / "n.caffemodel")[1]
    assert missing.fits and missing.remark == "not installed, not compared"
    assert "OpenCV: not installed" in check_table([missing])


def test_a_net_that_opencv_cannot_read_is_no_failure(tmp_path):
    pytest.importorskip("cv2", reason="opencv-python-headless is not installed (extra `test`)")
    text = (
        'input: "x" input_shape { dim: 2 dim: 3 }'
        'layer { name: "f" type: "InnerProduct" bottom: "x" top: "f" inner_product_param { num_output: 2 } }'
        'layer { name: "t" type: "Threshold" bottom: "f" top: "t" }'
    )
    (tmp_path / "n.prototxt").write_text(text)
    net = load_net(tmp_path / "n.prototxt", seed=1)
    (tmp_path / "w.caffemodel").write_bytes(net.to_caffemodel().SerializeToString())
    net, text, _ = convert(tmp_path / "w.caffemodel", tmp_path / "n.caffemodel", tmp_path / "n.prototxt")
    own, opencv = check(net, text, tmp_path / "n.caffemodel")
    assert own.fits and opencv.fits and "cannot run this net" in opencv.remark


def test_numbers_of_a_comparison():
    expected = np.float32([1, -4, np.nan, np.inf, 0.0])
    blob = compare_blobs("b", expected, np.float32([1, -3, np.nan, np.inf, -0.0]))
    assert (blob.max_absolute, blob.share_of_largest, blob.equal_percent) == (1, 0.25, 60)
    assert compare_blobs("b", expected, np.float32([1, -4, 0, np.inf, 0])).share_of_largest == np.inf
    assert compare_blobs("b", np.zeros(2, np.float32), np.float32([0, 1e-3])).share_of_largest == pytest.approx(1e-3)
    assert not Check("r", [blob], 0.2).fits and Check("r", [blob], 0.25).fits
    with pytest.raises(InputError, match=r"blob 'b': expected shape \(5,\)"):
        compare_blobs("b", expected, expected[:4])


def test_an_input_of_regions_has_regions(tmp_path):
    text = """input: "x" input_shape { dim: 2 dim: 2 dim: 90 dim: 80 } input: "rois" input_shape { dim: 7 dim: 5 }
        layer { name: "r" type: "ROIPooling" bottom: "x" bottom: "rois" top: "r"
                roi_pooling_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.5 } }
        layer { name: "f" type: "InnerProduct" bottom: "r" top: "f"
                inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }"""
    net = Net(parse_net(text, "n"), seed=1)
    write_caffemodel(tmp_path / "n.caffemodel", net.to_caffemodel())
    checks = check(net, text, tmp_path / "n.caffemodel")
    assert all(made.fits and not made.remark.startswith("gives") for made in checks)


def test_a_dropout_that_draws_in_testing_draws_the_same_again(tmp_path):
    text = """input: "x" input_shape { dim: 2 dim: 3 }
        layer { name: "f" type: "InnerProduct" bottom: "x" top: "f"
                inner_product_param { num_output: 40 weight_filler { type: "xavier" } } }
        layer { name: "d" type: "Dropout" bottom: "f" top: "d" dropout_param { sample_weights_test: true } }"""
    (tmp_path / "n.prototxt").write_text(text)
    net = Net(parse_net(text, "n"), seed=1)
    write_caffemodel(tmp_path / "n.caffemodel", net.to_caffemodel())
    net, text, _ = convert(tmp_path / "n.caffemodel", tmp_path / "n.pt", tmp_path / "n.prototxt")
    (made,) = check(net, text, tmp_path / "n.pt")
    assert made.fits and made.blobs[0].equal_percent == 100


def test_opencv_is_believed_where_it_ignores_nothing(tmp_path):
    pytest.importorskip("cv2", reason="cv2 is not installed (extra `test`)")
    text = """input: "data" input_shape { dim: 1 dim: 3 dim: 6 dim: 6 }
        layer { name: "l" bottom: "data" top: "y" type: "InnerProduct"
                inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }"""
    net = Net(parse_net(text, "n"), seed=1)
    write_caffemodel(tmp_path / "n.caffemodel", net.to_caffemodel())
    with torch.no_grad():
        net.layer("l").bias[1] += 1
    assert not any(made.fits for made in check(net, text, tmp_path / "n.caffemodel"))


@pytest.mark.parametrize("suffix", ["onnx", pytest.param("pt2", marks=pytest.mark.slow)])
def test_a_net_with_a_size_in_its_fields_is_checked_at_that_size(tmp_path, suffix):
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed (extra `convert`)")
    text = (
        'input: "x" input_shape { dim: 1 dim: 2 dim: 4 dim: 5 } '
        'layer { name: "p" type: "Pooling" bottom: "x" top: "p" top: "m" '
        "pooling_param { kernel_size: 2 stride: 2 } } "
        'layer { name: "u" type: "Upsample" bottom: "p" bottom: "m" top: "u" '
        "upsample_param { upsample_h: 4 upsample_w: 5 } } "
        'layer { name: "c" type: "Convolution" bottom: "u" top: "c" '
        "convolution_param { num_output: 2 kernel_size: 1 } }"
    )
    (tmp_path / "n.prototxt").write_text(text)
    net = Net(parse_net(text, "n"), seed=1)
    write_caffemodel(tmp_path / "n.caffemodel", net.to_caffemodel())
    convert(tmp_path / "n.caffemodel", tmp_path / f"n.{suffix}", tmp_path / "n.prototxt", dynamic=True)
    first, more = check(net, text, tmp_path / f"n.{suffix}", dynamic=True)
    assert first.fits and more.fits
    assert more.blobs[0].shapes == ((3, 2, 4, 5),) * 2
