"""Belief maps over pictures: a row per stage, colours where the belief is, marks where people were found."""

import numpy as np
import pytest

from cpm_repro.figures import belief_maps
from data_lmdb import joints

RNG = np.random.default_rng(0)


def picture(height: int, width: int) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_colours_run_from_blue_to_red():
    low, middle, high = belief_maps.colours(np.array([0.1, 0.5, 0.9]))
    assert low.argmax() == 2 and middle.argmax() == 1 and high.argmax() == 0
    assert (belief_maps.colours(np.array(0.0)) == belief_maps._TURBO[0]).all()


def test_overlay_is_brightest_at_the_peak():
    belief = np.zeros((8, 10), np.float32)
    belief[2, 7] = 1
    colour = belief_maps.overlay(np.full((64, 80, 3), 90, np.uint8), belief)
    assert colour.shape == (64, 80, 3) and colour.dtype == np.uint8
    redness = colour[..., 0].astype(int) - colour[..., 2]
    row, column = np.unravel_index(redness.argmax(), redness.shape)
    assert 14 <= row <= 25 and 54 <= column <= 65


@pytest.mark.parametrize("number_of_parts", [1, 9, 14])
def test_the_sheet_has_a_row_per_stage_and_a_column_per_part(number_of_parts):
    maps = [RNG.random((number_of_parts + 1, 12, 12)).astype(np.float32) for _ in range(3)]
    shown = min(len(joints.PARTS.get(number_of_parts, "1")), len(belief_maps.SHOWN_PARTS.get(number_of_parts, "1")))
    sheets = [belief_maps.stages_sheet(picture(96, 96), maps[:stages]) for stages in (1, 2, 3)]
    rows = {sheet.shape[0] for sheet in sheets}
    assert max(rows) - min(rows) == 2 * (belief_maps._CELL + belief_maps._GAP + belief_maps._LINE)
    assert sheets[0].shape[1] == belief_maps._GAP + (shown + 1) * (belief_maps._CELL + belief_maps._GAP)


def test_the_sheet_shows_the_crop_and_the_maps_that_are_asked_for():
    crop = np.zeros((48, 48, 3), np.uint8)
    crop[..., 0] = 200  # blue
    maps = np.zeros((15, 6, 6), np.float32)
    maps[13] = 1
    sheet = belief_maps.stages_sheet(crop, [maps], [2, 13])
    middles = [belief_maps._GAP + column * (belief_maps._CELL + belief_maps._GAP) + 90 for column in range(3)]
    shown, nothing, believed = (sheet[150, middle].astype(int) for middle in middles)
    assert (shown == (200, 0, 0)).all()
    assert np.ptp(nothing) < 40 and believed[2] > believed[0] + 90


def test_people_are_marked_where_they_were_found_and_settled():
    grey, belief = np.full((84, 42, 3), 128, np.uint8), np.zeros((10, 5), np.float32)
    peaks, centers = np.array([[20.0, 30.0], [35.0, 41.0]]), np.array([[22.0, 55.0], [35.0, 50.0]])
    nobody = belief_maps.person_map_picture(grey, belief, np.empty((0, 2)))
    found = belief_maps.person_map_picture(grey, belief, peaks)
    settled = belief_maps.person_map_picture(grey, belief, peaks, centers)
    left, top = (found.shape[1] - 420) // 2, belief_maps._LINE
    for x, y in (10 * (peaks + 0.5) - 0.5 + (left, top)).round().astype(int):
        assert (found[y, x] == 255).all() and not (nobody[y, x] == 255).all()
    x, y = (10 * (centers[0] + peaks[0] + 1) / 2 - 0.5 + (left, top)).round().astype(int)  # on the line
    assert (settled[y - 1 : y + 2, x - 1 : x + 2] == 255).any() and not (
        found[y - 1 : y + 2, x - 1 : x + 2] == 255
    ).any()
