"""Fillers: ranges and moments of each kind, and what an unknown one is told."""

import math

import numpy as np
import pytest
import torch

from prototxt_import import schema
from prototxt_import.files import InputError
from prototxt_import.fillers import fill

SHAPE = (40, 30, 5, 5)
FAN_IN, FAN_OUT = 30 * 25, 40 * 25


def filled(shape=SHAPE, **fields):
    blob = torch.full(shape, math.nan)
    fill(blob, schema.FillerParameter(**fields), np.random.RandomState(1), "layer 'c'")
    return blob.numpy()


def test_constant_uniform_and_gaussian():
    assert (filled(type="constant", value=0.7) == np.float32(0.7)).all()
    uniform = filled(type="uniform", min=-2, max=5)
    assert uniform.min() >= -2 and uniform.max() <= 5 and uniform.mean() == pytest.approx(1.5, abs=0.05)
    gaussian = filled(type="gaussian", mean=1, std=3)
    assert gaussian.mean() == pytest.approx(1, abs=0.05) and gaussian.std() == pytest.approx(3, rel=0.02)


@pytest.mark.parametrize(
    ("norm", "fan"), [("FAN_IN", FAN_IN), ("FAN_OUT", FAN_OUT), ("AVERAGE", (FAN_IN + FAN_OUT) / 2)]
)
def test_xavier_and_msra_scale_by_fan(norm, fan):
    xavier = filled(type="xavier", variance_norm=norm)
    assert np.abs(xavier).max() == pytest.approx(math.sqrt(3 / fan), rel=1e-3)
    assert filled(type="msra", variance_norm=norm).std() == pytest.approx(math.sqrt(2 / fan), rel=0.02)


def test_positive_unitball_and_bilinear():
    ball = filled(type="positive_unitball")
    assert (ball >= 0).all() and ball.reshape(40, -1).sum(1) == pytest.approx(1, rel=1e-5)
    np.testing.assert_array_equal(filled((1, 1, 4, 4), type="bilinear")[0, 0, 0], [0.0625, 0.1875, 0.1875, 0.0625])


def test_bilinear_and_constant_are_the_originals(golden):
    expected = np.load(golden / "net/fillers.npz")
    np.testing.assert_array_equal(filled((8, 4, 4, 4), type="bilinear"), expected["bilinear/c"])
    np.testing.assert_array_equal(filled((8, 6, 4, 4), type="constant", value=0.7), expected["constant/c"])


def test_an_unknown_filler_is_named():
    with pytest.raises(InputError, match="layer 'c': expected a known filler, found 'gausian'"):
        filled(type="gausian")
