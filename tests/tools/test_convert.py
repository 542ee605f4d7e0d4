"""tools/convert.py as typed: --check, the channels' order, wrong pairings, and files left alone."""

import numpy as np
import pytest
import torch

import cpm_repro
from prototxt_import.formats.caffemodel import write_caffemodel
from tests.foreign_nets import foreign_net
from tests.tool import assert_refused, run_tool
from tests.tools.tiny_cpm import write_net

pytest.importorskip("onnxruntime", reason="the extra `convert` is not installed")


@pytest.fixture
def tiny(tmp_path):
    return write_net(tmp_path)


@pytest.mark.parametrize("form", ["n.pt", "n.safetensors", "n.onnx", "n.caffemodel", "n.caffemodel.h5"])
def test_check_fits(tiny, tmp_path, form):
    net, weights = tiny
    result = run_tool("convert", "--prototxt", net, "--weights", weights, "--out", tmp_path / form, "--check")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Mconv1_stage2" in result.stdout and "fits:" in result.stdout and "parameters" in result.stdout


@pytest.mark.parametrize("name", ["alexnet", "resnet", "lenet_v1"])
def test_check_fits_other_nets(tmp_path, name):
    net, text = foreign_net(name)
    (tmp_path / "n.prototxt").write_text(text)
    write_caffemodel(tmp_path / "n.caffemodel", net.to_caffemodel())
    for form in ("out.onnx", "out.caffemodel"):
        pair = ["--prototxt", tmp_path / "n.prototxt", "--weights", tmp_path / "n.caffemodel"]
        result = run_tool("convert", *pair, "--out", tmp_path / form, "--check")
        assert result.returncode == 0 and "prob" in result.stdout, result.stdout + result.stderr


def test_what_does_not_fit_ends_with_1(tiny, tmp_path, monkeypatch):
    net, weights = tiny
    monkeypatch.setattr("cpm_repro.convert.check.TOLERANCE", -1)
    result = run_tool("convert", "--prototxt", net, "--weights", weights, "--out", tmp_path / "n.onnx", "--check")
    assert result.returncode == 1 and "DOES NOT FIT" in result.stdout


def test_rgb_is_said_and_swapped(tiny, tmp_path):
    net, weights = tiny
    pair = ["--prototxt", net, "--weights", weights]
    result = run_tool("convert", *pair, "--out", tmp_path / "n.pt", "--channel-order", "rgb")
    assert "red and blue swapped in conv1_stage1" in result.stdout
    run_tool("convert", *pair, "--out", tmp_path / "same.pt")
    swapped, same = (cpm_repro.load(tmp_path / name).layers["conv1_stage1"].weight for name in ("n.pt", "same.pt"))
    assert torch.equal(swapped[:, [2, 1, 0]], same)
    torch.save(cpm_repro.load(tmp_path / "n.pt").state_dict(), tmp_path / "port.pth")
    port = ["--prototxt", net, "--weights", tmp_path / "port.pth", "--out", tmp_path / "ported.caffemodel"]
    assert_refused(run_tool("convert", *port), "port.pth", "--channel-order")
    assert not (tmp_path / "ported.caffemodel").exists()
    assert run_tool("convert", *port, "--channel-order", "rgb").returncode == 0


def test_wrong_pairings_end_in_one_sentence(tiny, tmp_path):
    net, weights = tiny
    other, text = foreign_net("alexnet")
    write_caffemodel(tmp_path / "other.caffemodel", other.to_caffemodel())
    out = ["--out", tmp_path / "n.onnx"]
    wrong = run_tool("convert", "--prototxt", net, "--weights", tmp_path / "other.caffemodel", *out)
    assert_refused(wrong, "other.caffemodel", "found none of their names", "'conv1_stage1'", "'conv1'")
    net.write_text(net.read_text().replace("num_output: 6", "num_output: 7"))
    wrong = run_tool("convert", "--prototxt", net, "--weights", weights, *out)
    assert_refused(wrong, "conv1_stage1', blob 0", "conv1_stage1', blob 1", "conv1_stage2', blob 0")
    net.write_text(text.replace('input: "data"', 'input: "image"'))
    wrong = run_tool("convert", "--prototxt", net, "--weights", tmp_path / "other.caffemodel", *out)
    assert_refused(wrong, "layer 'conv1'", "bottom 'data'", "found none of that name")
    np.save(tmp_path / "n.npy", np.zeros(3))
    assert_refused(
        run_tool("convert", "--weights", tmp_path / "n.npy", *out), "n.npy", "expected weights (a .caffemodel"
    )
    assert not (tmp_path / "n.onnx").exists()
