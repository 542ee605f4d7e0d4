"""Photographs made smaller: the same things stand at the annotated places, and nothing a crop could show is lost."""

import numpy as np
import pytest

from data_lmdb.images import decode_bgr
from data_lmdb.records.conversion import make_lmdb
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import decode
from data_lmdb.records.shrinking import REACH, Shrinking
from data_lmdb.records.sources import read_sources
from tests.annotated_people import PEOPLE, annotation, write_people
from tests.tool import run_tool


def spot(x, y, width=601, height=451):
    """A white square of 9 px around the 1-based pixel x, y on black, uint8 (height, width, 3)."""
    image = np.zeros((height, width, 3), np.uint8)
    image[y - 5 : y + 4, x - 5 : x + 4] = 255
    return image


def middle(image):
    """x, y of the light's centre of mass, 1-based; what the file's noise left of black does not count."""
    light = np.where(image[..., 0] > 40, image[..., 0], 0).astype(float)
    along = [
        np.average(np.arange(n) + 1, weights=light.sum(axis)) for axis, n in ((0, light.shape[1]), (1, light.shape[0]))
    ]
    return along[0], along[1]


def person(x, y, scale, joints=16, **changes):
    stored = np.zeros((joints, 3))
    stored[0] = x, y, 1
    size = {"img_width": 601, "img_height": 451}
    return annotation(1, joint_self=stored, objpos=np.array([x, y], float), scale_provided=scale, **{**size, **changes})


@pytest.mark.parametrize("x, y, scale, height", [(300, 200, 1.0, 50), (30, 400, 0.45, 77), (590, 9, 0.3, 31)])
def test_joints_stay_where_they_were_in_the_picture(x, y, scale, height):
    others = {
        "joint_others": np.full((1, 16, 3), (x, y, 1.0)),
        "objpos_other": np.array([[x, y]], float),
        "scale_provided_other": np.array([scale]),
    }
    small, file = Shrinking(height, 95)(person(x, y, scale, **others), spot(x, y))
    image = decode_bgr(file, "it", (small.img_width, small.img_height))
    assert small.scale_provided * 200 == pytest.approx(height, rel=0.02)
    for place in (small.joint_self[0], small.objpos, small.joint_others[0, 3], small.objpos_other[0]):
        assert place[:2] == pytest.approx(middle(image), abs=0.25)
    assert not small.joint_self[1:].any()  # those that were not annotated
    assert small.scale_provided_other == pytest.approx(small.scale_provided)


def test_what_is_far_from_the_person_is_cut_away():
    small, _ = Shrinking(1000)(person(300, 200, 0.2), spot(300, 200))
    assert small.img_width == small.img_height == 2 * int(REACH * 40) + 1
    assert small.scale_provided == 0.2  # nothing is made larger
    everything, _ = Shrinking(1000)(person(900, 900, 0.2), spot(300, 200))
    assert (everything.img_width, everything.img_height) == (601, 451)


def test_an_lmdb_of_small_photographs(tmp_path):
    write_people(tmp_path)
    sources = read_sources([tmp_path / "x.json"], "include")
    folders = [tmp_path / "first", tmp_path / "second"]
    assert make_lmdb(tmp_path / "small", sources, folders, "file", shrinking=Shrinking(20))[0] == PEOPLE
    with LmdbReader(tmp_path / "small") as reader:
        records = [decode(value, 16, "it") for value in reader]
    assert {record.self_person.scale_provided for record in records} <= {np.float32(0.1)}
    assert all(record.image.shape == (10, 64, 3) and record.img_width == 12 for record in records)


def test_small_photographs_are_files(tmp_path):
    write_people(tmp_path)
    arguments = [tmp_path / "x.json", "--images", tmp_path / "first", "--images", tmp_path / "second", "--out"]
    done = run_tool("make_lmdb", *arguments, tmp_path / "small", "--person-height", "20")
    assert done.returncode == 2 and "--person-height: expected --storage file, found raw" in done.stderr
    done = run_tool("make_lmdb", *arguments, tmp_path / "small", "--storage", "file", "--quality", "96")
    assert done.returncode == 2 and "expected 1 to 95, found 96" in done.stderr
