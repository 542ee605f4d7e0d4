"""What a level's predictor is to believe, and the positions that it is shown."""

import numpy as np
import pytest

from cpm_repro.studies.pose_machine.levels import NAMES, PARTS, draw_positions, ideal_beliefs, level
from data_lmdb.joints import LIMBS, PARTS_14


def test_points_of_the_levels():
    parts = np.random.default_rng(1).uniform(0, 100, (3, 14, 2)).astype(np.float32)
    parts[1, PARTS_14.index("r_wrist")] = np.nan
    points = {name: level(name, 14).points(parts) for name in NAMES}
    np.testing.assert_array_equal(points["parts"], parts)
    assert points["pairs"].shape == (3, len(LIMBS[14]), 2)
    forearm = list(LIMBS[14]).index((3, 4))
    np.testing.assert_allclose(points["pairs"][0, forearm], (parts[0, 3] + parts[0, 4]) / 2, rtol=1e-6)
    assert np.isnan(points["pairs"][1, forearm]).all()
    np.testing.assert_allclose(points["whole"][1, 0], np.nanmean(parts[1], axis=0), rtol=1e-6)


@pytest.mark.parametrize("number_of_parts", [9, 14])
def test_beliefs_are_distributions(number_of_parts):
    parts = np.random.default_rng(2).uniform(-20, 90, (4, number_of_parts, 2)).astype(np.float32)
    parts[2] = np.nan
    for name in NAMES:
        one = level(name, number_of_parts)
        found = ideal_beliefs(one.points(parts), (9, 7), 8, 9.0)
        assert found.shape == (4, len(one.groups) + 1, 9, 7)
        assert (found >= 0).all()
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-6)
        assert (found[2, -1] == 1).all()  # nobody there


def test_a_lone_parts_belief_is_the_labels_gaussian():
    points = np.array([[[19.5, 27.5], [np.nan, np.nan]]], np.float32)  # the middle of cell (3, 2)
    found = ideal_beliefs(points, (6, 5), 8, 9.0)[0]
    rows, columns = np.mgrid[:6, :5]
    expected = np.exp(-((columns * 8 + 3.5 - 19.5) ** 2 + (rows * 8 + 3.5 - 27.5) ** 2) / 162)
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-6)
    assert found[0, 3, 2] == 1 and not found[1].any()


def test_positions_are_drawn_with_the_beliefs_probabilities():
    points = np.array([[[20.0, 30.0], [45.0, 30.0]]], np.float32)
    ideal = ideal_beliefs(points, (9, 9), 8, 9.0)[0]
    drawn = [draw_positions(ideal, 81 * 2, np.random.default_rng(seed)) for seed in range(800)]
    counts = np.zeros((3, 81))
    for places, classes in (each.T for each in drawn):
        assert len(set(places.tolist())) == 81
        counts[classes, places] += 1
    np.testing.assert_allclose(counts / 800, ideal.reshape(3, -1), rtol=0, atol=0.09)  # 5 standard deviations


def test_positions_are_drawn_alike_from_all_over_the_crop():
    ideal = ideal_beliefs(level(PARTS, 14).points(np.full((1, 14, 2), 40.0, np.float32)), (9, 9), 8, 9.0)[0]
    counts = np.zeros(81)
    for seed in range(900):
        places = draw_positions(ideal, 27, np.random.default_rng(seed))[:, 0]
        assert len(set(places.tolist())) == 27 and (np.diff(places) > 0).all()
        counts[places] += 1
    np.testing.assert_allclose(counts / 900, 1 / 3, rtol=0, atol=0.08)  # 5 standard deviations
