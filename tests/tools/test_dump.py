"""tools/dump.py against the original's own files, and tools/caffe_dump.py against tools/dump.py."""

import ast
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from cpm_repro.compare.dump import dump_net
from cpm_repro.npz import read_npz, write_npz
from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.bits import assert_same_bits
from tests.tool import ROOT, assert_refused, run_tool

ZOO = ["conv_3x3_pad1", "conv_group_dilation", "conv_nobias_1x1"]


def assert_same_arrays(found, expected):
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert_same_bits(found[name], array, name)


def test_every_blob_of_a_net_under_the_originals_keys(golden, tmp_path):
    expected = dict(np.load(golden / "net/mini_cpm_deploy_blobs.npz"))
    write_npz(tmp_path / "input.npz", {"data": expected["data"]})
    files = ["--prototxt", golden / "net/mini_cpm_deploy.prototxt", "--input", tmp_path / "input.npz"]
    files += ["--weights", golden / "net/mini_cpm_deploy.caffemodel", "--out", tmp_path / "blobs.npz"]
    assert run_tool("dump", "net", "--engine", "exact", *files).returncode == 0
    assert_same_arrays(read_npz(tmp_path / "blobs.npz"), expected)
    assert run_tool("dump", "net", *files).returncode == 0
    fast = read_npz(tmp_path / "blobs.npz")
    np.testing.assert_allclose(fast["Mconv5_stage3"], expected["Mconv5_stage3"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ZOO)
def test_gradients_start_from_given_ones(golden, name):
    zoo = np.load(golden / "net/layer_zoo.npz")
    expected = {key.removeprefix(f"{name}/"): zoo[key] for key in zoo.files if key.startswith(f"{name}/")}
    net = Net(parse_net(json.loads(str(zoo["prototxt"]))[name], name), engine="exact")
    with torch.no_grad():
        for index, blob in enumerate(net.learnable):
            blob.parameter.copy_(torch.from_numpy(expected.pop(f"param{index}")))
    found = dump_net(net, {"x": expected["x"], "top.diff": expected["top.diff"]}, gradients=True)
    for blob in net.learnable:
        expected[f"{blob.layer}/{blob.index}.diff"] = expected.pop(f"param{blob.index}.diff")
    assert_same_arrays(found, expected)


def test_gradients_start_from_losses(golden, tmp_path):
    """A training net on the first batch of the replay: blobs and gradients of the original's first iteration."""
    trace = np.load(golden / "solver/replay_trace.npz")
    write_npz(tmp_path / "batch.npz", {name: trace[f"blob1/{name}"] for name in ("data", "label")})
    arguments = ["--prototxt", golden / "solver/replay_train.prototxt", "--seed", 1701, "--phase", "TRAIN"]
    arguments += ["--gradients", "--engine", "exact", "--input", tmp_path / "batch.npz", "--out", tmp_path / "o.npz"]
    assert run_tool("dump", "net", *arguments).returncode == 0
    found = read_npz(tmp_path / "o.npz")
    for key in trace.files:
        kind, _, name = key.partition("/")
        if kind == "blob1":
            assert_same_bits(found[name], trace[key], key)
        elif kind == "blobdiff1" and trace[key].any():  # the original left out what no parameter needs
            assert_same_bits(found[f"{name}.diff"], trace[key], key)
    assert "conv1_stage1/0.diff" in found


@pytest.mark.parametrize(
    ("inputs", "gradients", "said"),
    [
        ({}, False, "input: expected the input blob 'x', found none"),
        (
            {"x": np.full((1, 2, 3, 3), 1e300)},
            False,
            "input: x: expected numbers of float32's range, found larger ones",
        ),
        ({"x": np.zeros((2, 3))}, False, r"input: x: expected numbers of shape \(1, 2, 3, 3\), found float64 \(2, 3\)"),
        (
            {"x": np.zeros((1, 2, 3, 3), np.float32)},
            True,
            "a loss or the incoming gradient 'p.diff'",
        ),
        (
            {"x": np.zeros((1, 2, 3, 3), np.float32), "p.diff": np.zeros(4, np.float32)},
            True,
            r"input: p\.diff: expected float32 of shape \(1, 2, 3, 3\)",
        ),
    ],
)
def test_wrong_inputs_are_told(inputs, gradients, said):
    text = (
        'input: "x" input_shape { dim: 1 dim: 2 dim: 3 dim: 3 } layer { name: "p" type: "TanH" bottom: "x" top: "p" }'
    )
    with pytest.raises(InputError, match=said):
        dump_net(Net(parse_net(text, "n")), inputs, gradients)


def data_net(golden, folder, name):
    """A prototxt with the data layer of a golden transformer configuration, and its file."""
    expected = np.load(golden / f"transform/transform_{name}.npz")
    config = json.loads(str(expected["config"]))
    fields = " ".join(f"{key}: {str(value).lower()}" for key, value in config["transform_param"].items())
    source = (golden / "transform" / config["lmdb"]).resolve()
    (folder / "data.prototxt").write_text(
        'layer { name: "data" type: "CPMData" top: "data" top: "label" '
        f'cpmdata_param {{ backend: LMDB source: "{source}" batch_size: 2 }} transform_param {{ {fields} }} }}'
    )
    return folder / "data.prototxt", expected, config


def test_samples_under_the_originals_keys(golden, tmp_path):
    net, expected, config = data_net(golden, tmp_path, "stride4")
    arguments = ["--prototxt", net, "--samples", 3, "--srand", config["srand"], "--out", tmp_path / "o.npz"]
    assert run_tool("dump", "data", *arguments).returncode == 0
    found = read_npz(tmp_path / "o.npz")
    assert json.loads(str(found.pop("config"))) == {**config, "samples": 3}
    assert_same_arrays(found, {name: expected[name][:3] for name in ("image_u8", "center_map", "label")})


def test_a_net_without_a_data_layer_is_told(golden, tmp_path):
    arguments = ["--prototxt", golden / "net/mini_cpm_deploy.prototxt", "--samples", 1, "--out", tmp_path / "o.npz"]
    expected = "expected one CPMData layer in the TRAIN phase, found 0"
    assert_refused(run_tool("dump", "data", *arguments), expected)
    assert not (tmp_path / "o.npz").exists()


def caffe_dump(*arguments):
    """Runs tools/caffe_dump.py in a process of its own on the pycaffe of fake_caffe/."""
    folders = [str(ROOT / "tests/tools/fake_caffe"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    command = [sys.executable, str(ROOT / "tools/caffe_dump.py"), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert result.returncode == 0, result.stderr


def test_the_script_for_caffe_writes_the_same_nets(golden, tmp_path):
    net = golden / "net/mini_cpm_deploy.prototxt"
    blobs = np.load(golden / "net/mini_cpm_deploy_blobs.npz")
    start = {"data": blobs["data"], "Mconv5_stage3.diff": np.ones_like(blobs["Mconv5_stage3"])}
    write_npz(tmp_path / "input.npz", start)
    arguments = ["--prototxt", net, "--seed", 3, "--input", tmp_path / "input.npz", "--gradients"]
    caffe_dump("net", *arguments, "--out", tmp_path / "theirs.npz")
    assert run_tool("dump", "net", *arguments, "--engine", "exact", "--out", tmp_path / "ours.npz").returncode == 0
    assert_same_arrays(read_npz(tmp_path / "theirs.npz"), read_npz(tmp_path / "ours.npz"))


def test_the_script_for_caffe_writes_the_same_samples_and_traces(golden, tmp_path):
    net, expected, _ = data_net(golden, tmp_path, "stride4")
    caffe_dump("data", "--prototxt", net, "--samples", 3, "--out", tmp_path / "data.npz")
    found = read_npz(tmp_path / "data.npz")
    for name in ("image_u8", "center_map", "label"):
        assert found[name].dtype == expected[name].dtype and found[name].shape[1:] == expected[name].shape[1:]
    trace = np.load(golden / "solver/replay_trace.npz")
    solver = golden / "solver/replay_solver.prototxt"
    caffe_dump("train", "--solver", solver, "--iterations", 1, "--out", tmp_path / "trace.npz")
    found = read_npz(tmp_path / "trace.npz")
    for key in trace.files:
        if not key.startswith(("iter5/", "iter20/")):
            assert_same_bits(found[key], trace[key][:1] if key == "loss" else trace[key], key)


def test_the_script_for_caffe_is_python_2_too():
    source = (ROOT / "tools/caffe_dump.py").read_text()
    tree = ast.parse(source, feature_version=(3, 4))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.Nonlocal, ast.YieldFrom, ast.AsyncFunctionDef)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
    source.encode("ascii")
