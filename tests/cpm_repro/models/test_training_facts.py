"""What testing must know of a pose machine's training is found in its weights or beside them, and is written along."""

import importlib.util

import onnx
import pytest
import torch
from safetensors import safe_open

import cpm_repro
from cpm_repro.convert.weights import convert
from cpm_repro.inference.protocol import RELEASE_TARGET_DIST, Protocol
from cpm_repro.models.training_facts import beside, of_layers, parts_of
from data_lmdb.joints import PARTS_14
from prototxt_import.files import Note
from prototxt_import.formats.caffemodel import write_caffemodel
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

DEPLOY = """
input: "data" input_shape { dim: 1 dim: 4 dim: 16 dim: 16 }
layer { name: "maps" type: "Convolution" bottom: "data" top: "maps"
  convolution_param { num_output: 15 kernel_size: 1 weight_filler { type: "xavier" } } }
"""
DATA = """
layer { name: "data" type: "CPMData" top: "data" top: "label" data_param { source: "lmdb" }
  transform_param { target_dist: %s sigma_center: %s } }
"""
KNOWN = {"target_dist": 0.65, "sigma_center": 11}


def model(folder, data=""):
    """(weights, prototxt), the weights with the layers of `data` as a snapshot has them."""
    stored = Net(parse_net(DEPLOY, "net"), seed=1).to_caffemodel()
    if data:
        stored.layer.MergeFrom(parse_net(data, "net").layer)
    write_caffemodel(folder / "net.caffemodel", stored)
    (folder / "deploy.prototxt").write_text(DEPLOY)
    return folder / "net.caffemodel", folder / "deploy.prototxt"


def test_a_snapshot_says_it(tmp_path):
    assert cpm_repro.load(*model(tmp_path, DATA % (0.65, 11))).trained == KNOWN
    assert of_layers(parse_net(DATA % (-1, 11), "net")) == {"sigma_center": 11}
    assert of_layers(parse_net('layer { name: "data" type: "CPMData" top: "data" }', "net")) == {}


def test_a_prototxt_beside_the_weights_says_it(tmp_path):
    weights, prototxt = model(tmp_path)
    assert cpm_repro.load(weights, prototxt).trained == {}
    (tmp_path / "broken.prototxt").write_text("layer { CPMData")
    (tmp_path / "train.prototxt").write_text(DATA % (0.65, 11))
    with pytest.warns(Note, match=r"train\.prototxt: target_dist 0\.65 and sigma_center 11, which"):
        assert cpm_repro.load(weights, prototxt).trained == KNOWN
    (tmp_path / "finetune.prototxt").write_text(DATA % (0.7, 11))
    assert beside([weights, prototxt]) == {}


@pytest.mark.parametrize("suffix", ["pt", "safetensors", "onnx", "pt2", "py"])
def test_what_is_written_carries_it(tmp_path, suffix):
    weights, prototxt = model(tmp_path, DATA % (0.65, 11))
    out = tmp_path / f"net.{suffix}"
    convert(weights, out, prototxt)
    said = {
        "channel_order": "bgr",
        "target_dist": "0.65",
        "sigma_center": "11.0",
        "parts": ",".join(PARTS_14) + ",background",
    }
    if suffix == "pt":
        assert torch.load(out, weights_only=True)["meta"].items() >= {**said, **KNOWN}.items()
    elif suffix == "onnx":
        assert {p.key: p.value for p in onnx.load(out).metadata_props}.items() >= said.items()
    elif suffix == "pt2":
        found = dict.fromkeys(said, "")
        torch.export.load(out, extra_files=found)
        assert found.items() >= said.items()
    else:
        with safe_open(out.with_suffix(".safetensors"), framework="pt") as file:
            assert file.metadata().items() >= said.items()
    if suffix == "py":
        spec = importlib.util.spec_from_file_location("exported", out)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert (module.TARGET_DIST, module.SIGMA_CENTER, module.PARTS[:-1]) == (0.65, 11.0, PARTS_14)
    if suffix in ("pt", "safetensors"):
        assert cpm_repro.load(out).trained == KNOWN


def test_another_net_has_no_parts():
    text = DEPLOY.replace("num_output: 15", "num_output: 5")
    assert parts_of(Net(parse_net(text, "net"))) == ()


def test_the_release_means_what_it_rounds():
    net = Net(parse_net(DEPLOY, "net"))
    net.trained.update(target_dist=1.171, sigma_center=21.0)
    assert Protocol.for_net(net).target_dist == RELEASE_TARGET_DIST
