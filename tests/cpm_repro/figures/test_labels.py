"""Names that would lie on each other are moved as little as does, and none where there is room."""

import numpy as np
import pytest

from cpm_repro.figures.labels import vertical_moves


def test_what_has_room_stays():
    assert vertical_moves([(0, 0, 9, 2), (10, 1, 20, 3), (0, 2, 9, 4)]) == [0, 0, 0]
    assert vertical_moves([]) == []


def test_the_nearest_free_place():
    one, other, third = (0.0, 0.0, 9.0, 2.0), (8.0, 1.5, 20.0, 3.5), (3.0, 1.75, 8.5, 3.75)
    assert vertical_moves([one, other, third]) == [0, 0.5, 2.25]
    assert vertical_moves([one, one, one]) == [0, 2, -2]
    assert vertical_moves([one, one, one], (0, 6)) == [0, 2, 4]
    assert vertical_moves([one, one, one], (0, 4)) == [0, 2, 0]


@pytest.mark.parametrize("seed", range(5))
def test_none_lies_on_another(seed):
    random = np.random.default_rng(seed)
    boxes = random.uniform(0, 30, (40, 2))
    boxes = np.hstack([boxes, boxes + random.uniform(1, 20, (40, 2))])
    moved = boxes.copy()
    moved[:, [1, 3]] += np.array(vertical_moves(map(tuple, boxes)))[:, None]
    for place, (left, low, right, high) in enumerate(moved):
        others = moved[:place]
        beside = (others[:, 2] <= left) | (right <= others[:, 0])
        assert (beside | (others[:, 3] <= low + 1e-5) | (high <= others[:, 1] + 1e-5)).all()
