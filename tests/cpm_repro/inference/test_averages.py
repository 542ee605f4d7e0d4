"""Belief maps back on the picture, at all of its pixels or at some, and their peaks: the same bits either way."""

import numpy as np
import pytest

from cpm_repro.inference import averages
from cpm_repro.inference.averages import Averaged
from cpm_repro.inference.crops import Crop, Person, person_crops
from cpm_repro.inference.protocol import Protocol
from tests.bits import assert_same_bits

BOX, STRIDE, PARTS = 64, 4, 3


def crops_of(size, center, scale, scales=(0.8, 1.0, 1.3)) -> list[Crop]:
    return person_crops(Person(np.zeros((*size, 3), np.uint8), center, scale), Protocol(BOX, 0.3, 4.0, scales))


def some_maps(rng, kind, count):
    """Noise; of few values, so that many places are equal; hills; nothing."""
    side = BOX // STRIDE
    noise = rng.uniform(-0.1, 1, (count, PARTS + 1, side, side))
    place = rng.uniform(0, side, (2, count, PARTS + 1, 1))
    y, x = np.exp(-((np.arange(side) - place) ** 2) / 2 / 1.5**2)
    hills = y[..., None] * x[..., None, :]
    return {"noise": noise, "levels": np.round(2 * noise), "hills": hills, "none": 0 * noise}[kind].astype(np.float32)


def plain_peaks(maps):
    """The first highest pixel of each part's map."""
    parts, _, width = maps[:-1].shape
    flat = maps[:-1].reshape(parts, -1)
    peak = flat.argmax(axis=1)
    return np.stack([peak % width, peak // width], axis=1).astype(float), flat.max(axis=1).astype(float)


def test_ones_are_ones_inside():
    crops = crops_of((30, 30), (15, 15), 0.3 / 1.3, (1.0,))
    maps = Averaged(np.ones((1, 3, 8, 8), np.float32), crops).at()
    np.testing.assert_allclose(maps, 1.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["noise", "levels", "hills", "none"])
@pytest.mark.parametrize(
    ("size", "center", "scale"),
    [
        ((47, 31), (13.0, 20.5), 0.2),
        ((301, 97), (50.0, 150.0), 1.4),
        ((317, 422), (200.0, 170.0), 4.1),
        ((203, 611), (604.0, -3.0), 3.0),  # hangs over the border
        ((190, 210), (-9000.0, 4000.0), 2.5),  # is not there
        ((530, 490), (240.0, 260.0), 9.0),
    ],
)
def test_peaks_are_those_of_all_pixels(kind, size, center, scale):
    rng = np.random.default_rng(size[0])
    crops = crops_of(size, center, scale)
    averaged = Averaged(some_maps(rng, kind, len(crops)), crops)
    joints, scores = averaged.peaks()
    expected = plain_peaks(averaged.at())
    assert_same_bits(joints, expected[0])
    assert_same_bits(scores, expected[1])


def test_a_large_picture_is_searched_where_the_peak_may_be(monkeypatch):
    crops = crops_of((800, 600), (300.0, 400.0), 4.0)
    averaged = Averaged(some_maps(np.random.default_rng(1), "hills", len(crops)), crops)
    computed = []
    add = averages._add
    monkeypatch.setattr(averages, "_add", lambda total, *rest: (computed.append(total.size), add(total, *rest)))
    averaged.peaks()
    assert sum(computed) < 0.5 * PARTS * len(crops) * 800 * 600


def test_some_pixels_are_those_of_all():
    rng = np.random.default_rng(5)
    crops = crops_of((101, 88), (50.3, 47.8), 0.7)
    averaged = Averaged(some_maps(rng, "noise", len(crops)), crops)
    rows, columns = np.array([0, 17, 18, 99, 100]), slice(3, 80, 7)
    assert_same_bits(averaged.at(rows, columns), averaged.at()[:, rows][:, :, columns])
