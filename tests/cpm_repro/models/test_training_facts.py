"""What testing must know of a pose machine's training is found in its weights or beside them, and is written along."""

import importlib.util

import numpy as np
import onnx
import pytest
import torch
from safetensors import safe_open

import cpm_repro
from cpm_repro.convert.weights import convert
from cpm_repro.inference.beliefs import mirrored_maps
from cpm_repro.inference.pose_files import FoundPose
from cpm_repro.inference.protocol import RELEASE_TARGET_DIST, Protocol
from cpm_repro.models.training_facts import beside, of_layers, parts_of
from data_lmdb.joints import PARTS_14
from prototxt_import.files import InputError, Note
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


OWN = tuple(f"{side}_{joint}" for joint in ("hip", "knee", "ear", "eye", "toe", "heel") for side in "lr") + (
    "nose",
    "top",
)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_names_of_parts_are_read_from_what_says_them(tmp_path, suffix):
    weights, prototxt = model(tmp_path)
    convert(weights, tmp_path / f"net.{suffix}", prototxt, parts=",".join(OWN))
    net = cpm_repro.load(tmp_path / f"net.{suffix}")
    picture = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
    how = {"scales": (1.0,), "target_dist": 0.2, "sigma_center": 3}
    pose = cpm_repro.estimate_pose(picture, net, **how)
    assert pose.parts == OWN and pose["r_toe"].tolist() == pose.joints[9].tolist()
    assert parts_of(net) == (*OWN, "background")
    found = FoundPose("a.png", 1, 1, (1, 1), 1, pose.joints, pose.scores, pose.own_names)
    assert found.parts == OWN and found.limbs == {}  # the release's limbs lie between other parts
    maps = np.arange(15, dtype=np.float32).reshape(15, 1, 1)
    assert mirrored_maps(maps, net.own_parts).ravel().tolist() == [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 12, 13, 14]
    with pytest.raises(InputError, match="mirror: expected a network whose left and right"):
        mirrored_maps(maps, tuple("abcdefghijklmn"))
    convert(weights, tmp_path / f"net.{suffix}", prototxt, parts=",".join(PARTS_14))
    again = cpm_repro.load(tmp_path / f"net.{suffix}")
    assert again.own_parts == () and cpm_repro.estimate_pose(picture, again, **how).parts == PARTS_14


@pytest.mark.parametrize(("said", "message"), [
    ("head,neck", r"parts: expected 14 names of parts, as the network's last maps are of, found 2 \('head,neck'\)"),
    ("head,head", "parts: expected names of parts that differ, joined by commas, found 'head,head'"),
])  # fmt: skip
def test_names_that_do_not_fit_are_refused(tmp_path, said, message):
    weights, prototxt = model(tmp_path)
    with pytest.raises(InputError, match=message):
        convert(weights, tmp_path / "net.pt", prototxt, parts=said)
    convert(weights, tmp_path / "net.pt", prototxt)
    content = torch.load(tmp_path / "net.pt", weights_only=True)
    content["meta"]["parts"] = said
    torch.save(content, tmp_path / "wrong.pt")
    with pytest.raises(InputError, match=rf"wrong\.pt: {message}"):
        cpm_repro.load(tmp_path / "wrong.pt")


def test_the_release_means_what_it_rounds():
    net = Net(parse_net(DEPLOY, "net"))
    net.trained.update(target_dist=1.171, sigma_center=21.0)
    assert Protocol.for_net(net).target_dist == RELEASE_TARGET_DIST
