"""The models that come with the package: whole, described, and found by name."""

import hashlib
import json
import shlex
import shutil

import pytest

import cpm_repro
from cpm_repro.models import zoo
from cpm_repro.network.stages import stage_blobs
from prototxt_import.files import InputError
from prototxt_import.formats.caffemodel import read_caffemodel
from prototxt_import.formats.prototxt import read_net, read_solver
from prototxt_import.net import load_net
from tests.tool import run_tool

CARD = {
    "title": "a net", "target_dist": 0.5, "sigma_center": 8, "scales": [1.0], "scores": {"here": 12.5}, "speed": "fast",
    "data": "drawn people", "terms": "MIT", "training": ["cpm train --solver solver.prototxt"],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    model = tmp_path / "tiny"
    model.mkdir()
    (model / "weights.caffemodel").write_bytes(b"weights")
    card = {**CARD, "sha256": hashlib.sha256(b"weights").hexdigest()}
    (model / "model.json").write_text(json.dumps(card))
    return tmp_path


def test_a_model_is_found_by_its_name(folder):
    assert zoo.names(folder) == ["tiny"]
    model = zoo.find("tiny", folder)
    assert (model.name, model.target_dist, model.scales, model.size) == ("tiny", 0.5, (1.0,), 7)
    assert model.weights.read_bytes() == b"weights" and model.prototxt == folder / "tiny" / "deploy.prototxt"
    with pytest.raises(InputError, match=r"huge: expected a model's name, tiny, found"):
        zoo.find("huge", folder)


def test_changed_and_missing_weights_are_a_sentence(folder):
    model = zoo.find("tiny", folder)
    (folder / "tiny" / "weights.caffemodel").write_bytes(b"weightz")
    with pytest.raises(InputError, match=r"weights\.caffemodel: expected SHA-256 .* install it again"):
        _ = model.weights
    (folder / "tiny" / "weights.caffemodel").unlink()
    with pytest.raises(InputError, match="expected the weights of tiny"):
        _ = model.weights


@pytest.mark.parametrize("text", ['{"title": 3', "[]", '{"title": "a net"}', "\xff"])
def test_a_damaged_card_is_a_sentence(folder, text):
    (folder / "tiny" / "model.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"model\.json: expected "):
        zoo.find("tiny", folder)


@pytest.mark.parametrize("name", zoo.names())
def test_every_model_is_whole(name):
    model = zoo.find(name)
    net = load_net(model.prototxt, model.weights)
    assert stage_blobs(net)
    trained, stored = read_net(model.folder / "train.prototxt"), read_caffemodel(model.weights)
    assert stored.layer[0].cpmdata_param.source == trained.layer[0].cpmdata_param.source == "lmdb/train"
    assert read_solver(model.folder / "solver.prototxt").net == "train.prototxt"
    assert model.data and model.terms and model.training and model.scores


@pytest.mark.parametrize("name", zoo.names())
def test_the_commands_of_a_model_write_its_prototxts(name, tmp_path):
    """To the byte: who follows the recipe trains the network that was trained. (A later command is of a second leg.)"""
    model = zoo.find(name)
    command = next(command for command in model.training if command.startswith("cpm make_prototxt"))
    result = run_tool(*shlex.split(command)[1:], cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for path in sorted(tmp_path.iterdir()):
        assert path.read_text() == (model.folder / path.name).read_text(), path.name
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in model.folder.glob("*.prototxt")}


def test_a_model_is_loaded_by_its_name():
    net = cpm_repro.load("lsp-small")
    assert not net.training and net.input_shapes == {"data": (1, 4, 184, 184)}
    assert net.trained == {"target_dist": 0.65, "sigma_center": 11}


def test_all_models_together_are_small():
    assert sum(zoo.find(name).size for name in zoo.names()) <= 12_000_000


def test_models_are_copied_with_their_folder(folder, tmp_path):
    shutil.copytree(folder / "tiny", tmp_path / "elsewhere" / "small")
    assert zoo.names(tmp_path / "elsewhere") == ["small"]
