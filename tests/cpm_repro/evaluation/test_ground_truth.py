"""Annotated people: parts and missing joints, places, left and right as the observer sees them, the mean pose."""

import numpy as np
import pytest

from cpm_repro.evaluation.ground_truth import (
    GroundTruth,
    ground_truth,
    mean_pose,
    observer_centric,
    observer_order,
    person_truth,
    place_mean_pose,
    read_people,
    record_picture,
)
from data_lmdb import joints
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import Person, Record, encode
from data_lmdb.records.writer import write_lmdb
from prototxt_import.files import InputError


def stored_person(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.uniform(1, 200, (16, 2)), rng.integers(0, 2, 16)]).astype(np.float32)


def test_stored_joints_become_parts_in_0_based_pixels():
    stored = stored_person()
    truth = ground_truth(stored, np.float32([60.5, 70.25]), 0.8)
    assert truth.center == (59.5, 69.25) and truth.scale == 0.8
    assert truth.present.all()  # an occluded joint is still a joint
    for part, name in enumerate(joints.PARTS_14):
        source = joints.STORED_16.index(name)
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
    assert not halves.present[joints.PARTS_28.index("head-neck")]
    with pytest.raises(InputError, match="expected 16 x 3 numbers, found \\(9, 3\\)"):
        ground_truth(stored[:9], [1, 1], 1.0)


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


def test_the_padding_of_narrow_pictures_is_cut_off():
    image = np.random.default_rng(0).integers(0, 256, (90, 64, 3)).astype(np.uint8)
    person = Person(np.float32([1, 1]), 1.0, stored_person())
    record = Record("X", False, image, 50.0, 90.0, person, [], 1, 1.0, 1.0, 1.0)
    np.testing.assert_array_equal(record_picture(record), image[:, :50])


def test_people_come_with_their_places(tmp_path):
    image = np.zeros((90, 70, 3), np.uint8)
    person = Person(np.float32([30, 40]), 0.4, stored_person())
    records = [Record("MPI", True, image, 70.0, 90.0, person, [], p, i, i, 3.0) for i, p in ((7, 2), (90000, 1))]
    write_lmdb(tmp_path, [encode(record) for record in records])
    with LmdbReader(tmp_path) as reader:
        assert [truth.place for _, truth in read_people(reader)] == [(7, 2), (90000, 1)]
        with pytest.raises(InputError, match=r"record 0000000: expected a person with 9 joints, found MPI's 16"):
            next(read_people(reader, number_of_parts=9))


@pytest.mark.parametrize("number_of_parts", [9, 14])
def test_people_seen_from_behind_change_sides_once(number_of_parts):
    names = joints.PARTS[number_of_parts]
    right, left = names.index("r_shoulder"), names.index("l_shoulder")
    parts = np.random.default_rng(8).uniform(0, 200, (number_of_parts, 2))
    parts[[right, left], 0] = 60, 90  # facing the camera
    present = np.random.default_rng(9).random(number_of_parts) < 0.5
    present[[right, left]] = True
    facing = GroundTruth(parts, present, (1.0, 1.0), 1.0)
    np.testing.assert_array_equal(observer_order(parts), np.arange(number_of_parts))
    behind = GroundTruth(parts * [-1, 1], present, (1.0, 1.0), 1.0)
    seen = observer_centric(behind)
    for part, name in enumerate(names):
        source = names.index({"r_": "l_", "l_": "r_"}.get(name[:2], name[:2]) + name[2:])
        np.testing.assert_array_equal(seen.parts[part], behind.parts[source])
        assert seen.present[part] == behind.present[source]
    np.testing.assert_array_equal(observer_centric(seen).parts, seen.parts)
    np.testing.assert_array_equal(observer_centric(facing).parts, parts)
    behind.present[left] = False  # nobody can tell
    np.testing.assert_array_equal(observer_centric(behind).parts, behind.parts)


def test_shoulders_above_one_another_and_lost_ones_change_nothing():
    parts = np.full((14, 2), 5.0)
    np.testing.assert_array_equal(observer_order(parts), np.arange(14))
    parts[joints.PARTS_14.index("l_shoulder")] = np.nan
    np.testing.assert_array_equal(observer_order(parts), np.arange(14))
