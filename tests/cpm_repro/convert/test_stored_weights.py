"""Any file of weights into any net, by every tool's --weights; other tools' names for layers; solver states refused."""

import json
import shutil
import warnings

import numpy as np
import pytest
import torch

import cpm_repro
from cpm_repro.convert.stored_weights import read_weights
from cpm_repro.convert.weights import WRITERS
from cpm_repro.npz import read_npz, write_npz
from cpm_repro.training.snapshots import write_state
from prototxt_import.files import InputError, Note
from prototxt_import.net import load_net
from tests.bits import assert_same_bits
from tests.tool import assert_refused, run_tool

NET = """
layer { name: "i" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 5 dim: 4 } } }
layer { name: "conv/1" type: "Convolution" bottom: "data" top: "a"
  convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "conv.2" type: "Convolution" bottom: "a" top: "b"
  convolution_param { num_output: 2 kernel_size: 2 weight_filler { type: "gaussian" std: 1 } bias_term: false } }
"""
DUMMY = """
layer { name: "i" type: "DummyData" top: "data" dummy_data_param {
  shape { dim: 2 dim: 3 dim: 5 dim: 4 } data_filler { type: "gaussian" } } }
"""


@pytest.fixture
def net(tmp_path):
    (tmp_path / "n.prototxt").write_text(NET)
    return load_net(tmp_path / "n.prototxt", seed=3)


def foreign(net, slash="/", reverse=True):
    """A state dict as a training elsewhere leaves it, in another order than Caffe's."""
    state = {name.removeprefix("layers."): value.clone() for name, value in net.state_dict().items()}
    items = reversed(state.items()) if reverse else state.items()
    return {name.replace("/", slash): value for name, value in items}


def write_forms(folder, net):
    """Every form of file that there is, of these weights: name, and whether it must be said that they take BGR."""
    for suffix in (".pt", ".safetensors", ".caffemodel", ".h5"):
        WRITERS[suffix](folder / f"own{suffix}", net, NET)
    torch.save({"model": foreign(net)}, folder / "checkpoint.bin")
    np.savez(folder / "arrays.npz", **{name: value.numpy() for name, value in foreign(net).items()})
    own = [f"own{suffix}" for suffix in (".pt", ".safetensors", ".caffemodel", ".h5")]
    return [(name, False) for name in own] + [("checkpoint.bin", True), ("arrays.npz", True)]


def test_the_tools_read_every_form_alike(net, tmp_path):
    inputs = {"data": np.random.default_rng(1).normal(size=(2, 3, 5, 4)).astype(np.float32)}
    write_npz(tmp_path / "x.npz", inputs)
    expected = net({"data": torch.from_numpy(inputs["data"])})
    dumped = {name: blob.detach().numpy() for name, blob in expected.items()}
    write_npz(tmp_path / "a.npz", dumped)
    (tmp_path / "dummy.prototxt").write_text(DUMMY + NET[NET.index("\n", 1) :])
    ours = ["--prototxt", tmp_path / "n.prototxt"]
    tested = []
    for name, foreign_order in write_forms(tmp_path, net):
        given = ["--weights", tmp_path / name, *(["--channel-order", "bgr"] if foreign_order else [])]
        out = ["--input", tmp_path / "x.npz", "--out", tmp_path / "b.npz"]
        done = run_tool("dump", "net", *ours, *given, *out)
        assert done.returncode == 0, (name, done.stderr)
        for blob, values in read_npz(tmp_path / "b.npz").items():
            assert_same_bits(values, dumped[blob], f"{name}: {blob}")
        if not name.endswith((".pt", ".bin")):
            continue
        done = run_tool("compare", tmp_path / "a.npz", *ours, *given)
        assert done.returncode == 0, (name, done.stdout, done.stderr)
        done = run_tool("show_net", tmp_path / "n.prototxt", *given, "--json", tmp_path / "n.json")
        assert done.returncode == 0 and json.loads((tmp_path / "n.json").read_text()), (name, done.stderr)
        done = run_tool("test", "--model", tmp_path / "dummy.prototxt", *given, "--iterations", 1)
        assert done.returncode == 0 and "Ignoring" not in done.stdout, (name, done.stderr)
        tested.append([line.partition("] ")[2] for line in done.stdout.splitlines() if "b = " in line])
    assert len(tested) == 2 and len(set(tested[0])) > 1 and tested[0] == tested[1]


def test_what_carries_its_net_needs_no_prototxt(net, tmp_path):
    write_forms(tmp_path, net)
    write_npz(tmp_path / "x.npz", {"data": np.zeros((2, 3, 5, 4), np.float32)})
    out = ["--input", tmp_path / "x.npz", "--out", tmp_path / "b.npz"]
    assert run_tool("dump", "net", "--weights", tmp_path / "own.pt", *out).returncode == 0
    assert run_tool("show_net", "--weights", tmp_path / "own.caffemodel").returncode == 0
    assert run_tool("compare", tmp_path / "b.npz", "--weights", tmp_path / "own.pt").returncode == 0
    assert_refused(run_tool("show_net"), "expected --prototxt or weights that carry their net")
    foreign_one = run_tool("dump", "net", "--weights", tmp_path / "arrays.npz", *out)
    assert_refused(foreign_one, "expected a prototxt with a state_dict that is not of this project")


def test_finetuning_takes_what_there_is(net, tmp_path):
    state = foreign(net)
    del state["conv_2.weight"]
    torch.save({**state, "fc8.weight": torch.ones(2, 2)}, tmp_path / "part.pth")
    other = load_net(tmp_path / "n.prototxt", seed=4)
    before = other.layer("conv.2").weight.clone()
    with pytest.raises(InputError, match=r"--channel-order bgr or rgb"):
        read_weights(tmp_path / "part.pth").finetune(other)
    stored = read_weights(tmp_path / "part.pth", "bgr").finetune(other)
    assert [layer.name for layer in stored.layer] == ["conv/1", "fc8"]
    assert torch.equal(other.layer("conv/1").weight, net.layer("conv/1").weight)
    assert torch.equal(other.layer("conv.2").weight, before)
    read_weights(tmp_path / "part.pth", "rgb").finetune(other)
    assert torch.equal(other.layer("conv/1").weight, net.layer("conv/1").weight[:, [2, 1, 0]])
    torch.save({"conv/1.weight": state["conv/1.weight"]}, tmp_path / "part.pth")
    with pytest.raises(InputError, match=r"part\.pth: layer 'conv/1': expected 2 blobs, as the prototxt has, found 1"):
        read_weights(tmp_path / "part.pth", "bgr").finetune(other)


@pytest.mark.parametrize("slash", ["_", "."])
def test_slashes_that_other_tools_rewrote(net, tmp_path, slash):
    torch.save(foreign(net, slash), tmp_path / "a.pth")
    stored = net.to_caffemodel()
    for layer in stored.layer:
        layer.name = layer.name.replace("/", slash)
    (tmp_path / "a.caffemodel").write_bytes(stored.SerializeToString())
    for name in ("a.pth", "a.caffemodel"):
        with pytest.warns(Note, match=rf"{name}: took layer 'conv\{slash}1' for 'conv/1'$") as said:
            loaded = cpm_repro.load(tmp_path / name, tmp_path / "n.prototxt", channel_order="bgr")
        assert len(said) == 1
        for key, value in net.state_dict().items():
            assert_same_bits(loaded.state_dict()[key].numpy(), value.numpy(), key)
    shown = run_tool("show_net", tmp_path / "n.prototxt", "--weights", tmp_path / "a.caffemodel")
    assert shown.returncode == 0 and shown.stderr == (
        f"show_net.py: {tmp_path / 'a.caffemodel'}: took layer 'conv{slash}1' for 'conv/1'\n"
    )


def test_of_two_that_are_alike_none_is_taken(net, tmp_path):
    stored = net.to_caffemodel()
    first = next(layer for layer in stored.layer if layer.name == "conv/1")
    first.name = "conv_1"
    stored.layer.add(name="conv.1").blobs.extend(first.blobs)
    (tmp_path / "a.caffemodel").write_bytes(stored.SerializeToString())
    with warnings.catch_warnings(), pytest.raises(InputError, match="expected weights for layer 'conv/1', found none"):
        cpm_repro.load(tmp_path / "a.caffemodel", tmp_path / "n.prototxt")


@pytest.mark.parametrize("suffix", ["", ".h5"])
def test_a_solver_state_is_no_weights(net, tmp_path, suffix):
    WRITERS[".caffemodel"](tmp_path / "w.caffemodel", net, NET)
    state = tmp_path / f"s_iter_7.solverstate{suffix}"
    write_state(state, 7, "models/w.caffemodel", 0, [torch.zeros(3)])
    said = "expected weights, found a solver state of iteration 7"
    assert_refused(
        run_tool("show_net", tmp_path / "n.prototxt", "--weights", state),
        f"{state}: {said}: its weights are in {tmp_path / 'w.caffemodel'}",
    )
    with pytest.raises(InputError, match=said):
        load_net(tmp_path / "n.prototxt", state)
    (tmp_path / "w.caffemodel").unlink()
    with pytest.raises(InputError, match=rf"{said}, which names 'models/w\.caffemodel': .* are not beside it"):
        cpm_repro.load(state)
    WRITERS[".caffemodel"](tmp_path / "plain.caffemodel", net, NET)
    shutil.copy(tmp_path / "plain.caffemodel", tmp_path / f"s_iter_7.caffemodel{suffix}")
    with pytest.raises(InputError, match=r"its weights are in .*s_iter_7\.caffemodel"):
        cpm_repro.load(state, tmp_path / "n.prototxt")


def test_an_onnx_model_is_no_solver_state(tmp_path, net):
    pytest.importorskip("onnx", reason="the extra `convert` is not installed")
    WRITERS[".onnx"](tmp_path / "n.onnx", net, NET)
    with pytest.raises(InputError, match="expected weights, found an ONNX model, which is written here and not read"):
        read_weights(tmp_path / "n.onnx")
