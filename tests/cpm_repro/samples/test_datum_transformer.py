"""Caffe's own transformer: the original's dice, crops and mirrors on an image whose values are its places."""

from pathlib import Path

import numpy as np
import pytest

from cpm_kernels.exact.random import CaffeRandom
from cpm_repro.samples.datum_transformer import DatumTransformer
from prototxt_import.formats import schema
from tests.bits import assert_same_bits

PLACES = np.arange(20 * 24, dtype=np.float32).reshape(1, 20, 24)


def transformer(phase: str, **param: object) -> DatumTransformer:
    return DatumTransformer(schema.TransformationParameter(**param), phase, Path(), "layer t")


def test_the_originals_mirrors_and_crops() -> None:
    """Those of a net of random_seed 501, whose second number seeds the transformer: mirrored, top, left."""
    made = transformer("TRAIN", crop_size=15, mirror=True)
    made.start(int(CaffeRandom(501).draws(2)[1]))
    for mirrored, top, left in [(0, 3, 6), (0, 5, 0), (0, 2, 9), (1, 4, 9), (0, 2, 5), (0, 4, 0), (0, 2, 7), (1, 1, 3)]:
        expected = PLACES[:, top : top + 15, left : left + 15]
        assert_same_bits(made(PLACES), expected[:, :, ::-1] if mirrored else expected)


def test_a_test_shows_the_middle() -> None:
    made = transformer("TEST", crop_size=15, scale=0.5, mean_value=[3])
    assert not made.draws
    assert_same_bits(made(PLACES), (PLACES[:, 2:17, 4:19] - np.float32(3)) * np.float32(0.5))


@pytest.mark.parametrize(("param", "phase"), [({}, "TRAIN"), ({"crop_size": 3}, "TEST")])
def test_nothing_is_drawn_where_nothing_is_thrown(param: dict, phase: str) -> None:
    made = transformer(phase, **param)
    before = made.state()
    made(PLACES)
    assert not made.draws and made.state() == before
