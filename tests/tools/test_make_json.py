"""tools/make_json.py as a person runs it."""

import json

import numpy as np
import pytest
import scipy.io
from PIL import Image
from tool import run_tool

from data_lmdb.annotations import read_json

OWN_PERSON = {"image": "a.png", "scale": 0.5, "joints": {"head": [10, 4], "neck": [10.5, 9, 0]}}


@pytest.fixture
def own(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    (tmp_path / "people.json").write_text(json.dumps([OWN_PERSON, {**OWN_PERSON, "validation": True}]))
    return tmp_path


def small_lspet(folder, people=5):
    (folder / "images").mkdir(parents=True)
    joints = np.random.default_rng(0).uniform(1, 90, (14, 3, people))
    joints[:, 2] = 1
    scipy.io.savemat(folder / "joints.mat", {"joints": joints})
    for number in range(1, people):
        Image.new("RGB", (90, 91)).save(folder / "images" / f"im{number:05d}.jpg")


def test_lspet(tmp_path):
    small_lspet(tmp_path / "lspet")
    result = run_tool("make_json", "lspet", tmp_path / "lspet", "--out", tmp_path / "x.json", "--validation", "3-4")
    assert result.returncode == 0, result.stderr
    assert f"{tmp_path}/x.json: 4 persons, 2 of them for validation" in result.stdout
    assert "left out: 1 persons" in result.stdout
    assert [a.is_validation for a in read_json(tmp_path / "x.json")] == [False, False, True, True]
    assert run_tool("make_json", "lspet", tmp_path / "lspet", "--out", tmp_path / "y.json").returncode == 0
    assert not any(a.is_validation for a in read_json(tmp_path / "y.json"))


def test_own(own):
    result = run_tool("make_json", "own", own / "people.json", "--images", own, "--out", own / "x.json")
    assert result.returncode == 0, result.stderr
    assert "2 persons in 1 images, 1 of them for validation" in result.stdout
    assert [a.number_of_others for a in read_json(own / "x.json")] == [1, 1]


def test_bad_input_is_one_sentence_and_leaves_the_old_file(own):
    (own / "x.json").write_text("old")
    (own / "people.json").write_text(json.dumps([OWN_PERSON, {**OWN_PERSON, "image": "b.png"}]))
    result = run_tool("make_json", "own", own / "people.json", "--images", own, "--out", own / "x.json")
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith("make_json.py") and result.stderr.count("\n") == 1
    assert "people.json: record 1: " in result.stderr and "b.png" in result.stderr
    assert (own / "x.json").read_text() == "old"


def test_the_table_is_not_overwritten_with_the_result(own):
    before = (own / "people.json").read_text()
    result = run_tool("make_json", "own", own / "people.json", "--images", own, "--out", own / "." / "people.json")
    assert result.returncode == 2 and "expected another file than the table itself" in result.stderr
    assert (own / "people.json").read_text() == before


@pytest.mark.parametrize("source", [(), ("lsp",), ("lspet",), ("own",)])
def test_help_shows_an_example(source):
    result = run_tool("make_json", *source, "--help")
    assert result.returncode == 0
    assert f"example:\n  python tools/make_json.py {source[0] if source else 'lsp'} " in result.stdout
