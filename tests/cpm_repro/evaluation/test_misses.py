"""What misses were taken for, counted by hand."""

import numpy as np

from cpm_repro.evaluation.ground_truth import GroundTruth
from cpm_repro.evaluation.misses import KINDS, counted, kinds_of_joints, misses_as_json, misses_table, worst
from data_lmdb import joints

PARTS = joints.PARTS[14]


def a_person() -> GroundTruth:
    """Joints 100 px apart, and a torso of 50 px: at a threshold of 0.2 no two of them are near each other."""
    return GroundTruth(np.arange(28.0).reshape(14, 2) * 100, np.ones(14, bool), (0.0, 0.0), 1.0)


def kinds(pose, truths=None, size=50.0):
    truths = truths or [a_person()]
    return counted(kinds_of_joints(np.array([pose] * len(truths)), truths, np.full(len(truths), size), 0.2)).counts


def test_each_kind_by_hand():
    truth = a_person()
    pose = truth.parts.copy()
    expected = dict.fromkeys(PARTS, "right")
    for part, moved, kind in (
        ("head", truth.parts[0] + [10, 0], "right"),  # a tie is a hit
        ("neck", truth.parts[1] + [0, 20], "near"),
        ("r_wrist", truth.parts[PARTS.index("l_wrist")] + [3, 4], "other side"),
        ("l_knee", truth.parts[PARTS.index("l_ankle")], "another part"),
        ("r_hip", truth.parts[0] + [0, -10], "another part"),
        ("l_hip", [5e5, 5e5], "elsewhere"),
        ("l_elbow", [np.nan, np.nan], "elsewhere"),
    ):
        pose[PARTS.index(part)], expected[part] = moved, kind
    counts = kinds(pose)
    assert {part: KINDS[row.argmax()] for part, row in zip(PARTS, counts, strict=True)} == expected
    assert (counts.sum(axis=1) == 1).all()


def test_what_nobody_marked_is_not_judged_nor_taken_for():
    whole, lame = a_person(), a_person()
    lame.present[PARTS.index("l_wrist")] = False
    pose = whole.parts.copy()
    pose[PARTS.index("r_wrist")] = whole.parts[PARTS.index("l_wrist")]
    counts = kinds(pose, [whole, lame])
    assert counts[PARTS.index("r_wrist")].tolist() == [0, 1, 0, 0, 1]
    assert counts[PARTS.index("l_wrist")].tolist() == [1, 0, 0, 0, 0]
    assert not kinds(pose, [whole], np.nan).any()


def test_no_length_is_right_nowhere_but_at_the_joint():
    truth = a_person()
    assert kinds(truth.parts + 1, size=0.0)[:, KINDS.index("elsewhere")].all()


def test_shares_are_of_the_judged_joints():
    pose = a_person().parts.copy()
    pose[PARTS.index("l_ankle")] = 1e6
    found = counted(kinds_of_joints(pose[None], [a_person()], np.array([50.0]), 0.2))
    assert misses_as_json(found)["Ankle"] == {
        "right": 50,
        "other side": 0,
        "another part": 0,
        "near": 0,
        "elsewhere": 50,
    }
    assert misses_table({"ours": found}).split()[-5:] == ["92.86", "0.00", "0.00", "0.00", "7.14"]
    nobody = counted(kinds_of_joints(pose[None], [a_person()], np.array([np.nan]), 0.2))
    assert misses_as_json(nobody)["Head"]["right"] is None


def test_the_worst_come_first():
    truths = [a_person() for _ in range(4)]
    poses = np.stack([truth.parts for truth in truths])
    poses[0, :2] += 1e6
    poses[2, 3:9] += 1e6
    truths[3].present[:] = False
    kinds = kinds_of_joints(poses, truths, np.full(4, 50.0), 0.2)
    assert worst(kinds, 9).tolist() == [2, 0, 1]
    assert worst(kinds, 1).tolist() == [2]
