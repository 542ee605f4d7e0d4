"""tools/make_json.py as a person runs it."""

import json

import numpy as np
import pytest
import scipy.io
from PIL import Image

from tests.annotated_people import annotations_in
from tests.tool import assert_refused, run_tool

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
    assert result.stdout.splitlines() == [
        f"{tmp_path}/x.json: 4 persons in 4 images, 2 of them for validation",
        f"skipped 1 person: the image is not in {tmp_path}/lspet/images (first: im00005.jpg)",
    ]
    assert [a.is_validation for a in annotations_in(tmp_path / "x.json")] == [False, False, True, True]
    assert run_tool("make_json", "lspet", tmp_path / "lspet", "--out", tmp_path / "y.json").returncode == 0
    assert not any(a.is_validation for a in annotations_in(tmp_path / "y.json"))


def test_own(own):
    result = run_tool("make_json", "own", own / "people.json", "--images", own, "--out", own / "x.json")
    assert result.returncode == 0, result.stderr
    assert "2 persons in 1 image, 1 of them for validation" in result.stdout
    assert [a.number_of_others for a in annotations_in(own / "x.json")] == [1, 1]


def test_bad_input_is_one_sentence_and_leaves_the_old_file(own):
    (own / "x.json").write_text("old")
    (own / "people.json").write_text(json.dumps([OWN_PERSON, {**OWN_PERSON, "image": "b.png"}]))
    result = run_tool("make_json", "own", own / "people.json", "--images", own, "--out", own / "x.json")
    assert_refused(result, "make_json.py: ", "people.json: record 1: ", "b.png")
    assert result.stdout == ""
    assert (own / "x.json").read_text() == "old"


def test_the_table_is_not_overwritten_with_the_result(own):
    before = (own / "people.json").read_text()
    result = run_tool("make_json", "own", own / "people.json", "--images", own, "--out", own / "." / "people.json")
    assert result.returncode == 2 and "expected another file than the source itself" in result.stderr
    assert (own / "people.json").read_text() == before


def a_photograph(folder):
    Image.new("RGB", (64, 48)).save(folder / "a.png")
    return folder


def test_mpii(tmp_path):
    a_photograph(tmp_path)
    point = {"x": 3.0, "y": 4.0, "id": 9.0, "is_visible": 1.0}
    person = {"annopoints": {"point": point}, "scale": 1.5, "objpos": {"x": 7.0, "y": 8.0}}
    annolist = {"image": {"name": "a.png"}, "annorect": person}
    scipy.io.savemat(tmp_path / "mpii.mat", {"RELEASE": {"annolist": annolist, "img_train": 1.0}})
    scipy.io.savemat(tmp_path / "detections.mat", {"RELEASE_img_index": 1.0, "RELEASE_person_index": 1.0})
    options = ["--images", tmp_path, "--out", tmp_path / "x.json"]
    result = run_tool("make_json", "mpii", tmp_path / "mpii.mat", *options)
    assert result.stdout == f"{tmp_path}/x.json: 1 person in 1 image, 0 of them for validation\n", result.stderr
    run_tool("make_json", "mpii", tmp_path / "mpii.mat", *options, "--validation", tmp_path / "detections.mat")
    assert [a.is_validation for a in annotations_in(tmp_path / "x.json")] == [True]
    for wrong in ("detections.mat", "a.png", "gone.mat"):
        assert_refused(run_tool("make_json", "mpii", tmp_path / wrong, *options), wrong)


def test_flic(tmp_path):
    a_photograph(tmp_path)
    coords = np.full((2, 29), np.nan)
    coords[:, :11] = np.random.default_rng(0).uniform(1, 48, (2, 11))
    example = {"coords": coords, "filepath": "a.png", "torsobox": np.array([1.0, 2, 30, 40]), "istest": 1.0}
    scipy.io.savemat(tmp_path / "examples.mat", {"examples": example})
    out = tmp_path / "x.json"
    result = run_tool("make_json", "flic", tmp_path / "examples.mat", "--images", tmp_path, "--out", out)
    assert result.stdout == f"{out}: 1 person in 1 image, 1 of them for validation\n", result.stderr
    assert annotations_in(out)[0].joint_self.shape == (9, 3)


def test_coco(tmp_path):
    a_photograph(tmp_path)
    person = {"image_id": 1, "keypoints": [5, 6, 2] * 17, "bbox": [1, 2, 40, 30], "area": 1200, "iscrowd": 0}
    crowd = {**person, "iscrowd": 1}
    images = [{"id": 1, "file_name": "a.png"}]
    (tmp_path / "k.json").write_text(json.dumps({"images": images, "annotations": [person, crowd]}))
    out = tmp_path / "x.json"
    result = run_tool("make_json", "coco", tmp_path / "k.json", "--images", tmp_path, "--out", out, "--validation")
    assert result.stdout.splitlines() == [
        f"{out}: 1 person in 1 image, 1 of them for validation",
        "skipped 1 person: a crowd (first: a.png)",
    ], result.stderr
    assert len(annotations_in(out)) == 1


def test_nobody_is_left(tmp_path):
    small_lspet(tmp_path / "lspet", people=1)
    result = run_tool("make_json", "lspet", tmp_path / "lspet", "--out", tmp_path / "x.json")
    assert_refused(result, "joints.mat: expected annotated persons", "skipped 1 person", "im00001.jpg")
    assert not (tmp_path / "x.json").exists()
