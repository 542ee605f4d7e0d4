"""tools/demo.py: three files per picture, and one sentence for what cannot be used."""

import json

import numpy as np
import pytest
from PIL import Image
from tiny_cpm import write_net
from tool import assert_refused, run_tool

from cpm_repro import joints


@pytest.fixture
def net(tmp_path):
    (tmp_path / "net").mkdir()
    prototxt, weights = write_net(tmp_path / "net")
    return ["--prototxt", prototxt, "--weights", weights]


def picture(path, height: int = 91, width: int = 73):
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_every_picture_gives_pose_stages_and_joints(tmp_path, net):
    images = [picture(tmp_path / "a.png"), picture(tmp_path / "b.jpg", 60, 101)]
    out = tmp_path / "out"
    result = run_tool("demo", *images, *net, "--out", out, "--scales", "0.9,1")
    assert result.returncode == 0, result.stderr
    names = {f"{stem}{ending}" for stem in "ab" for ending in (".json", "_pose.png", "_stages.png")}
    assert {path.name for path in out.iterdir()} == names
    described = json.loads((out / "a.json").read_text())
    assert described["center"] == [36.0, 45.0] and described["scale"] == 91 / 200
    assert list(described["joints"]) == list(joints.PARTS_14)
    assert all(0 <= joint["x"] < 73 and 0 <= joint["y"] < 91 for joint in described["joints"].values())
    printed = result.stdout.splitlines()
    assert len(printed) == 2 and "mean score" in printed[0]


def test_centre_and_scale_are_used_and_runs_repeat(tmp_path, net):
    image = picture(tmp_path / "a.png")
    given = ["--center", "20,30.5", "--scale", 0.4, "--target-dist", 0.3, "--sigma-center", 5, "--scales", 1]
    for folder in ("one", "two"):
        result = run_tool("demo", image, *net, *given, "--out", tmp_path / folder)
    assert result.returncode == 0, result.stderr
    described = json.loads((tmp_path / "one" / "a.json").read_text())
    assert described["center"] == [20.0, 30.5] and described["scale"] == 0.4
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_networks_of_other_parts_have_maps_but_no_limbs(tmp_path):
    prototxt, weights = write_net(tmp_path, parts=3)
    image, out = picture(tmp_path / "a.png"), tmp_path / "out"
    result = run_tool("demo", image, "--prototxt", prototxt, "--weights", weights, "--scales", 1, "--out", out)
    assert result.returncode == 0, result.stderr
    assert {path.name for path in out.iterdir()} == {"a.json", "a_stages.png"}
    assert list(json.loads((out / "a.json").read_text())["joints"]) == ["part_0", "part_1", "part_2"]


def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path, net):
    out = tmp_path / "out"
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    good, same = picture(tmp_path / "a.png"), picture(tmp_path / "a.jpg")
    for arguments, expected in (
        ([tmp_path / "none.jpg", *net], "none.jpg"),
        ([broken, *net], "broken.jpg: expected an image"),
        ([good, same, *net], "found two that would be written as one"),
        ([good, *net, "--scale", "1e-9"], "a.png: expected a scale"),
        ([good, *net[:2], "--weights", tmp_path / "none.caffemodel"], "none.caffemodel"),
        ([good, "--prototxt", tmp_path / "none.prototxt", *net[2:]], "none.prototxt"),
    ):
        assert_refused(run_tool("demo", *arguments, "--out", out), expected)
        assert not out.exists()
