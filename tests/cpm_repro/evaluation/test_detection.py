"""Who is found: each centre finds one person, and only one that is near."""

import numpy as np
import pytest

from cpm_repro.evaluation.detection import Detection, matched, read_pictures
from cpm_repro.evaluation.ground_truth import GroundTruth
from data_lmdb.annotations import write_json
from data_lmdb.records.conversion import make_lmdb
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.sources import read_sources
from tests.annotated_people import annotation, write_people


def person(x, y, scale=0.5):
    return GroundTruth(np.zeros((14, 2)), np.zeros(14, bool), (x, y), scale)


@pytest.mark.parametrize(
    "centers, found",
    [
        ([(10, 10)], 1),
        ([(10, 29.9)], 1),  # a fifth of 100 px
        ([(10, 30.1)], 0),
        ([(10, 10), (12, 10)], 1),  # one person is not found twice
        ([(25, 10), (12, 10)], 2),  # the first is near both, the second near one
        ([], 0),
    ],
)
def test_people_are_found_once(centers, found):
    assert matched(centers, [person(10, 10), person(40, 10)]) == found


def test_nobody_is_there():
    assert matched([(1, 1)], []) == 0


def test_pictures_come_once_with_everybody_in_them(tmp_path):
    write_people(tmp_path)
    others = {"joint_others": np.full((1, 16, 3), 9.0), "objpos_other": np.array([[21.0, 31.0]])}
    both = {**others, "scale_provided_other": np.array([0.3])}
    people = [(1, 2), (1, 3), (2, 1), (1, 2)]  # one who has no record is the first; another picture of the same number
    write_json(tmp_path / "x.json", [annotation(n, **(both if n == 1 else {}), people_index=p) for n, p in people])
    make_lmdb(tmp_path / "lmdb", read_sources([tmp_path / "x.json"], "include"), [tmp_path / "first"])
    with LmdbReader(tmp_path / "lmdb") as reader:
        pictures = list(read_pictures(reader))
    assert [len(people) for _, people in pictures] == [2, 1, 2] and pictures[0][0].shape == (40, 50, 3)
    assert pictures[0][1][1].center == (20, 30)


def test_counts_add_up():
    counts = Detection(0, 0, 0, 0).plus(3, 2, 1).plus(1, 0, 0)
    assert str(counts) == "2 pictures, 4 people annotated: 2 found (50.0 %), 1 besides"
