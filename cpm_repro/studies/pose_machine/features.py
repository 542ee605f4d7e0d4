"""What a predictor of the pose machine sees at a position: hand-made image features, and the context of a stage's maps.

Image features are the same in every stage: the histograms of oriented gradients (HOG) and the colours of the cells
around the position, and the centre map, which says whose pose is meant. Context features are the previous stage's
belief maps around the position, and from there the way to each part's highest peak. A position is a place of the belief
maps; its cell is the square of `stride` px of the crop that it stands for.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cpm_repro.needing import needing

from .needing import EXTRA

Array = NDArray[np.float32]

ORIENTATIONS = 9
BLOCK = 3  # cells that a cell's gradients are normalised by, each way
REACH = 2  # image features come from the cell of the position and this many around it, each way
# Where context features look, in positions from the own one: at it, near by, and in a wide ring.
NEAR = tuple((dy, dx) for dy in (-2, 0, 2) for dx in (-2, 0, 2))
RING = tuple((dy, dx) for dy in (-5, 0, 5) for dx in (-5, 0, 5) if (dy, dx) != (0, 0))
OFFSETS = NEAR + RING


def image_cells(data: Array, stride: int) -> Array:
    """Descriptors of a crop's cells, float32 (rows, columns, 13): 9 orientations, L, a, b, and the centre map.

    data: (4, rows * stride, columns * stride) as a CPM's input: B, G, R planes / 256 - 0.5, and the centre map.
    Histograms are normalised by the 3 x 3 cells around them (L2-Hys); the crop goes on beyond its edge as it ends.
    """
    with needing("scikit-image", "the pose machine's image features", EXTRA):
        from skimage.color import rgb2lab
        from skimage.feature import hog

    rgb = np.clip(data[2::-1].transpose(1, 2, 0) + np.float32(0.5), 0, 1)
    margin = BLOCK // 2 * stride
    blocks = hog(
        np.pad(rgb, ((margin, margin), (margin, margin), (0, 0)), mode="edge"),
        orientations=ORIENTATIONS,
        pixels_per_cell=(stride, stride),
        cells_per_block=(BLOCK, BLOCK),
        feature_vector=False,
        channel_axis=-1,
    )
    colour = cell_means(rgb2lab(rgb).astype(np.float32) / np.float32(100), stride)
    centre = cell_means(data[3][..., None], stride)
    gradients = blocks[:, :, BLOCK // 2, BLOCK // 2].astype(np.float32)
    return np.concatenate([gradients, colour, centre], axis=2)


def cell_means(planes: Array, stride: int) -> Array:
    """The mean of each cell, (rows, columns, channels) of (rows * stride, columns * stride, channels)."""
    height, width, channels = planes.shape
    cells = planes.reshape(height // stride, stride, width // stride, stride, channels)
    means: Array = cells.mean(axis=(1, 3), dtype=np.float32)
    return means


def image_features(cells: Array, step: int = 1) -> Array:
    """(n, rows, columns, 25 * channels): the descriptors (n, rows, columns, channels) of 5 x 5 cells around each cell.

    step (odd): between them, in cells; each stands for the mean of step x step cells. Beyond the crop cells are 0.
    """
    margin = REACH * step
    around = np.pad(cells, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    if step > 1:
        near = range(-(step // 2), step // 2 + 1)
        windows = shifted(around, [(dy, dx) for dy in near for dx in near])
        around = windows.reshape(*around.shape[:3], step * step, -1).mean(axis=3, dtype=np.float32)
    steps = range(-margin, margin + 1, step)
    return shifted(around, [(dy, dx) for dy in steps for dx in steps], margin)


def shifted(planes: Array, offsets: Sequence[tuple[int, int]], margin: int | None = None) -> Array:
    """(n, rows, columns, offsets * channels): what lies at each offset (dy, dx) from each place.

    margin: what the planes have around the places, at least as far as the offsets; default: none, and zeros are put.
    """
    if margin is None:
        margin = max(max(abs(dy), abs(dx)) for dy, dx in offsets)
        planes = np.pad(planes, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    count, rows, columns, channels = (
        planes.shape[0],
        *(size - 2 * margin for size in planes.shape[1:3]),
        planes.shape[3],
    )
    out = np.empty((count, rows, columns, len(offsets), channels), np.float32)
    for index, (dy, dx) in enumerate(offsets):
        top, left = margin + dy, margin + dx
        out[:, :, :, index] = planes[:, top : top + rows, left : left + columns]
    return out.reshape(count, rows, columns, -1)


def context_features(maps: Array) -> Array:
    """(n, rows, columns, 17 (P+1) + 3 P): what belief maps (n, P+1, rows, columns), background last, say of a place.

    The maps at `OFFSETS`, then for each part x and y from the place to its map's highest peak (in places; of equal ones
    the first in row order), and the peak's value.
    """
    count, channels, rows, columns = maps.shape
    parts = channels - 1
    patches = shifted(np.ascontiguousarray(maps.transpose(0, 2, 3, 1)), OFFSETS)
    flat = maps[:, :parts].reshape(count, parts, -1)
    peaks = flat.argmax(axis=2)
    ways = np.empty((count, rows, columns, parts, 3), np.float32)
    ways[..., 0] = (peaks % columns)[:, None, None] - np.arange(columns)[:, None]
    ways[..., 1] = (peaks // columns)[:, None, None] - np.arange(rows)[:, None, None]
    ways[..., 2] = np.take_along_axis(flat, peaks[..., None], axis=2)[:, None, None, :, 0]
    return np.concatenate([patches, ways.reshape(count, rows, columns, -1)], axis=3)
