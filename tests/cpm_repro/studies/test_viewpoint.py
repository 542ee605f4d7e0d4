"""Whom viewpoints are known of, and which."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from cpm_repro.evaluation.ground_truth import read_people
from cpm_repro.studies import viewpoint
from cpm_repro.studies.data import Drawing, drawn_people
from cpm_repro.studies.viewpoint import VIEWPOINTS, check, drawn_viewpoints, viewpoint_of, views
from cpm_repro.synthetic.pictures import draw_picture
from data_lmdb.joints import STORED_TO_14
from data_lmdb.records.reader import LmdbReader
from prototxt_import.files import InputError
from tests.cpm_repro.studies.tiny import setting


@pytest.mark.parametrize(
    "turn, name",
    [
        (0, "front"),
        (-15, "front"),
        (16, "front, right"),
        (-80, "front, left"),
        (100, "back, right"),
        (170, "back"),
        (-166, "back"),
        (-120, "back, left"),
    ],
)
def test_viewpoints_by_turn(turn, name):
    assert VIEWPOINTS[viewpoint_of(turn)] == name


def test_a_turn_is_where_the_chest_looks():
    """Facing the viewer a person's left shoulder lies to the right of the picture; away from him to its left."""
    turns = []
    for index in range(40):
        for person in draw_picture(3, index).people:
            right, left = person.joints[2, 0], person.joints[5, 0]
            if abs(abs(person.turn) - 90) > 30:
                assert (left > right) == (abs(person.turn) < 90)
            turns.append(person.turn)
    assert min(turns) < -90 and max(turns) > 90


def test_the_viewpoints_of_drawn_people_are_those_they_were_drawn_in(tmp_path):
    drawing = Drawing(12, 6)
    data = drawn_people(tmp_path, drawing)
    with LmdbReader(data.held_out) as reader:
        truths = [truth for _, truth in read_people(reader)]
    people = [person for index in range(6, 12) for person in draw_picture(0, index).people]
    assert len(people) == len(truths)
    expected = [viewpoint_of(person.turn) for person in people]
    assert drawn_viewpoints(drawing, truths).tolist() == expected
    moved = [replace(truths[0], parts=truths[0].parts + 1), *truths[1:]]
    with pytest.raises(InputError, match="person 0 of the held-out ones: expected one who is drawn"):
        drawn_viewpoints(drawing, moved)


def validation_file(path, truths):
    """A .mat with the people's joints and head boxes of 30 x 40 px."""
    joints = np.zeros((16, 2, len(truths)))
    for n, truth in enumerate(truths):
        joints[list(STORED_TO_14), :, n] = truth.parts + 1
    missing = np.ones((16, len(truths)))
    missing[list(STORED_TO_14)] = 0
    boxes = np.stack([np.zeros((2, len(truths))), np.stack([np.full(len(truths), 30), np.full(len(truths), 40)])])
    scipy.io.savemat(path, {"pos_gt_src": joints, "jnt_missing": missing, "headboxes_src": boxes})


def test_given_people_have_clusters_and_heads(tmp_path):
    asked = setting(tmp_path)
    with LmdbReader(asked.data.held_out) as reader:
        truths = [truth for _, truth in read_people(reader)]
    validation_file(tmp_path / "heads.mat", truths)
    (tmp_path / "clusters.txt").write_text("\n".join(["7", *["3"] * (len(truths) - 1)]))
    asked.trainer.data = replace(
        asked.data, drawing=None, clusters=tmp_path / "clusters.txt", heads=tmp_path / "heads.mat"
    )
    check(asked.data)
    seen = views(asked)
    assert seen.metric == ("PCKh", 0.5) and seen.names == ("cluster 3", "cluster 7")
    assert seen.viewpoints.tolist() == [1, *[0] * (len(truths) - 1)]
    poses = np.stack([truth.parts for truth in truths])
    poses[0] += (0.6 * 50 * 0.5 - 0.01, 0)
    assert {name: result.percent()[50] for name, result in seen.results(poses).items()} == {
        "cluster 3": 100,
        "cluster 7": 100,
    }
    poses[0] += (0.02, 0)
    assert seen.results(poses)["cluster 7"].percent()[50] == 0


def test_nobody_says_from_where():
    data = viewpoint.Data("people", Path("a"), Path("b"), "1", "2", clusters=Path("c"))
    with pytest.raises(InputError, match="expected drawn people, or --clusters"):
        check(data)
