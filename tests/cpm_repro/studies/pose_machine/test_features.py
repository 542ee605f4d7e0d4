"""The pose machine's features, against plain loops over cells, offsets and peaks."""

import numpy as np
import pytest

from cpm_repro.studies.pose_machine.features import (
    OFFSETS,
    context_features,
    image_cells,
    image_features,
)
from tests.bits import assert_same_bits

pytest.importorskip("skimage")
STRIDE = 8


def plain_hog_cell(rgb, row, column):
    """(9,): orientations of a cell of `rgb` (cells beyond its edge are as its edge), by the 3 x 3 cells around it."""
    size = STRIDE
    padded = np.pad(rgb, ((size, size), (size, size), (0, 0)), mode="edge").astype(np.float64)
    histograms = np.zeros((3, 3, 9))
    height, width = padded.shape[:2]
    for y in range(row * size, (row + 3) * size):
        for x in range(column * size, (column + 3) * size):
            down = padded[y + 1, x] - padded[y - 1, x] if 0 < y < height - 1 else np.zeros(3)
            across = padded[y, x + 1] - padded[y, x - 1] if 0 < x < width - 1 else np.zeros(3)
            channel = int(np.argmax(np.hypot(down, across)))
            angle = np.rad2deg(np.arctan2(down[channel], across[channel])) % 180
            cell = histograms[y // size - row, x // size - column]
            cell[min(int(angle / 20), 8)] += np.hypot(down[channel], across[channel]) / size**2
    clipped = np.minimum(histograms / np.sqrt((histograms**2).sum() + 1e-5**2), 0.2)
    return (clipped / np.sqrt((clipped**2).sum() + 1e-5**2))[1, 1]


def test_a_crops_cells_are_hog_colour_and_centre_map():
    rng = np.random.default_rng(2)
    data = rng.uniform(-0.5, 0.5, (4, 4 * STRIDE, 5 * STRIDE)).astype(np.float32)
    data[:3, :STRIDE, :STRIDE] = 0.5  # a white cell: L 100, no colour
    cells = image_cells(data, STRIDE)
    assert cells.shape == (4, 5, 13) and cells.dtype == np.float32
    rgb = data[2::-1].transpose(1, 2, 0) + np.float32(0.5)
    for row, column in ((0, 0), (1, 2), (3, 4)):
        np.testing.assert_allclose(cells[row, column, :9], plain_hog_cell(rgb, row, column), rtol=0, atol=1e-5)
    np.testing.assert_allclose(cells[0, 0, 9:12], [1, 0, 0], rtol=0, atol=1e-4)  # the white point has four digits
    own = data[3, STRIDE : 2 * STRIDE, 3 * STRIDE : 4 * STRIDE]
    np.testing.assert_allclose(cells[1, 3, 12], own.mean(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("step", [1, 3, 5])
def test_image_features_are_the_cells_around_the_place(step):
    cells = np.random.default_rng(3).standard_normal((2, 7, 5, 3), np.float32)
    found = image_features(cells, step).reshape(2, 7, 5, 25, 3)
    for _ in range(60):
        rng = np.random.default_rng(_)
        n, row, column, place = (int(rng.integers(size)) for size in found.shape[:4])
        total = np.zeros(3)
        for dy in range(step):
            for dx in range(step):
                y = row + (place // 5 - 2) * step + dy - step // 2
                x = column + (place % 5 - 2) * step + dx - step // 2
                if 0 <= y < 7 and 0 <= x < 5:
                    total += cells[n, y, x]
        np.testing.assert_allclose(found[n, row, column, place], total / step**2, rtol=0, atol=1e-6)


def test_context_features_are_the_maps_around_and_the_ways_to_their_peaks():
    maps = np.random.default_rng(4).random((2, 4, 6, 9), np.float32)  # 3 parts and the background
    maps[1, 2, 3, 3] = maps[1, 2, 1, 8] = 2  # equal peaks: the first in row order
    expected = np.zeros((2, 6, 9, 17 * 4 + 3 * 3), np.float32)
    for n in range(2):
        for row in range(6):
            for column in range(9):
                values = []
                for dy, dx in OFFSETS:
                    inside = 0 <= row + dy < 6 and 0 <= column + dx < 9
                    values += [maps[n, part, row + dy, column + dx] if inside else 0 for part in range(4)]
                for part in range(3):
                    y, x = divmod(int(maps[n, part].argmax()), 9)
                    values += [x - column, y - row, maps[n, part, y, x]]
                expected[n, row, column] = values
    assert expected[1, 0, 0, 17 * 4 + 6 : 17 * 4 + 9].tolist() == [8, 1, 2]
    assert_same_bits(context_features(maps), expected, "context features")
