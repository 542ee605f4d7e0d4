"""tools/show_batch.py: the data layer's samples, and one sample's steps, become pictures."""

import numpy as np
import pytest
from PIL import Image

from cpm_repro.benchmarks import data
from data_lmdb.records.record import encode
from data_lmdb.records.writer import write_lmdb
from tests.tool import assert_refused, picture_size, run_tool

PROTOTXT = """
layer { name: "data" type: "CPMData" top: "data" top: "label"
  cpmdata_param { backend: LMDB source: "lmdb" batch_size: 4 }
  transform_param { stride: 8 crop_size_x: 100 crop_size_y: 76 target_dist: 0.3 %s } }
"""


@pytest.fixture
def net(tmp_path):
    write_lmdb(tmp_path / "lmdb", [encode(data.drawn_record(index)) for index in range(2)])
    (tmp_path / "train.prototxt").write_text(PROTOTXT % "")
    return tmp_path / "train.prototxt"


def show(net, *arguments):
    result = run_tool("show_batch", "--prototxt", net, *arguments)
    assert result.returncode == 0, result.stderr
    return result


def test_a_batch_becomes_a_picture_with_a_row_per_sample(net, tmp_path):
    assert "written" in show(net, "--samples", 3, "--out", tmp_path / "three.png").stdout
    show(net, "--samples", 1, "--out", tmp_path / "one.png")
    (width, height), one = picture_size(tmp_path / "three.png"), picture_size(tmp_path / "one.png")
    assert width == one[0] and 2 < height / one[1] < 3
    assert len(np.unique(np.asarray(Image.open(tmp_path / "three.png").convert("RGB")).reshape(-1, 3), axis=0)) > 1000


def test_the_seed_decides_what_is_shown(net, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        show(net, "--samples", 1, "--srand", seed, "--out", tmp_path / f"{name}.png")
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_steps_of_one_sample(net, tmp_path):
    show(net, "--steps", 2, "--profile", "opencv2", "--out", tmp_path / "steps.png")
    width, height = picture_size(tmp_path / "steps.png")
    assert width > 3 * height


def test_layers_without_centre_map_or_joint_order_are_shown(net, tmp_path):
    net.write_text(PROTOTXT % "put_gaussian: false transform_body_joint: false num_parts: 16 gray: 1")
    show(net, "--samples", 2, "--out", tmp_path / "batch.png")
    show(net, "--steps", 0, "--out", tmp_path / "steps.png")


def test_the_centre_map_of_everybody_is_shown(net, tmp_path):
    show(net, "--samples", 2, "--out", tmp_path / "own.png")
    net.write_text(PROTOTXT % "all_centers: true")
    show(net, "--samples", 2, "--out", tmp_path / "all.png")
    own, everybody = (np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")) for name in ("own", "all"))
    assert (own != everybody).any()


def test_bad_input_is_one_sentence_and_leaves_nothing(net, tmp_path):
    out = tmp_path / "x.png"
    assert_refused(run_tool("show_batch", "--prototxt", net, "--out", tmp_path / "x.bmp"), "expected a name ending in")
    net.write_text(PROTOTXT % "num_parts: 11")
    assert_refused(run_tool("show_batch", "--prototxt", net, "--out", out), "layer data", "num_parts")
    net.write_text('layer { name: "relu" type: "ReLU" bottom: "x" top: "x" }')
    assert_refused(run_tool("show_batch", "--prototxt", net, "--out", out), "expected one CPMData layer", "found 0")
    net.write_text((PROTOTXT % "").replace("lmdb", "none"))
    assert_refused(run_tool("show_batch", "--prototxt", net, "--out", out), "none")
    assert run_tool("show_batch", "--prototxt", net, "--samples", 101, "--out", out).returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lmdb", "train.prototxt"]
