"""PCK counted by hand, missing joints, the mean pose, tables and JSON."""

import json

import numpy as np
import pytest

from cpm_repro import joints
from cpm_repro.evaluation import (
    THRESHOLDS,
    GroundTruth,
    as_json,
    ground_truth,
    mean_pose,
    pck,
    pck_table,
    person_truth,
    place_mean_pose,
    record_picture,
)
from data_lmdb.record import Person, Record
from prototxt_import.files import InputError

L_SHOULDER, R_HIP = joints.TORSO[14]


def a_person(seed: int = 0, torso: float = 50.0) -> GroundTruth:
    parts = np.random.default_rng(seed).uniform(0, 200, (14, 2))
    parts[R_HIP] = parts[L_SHOULDER] + [0.0, torso]
    return GroundTruth(parts, np.ones(14, bool), (100.0, 100.0), 1.1)


def stored_person(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.uniform(1, 200, (16, 2)), rng.integers(0, 2, 16)]).astype(np.float32)


def test_stored_joints_become_parts_in_0_based_pixels():
    stored = stored_person()
    truth = ground_truth(stored, np.float32([60.5, 70.25]), 0.8)
    assert truth.center == (59.5, 69.25) and truth.scale == 0.8
    assert truth.present.all()  # an occluded joint is still a joint
    for part, name in enumerate(joints.PARTS_14):
        source = joints.STORED_16.index({"head": "head_top", "neck": "upper_neck"}.get(name, name))
        np.testing.assert_array_equal(truth.parts[part], stored[source, :2].astype(np.float64) - 1)
    assert person_truth(Person(np.float32([1, 1]), 0.8, stored)).parts.shape == (14, 2)


def test_dummy_and_unmarked_joints_are_missing():
    stored = stored_person()
    stored[9] = 0  # head top
    stored[10, :2] = [-12.5, 0]  # right wrist, as LSPET leaves it
    stored[11, :2] = [-3, 40]  # right elbow, left of the picture: marked
    truth = ground_truth(stored, [1, 1], 1.0)
    missing = {joints.PARTS_14[part] for part in np.flatnonzero(~truth.present)}
    assert missing == {"head", "r_wrist"}
    halves = ground_truth(stored, [1, 1], 1.0, 28)
    assert not halves.present[joints.PARTS_28.index("head_top-upper_neck")]
    with pytest.raises(InputError, match="expected 16 x 3 numbers, found \\(9, 3\\)"):
        ground_truth(stored[:9], [1, 1], 1.0)


def test_pck_by_hand():
    truth = a_person(torso=50.0)
    pose = truth.parts.copy()
    pose[0] += [10.0, 0.0]  # head: 0.2 of the torso exactly, which still counts
    pose[1] += [0.0, 10.1]  # neck: a little beyond
    pose[4] += [300.0, 0.0]  # right wrist: lost
    result = pck([pose], [truth], np.array([0.1, 0.2, 0.5]))
    assert result.people == 1 and result.left_out == 0
    np.testing.assert_array_equal(result.hits[:, 0], [0, 1, 1])
    np.testing.assert_array_equal(result.hits[:, 1], [0, 0, 1])
    np.testing.assert_array_equal(result.hits[:, 4], [0, 0, 0])
    rows = result.rows()
    np.testing.assert_array_equal(rows["Head"], [0, 50, 100])
    np.testing.assert_array_equal(rows["Wrist"], [50, 50, 50])
    np.testing.assert_allclose(rows["Total"], [100 * 11 / 14, 100 * 12 / 14, 100 * 13 / 14])
    assert list(rows) == ["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Total"]


def test_missing_joints_and_torsos_are_left_out():
    whole, lame = a_person(1), a_person(2)
    lame.present[[4, 7]] = False
    headless = a_person(3)
    headless.present[R_HIP] = False
    flat = a_person(4, torso=0.0)
    truths = [whole, lame, headless, flat]
    wrong = [truth.parts + 1000 for truth in truths]
    wrong[0] = whole.parts
    result = pck(wrong, truths)
    assert result.people == 2 and result.left_out == 2
    assert result.counts[4] == 1 and result.counts[0] == 2
    assert result.rows()["Wrist"][-1] == 100  # only the whole person's wrists were judged
    assert result.rows()["Head"][-1] == 50
    nobody = pck([flat.parts], [flat])
    assert np.isnan(nobody.percent()).all()


def test_pck_wants_a_pose_for_each_person():
    with pytest.raises(InputError, match="found 0 for 1"):
        pck([], [a_person()])
    with pytest.raises(InputError, match="found 0 for 0"):
        pck([], [])


def test_mean_pose_leaves_out_missing_joints_and_lands_on_the_person():
    rng = np.random.default_rng(5)
    template = rng.normal(0, 60, (14, 2))
    truths = []
    for _ in range(9):
        center, scale = rng.uniform(50, 150, 2), rng.uniform(0.5, 1.5)
        present = rng.random(14) < 0.7
        parts = np.where(present[:, None], template * scale + center, -1.0)
        truths.append(GroundTruth(parts, present, tuple(center), scale))
    mean = mean_pose(truths)
    np.testing.assert_allclose(mean, template, rtol=0, atol=1e-9)
    placed = place_mean_pose(mean, truths[0])
    own = truths[0].present
    np.testing.assert_allclose(placed[own], truths[0].parts[own], rtol=0, atol=1e-9)
    for truth in truths:
        truth.present[3] = False
    with pytest.raises(InputError, match="every part in at least one training person"):
        mean_pose(truths)
    with pytest.raises(InputError, match="mean pose"):
        mean_pose([])


def test_table_is_aligned_and_json_is_plain():
    truth = a_person()
    perfect, lost = pck([truth.parts], [truth]), pck([truth.parts + 999], [truth])
    lines = pck_table({"stage 6": perfect, "mean pose": lost}).splitlines()
    assert lines[0].split()[:3] == ["PCK@0.2", "Head", "Shoulder"]
    assert lines[1].startswith("stage 6  ") and set(lines[1].split()[2:]) == {"100.00"}
    assert len({len(line) for line in lines}) == 1
    stored = json.loads(json.dumps(as_json(lost)))
    assert stored["rows"]["Total"] == [0.0] * len(THRESHOLDS)
    assert stored["joints_judged"]["r_wrist"] == 1 and stored["people"] == 1
    hidden = a_person()
    hidden.present[0] = False
    assert as_json(pck([hidden.parts], [hidden]))["parts"]["head"][0] is None


def test_thresholds_are_found_by_value():
    result = pck([a_person().parts], [a_person()])
    assert result.thresholds[result.at(0.2)] == 0.2
    with pytest.raises(ValueError, match=r"not counted at 0\.123"):
        result.at(0.123)


def test_the_padding_of_narrow_pictures_is_cut_off():
    image = np.random.default_rng(0).integers(0, 256, (90, 64, 3)).astype(np.uint8)
    person = Person(np.float32([1, 1]), 1.0, stored_person())
    record = Record("X", False, image, 50.0, 90.0, person, [], 1, 1.0, 1.0, 1.0)
    np.testing.assert_array_equal(record_picture(record), image[:, :50])
