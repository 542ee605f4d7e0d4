"""Maps that are empty, dropped or resized, and a picture subtracted from all."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from cpm_repro.compare.causes.arrays import recognised

RANDOM = np.random.default_rng(6)
A = RANDOM.standard_normal((3, 8, 11, 13))
IMAGES = RANDOM.uniform(-0.5, 0.5, (4, 3, 11, 13))
DROPPED = (RANDOM.permutation(24) < 9).reshape(3, 8, 1, 1)


def resized(mode, **how):
    return functional.interpolate(torch.from_numpy(A), (22, 26), mode=mode, **how).numpy()


@pytest.mark.parametrize(
    ("b", "said"),
    [
        (A * (np.arange(8) != 5).reshape(1, 8, 1, 1), "channel 5 of B all zero"),
        (A * (np.arange(8) < 4).reshape(1, 8, 1, 1), "channels 4, 5, 6, 7 of B all zero: outputs pruned or left out"),
        (np.where(DROPPED, 0, 2 * A), "dropout of whole maps (Dropout2d) is at work in B"),
        (resized("nearest"), "B is resized to 22×26 from 11×13, by nearest neighbour"),
        (resized("bilinear", align_corners=True), "bilinear, corners aligned (align_corners=True)"),
    ],
)
def test_of_blobs(b, said):
    (cause,) = recognised(A, b)
    assert said in cause.what


@pytest.mark.parametrize(
    ("b", "said"),
    [
        (IMAGES - IMAGES.mean(0), "B has the batch's own mean image subtracted"),
        (IMAGES - IMAGES[:1] * 0.3, "one side has a picture subtracted, the same from every image: a mean image"),
        (IMAGES - IMAGES.mean((0, 2, 3), keepdims=True), "B has the mean of each channel over the batch subtracted"),
        (IMAGES - [[[0.1]], [[0.2]], [[0.3]]], "a constant per channel"),
    ],
)
def test_of_inputs(b, said):
    assert said in recognised(IMAGES, b, is_input=True)[0].what


def test_of_one_image_nothing_foretells_a_mean():
    assert not any("mean image" in cause.what for cause in recognised(IMAGES[:1], IMAGES[1:2], is_input=True))
