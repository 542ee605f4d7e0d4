"""Regions that are counted, scaled or said in another way."""

import numpy as np
import pytest

from cpm_repro.compare.causes.arrays import recognised

ROIS = np.float32([[0, 3, 5, 40, 61], [1, 0, 0, 79, 33], [1, 20, 8, 70, 90], [0, 7, 7, 7, 9]])


def sized(more):
    return np.concatenate([ROIS[:, :3], ROIS[:, 3:] - ROIS[:, 1:3] + more], 1)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (ROIS + np.float32([0, 1, 1, 1, 1]), "B's corners are counted from 1"),
        (ROIS - np.float32([0, 1, 1, 1, 1]), "B's corners are counted from 0"),
        (ROIS + np.float32([0, 0, 0, 1, 1]), "B's second corner is one behind the last pixel"),
        (sized(1), "B has width and height in place of the second corner"),
        (sized(0), "B has width and height in place of the second corner"),
        (ROIS * np.float32([1, 1.6, 1.6, 1.6, 1.6]), "B's corners are 1.6 times A's: of a picture of another size"),
        (ROIS * np.float32([1, 0.02, 0.01, 0.02, 0.01]), "B's corners are 0.02 times A's across and 0.01 times down"),
        (ROIS[[2, 0, 1, 3]], "images in another order"),
    ],
)
@pytest.mark.parametrize("axes", [(), (1, 1)])
def test_what_became_of_regions(other, said, axes):
    a, b = (np.ascontiguousarray(table.reshape(4, 5, *axes), np.float32) for table in (ROIS, other))
    (cause,) = recognised(a, b, is_input=True)
    assert said in cause.what


@pytest.mark.parametrize("more", [0, 1])
def test_regions_that_were_sizes(more):
    (cause,) = recognised(sized(more), ROIS, is_input=True)
    assert "B has the second corner in place of width and height" in cause.what


def test_tables_that_are_no_regions():
    random = np.random.default_rng(1)
    assert recognised(ROIS, (ROIS + random.normal(0, 1, ROIS.shape)).astype(np.float32), is_input=True) == []
