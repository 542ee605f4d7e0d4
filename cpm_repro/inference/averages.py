"""Belief maps on their way back to the picture: averaged over the scales there, and the peak of each part.

Resizing is linear, so a map's way from a crop's stride to the picture's pixels is one matrix for each axis, of which
any pixels can be asked for alone. That bounds what a large picture costs: a peak is searched only where the maps can
be highest.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .crops import Crop, overlap
from .imresize import PIECE, scaled_length, weight_matrix

BLOCKS, LEAST_BLOCK = 4, 8
"""Blocks in which peaks are searched: so many to a map's pixel along each axis, each of so many px of the picture at
least. Smaller ones, of a small picture, would cost more than all its pixels."""

Places = slice | NDArray[np.integer]
EVERY = slice(None)


class Averaged:
    """The mean over the scales of one person's belief maps, on the picture: outside a crop the parts' maps are 0 and
    the background's is 1.

    maps: float32 (number of scales, P+1, h, w), background last; crops: one per scale.
    """

    def __init__(self, maps: NDArray[np.float32], crops: Sequence[Crop]) -> None:
        self.image_size = crops[0].image_size
        self._maps = maps
        self._back = [_back(crop, (maps.shape[2], maps.shape[3])) for crop in crops]
        zoom = min(crop.data.shape[1] / maps.shape[2] / crop.factor for crop in crops)  # picture px to a map's
        self._block = int(zoom / BLOCKS)

    def at(self, rows: Places = EVERY, columns: Places = EVERY) -> NDArray[np.float32]:
        """float32 (P+1, rows, columns) at these of the picture's pixels, by default all."""
        ways = self._ways(rows, columns)
        return np.stack([self._map(part, ways) for part in range(self._maps.shape[1])])

    def peaks(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The peak of each part's map: x, y of the picture (P, 2), of equal ones the first in row order; and the map's
        value there (P,)."""
        if self._block < LEAST_BLOCK:
            ways = self._ways(EVERY, EVERY)
            found = [_peak(self._map(part, ways)) for part in range(self._maps.shape[1] - 1)]
        else:
            blocks = [tuple(_Blocks.of(matrix, self._block) for matrix in axes) for axes in self._back]
            found = [self._peak_of(part, blocks) for part in range(self._maps.shape[1] - 1)]
        return np.array([joint for joint, _ in found]), np.array([score for _, score in found])

    def _peak_of(self, part: int, blocks: Sequence[tuple["_Blocks", ...]]) -> tuple[tuple[float, float], float]:
        rows, columns = self._window(self._maps[:, part].astype(np.float64), blocks)
        (x, y), score = _peak(self._map(part, self._ways(rows, columns)))
        return (x + columns.start, y + rows.start), score

    def _ways(self, rows: Places, columns: Places) -> list["_Way"]:
        return [_Way.of(vertical[rows], horizontal[columns]) for vertical, horizontal in self._back]

    def _map(self, part: int, ways: Sequence["_Way"]) -> NDArray[np.float32]:
        total = np.zeros(ways[0].size, np.float32)
        outside = 1.0 if part == self._maps.shape[1] - 1 else 0.0
        for belief, way in zip(self._maps[:, part], ways, strict=True):
            _add(total, belief, outside, way)
        total /= np.float32(len(ways))
        return total

    def _window(self, beliefs: NDArray[np.float64], blocks: Sequence[tuple["_Blocks", ...]]) -> tuple[slice, slice]:
        """Rows and columns outside of which a part's map is lower than its peak: where it may be higher than it is in
        the middle of any block."""
        middles, highest = np.zeros(()), np.zeros(())
        for belief, (rows, columns) in zip(beliefs, blocks, strict=True):
            middles = middles + rows.middle @ belief @ columns.middle.T
            highest = highest + _highest(belief, rows, columns)
        # The maps are sums of float32, these of float64: differences that this is more than.
        rounding = 1e-6 * len(beliefs) ** 2 * abs(beliefs).max()
        there = highest >= middles.max() - rounding
        return _span(there.any(axis=1), self._block), _span(there.any(axis=0), self._block)


class _Way(NamedTuple):
    """From a crop's maps (h, w) to pixels of the picture: matrices (rows, h) and (columns, w) of those in the crop;
    which of the pixels asked for these are; and how many rows and columns are asked for."""

    vertical: sparse.csr_array
    horizontal: sparse.csr_array
    rows: slice
    columns: slice
    size: tuple[int, int]

    @classmethod
    def of(cls, vertical: sparse.csr_array, horizontal: sparse.csr_array) -> "_Way":
        rows, columns = _touched(vertical), _touched(horizontal)
        return cls(vertical[rows], horizontal[columns], rows, columns, (vertical.shape[0], horizontal.shape[0]))


class _Blocks(NamedTuple):
    """Of one axis, for each block of the picture's pixels, weights of the maps' (blocks, h): those of its middle pixel,
    and the centre and radius of the intervals in which those of all its pixels lie."""

    middle: NDArray[np.float64]
    centre: NDArray[np.float64]
    radius: NDArray[np.float64]

    @classmethod
    def of(cls, matrix: sparse.csr_array, block: int) -> "_Blocks":
        dense = matrix.toarray()
        whole = np.pad(dense, [(0, -len(dense) % block), (0, 0)], mode="edge").reshape(-1, block, dense.shape[1])
        low, high = whole.min(axis=1), whole.max(axis=1)
        return cls(whole[:, block // 2], (low + high) / 2, (high - low) / 2)


def _highest(belief: NDArray[np.float64], rows: _Blocks, columns: _Blocks) -> NDArray[np.float64]:
    """What a map (h, w) is at most within each block, by interval arithmetic."""
    size = abs(belief)
    wide = abs(columns.centre) + columns.radius
    more = rows.radius @ size @ wide.T + abs(rows.centre) @ size @ columns.radius.T
    return rows.centre @ belief @ columns.centre.T + more


def _peak(belief: NDArray[np.float32]) -> tuple[tuple[float, float], float]:
    """x, y and the map's value; of equal ones the first in row order."""
    y, x = np.unravel_index(belief.argmax(), belief.shape)
    return (float(x), float(y)), float(belief[y, x])


def _span(blocks: NDArray[np.bool_], block: int) -> slice:
    """The pixels from the first of these blocks to the last."""
    there = np.flatnonzero(blocks)
    return slice(int(there[0]) * block, int(there[-1] + 1) * block)


def _back(crop: Crop, map_size: tuple[int, int]) -> tuple[sparse.csr_array, sparse.csr_array]:
    """The matrices of both axes, (H, h) and (W, w), from a crop's maps to the picture."""
    (height, width), boxsize = crop.image_size, crop.data.shape[1]
    return (
        _way_back(map_size[0], boxsize, crop.top, crop.factor, height),
        _way_back(map_size[1], boxsize, crop.left, crop.factor, width),
    )


def _way_back(map_length: int, boxsize: int, start: int, factor: float, length: int) -> sparse.csr_array:
    """One axis' matrix (length, map_length): belief map -> crop -> un-padded scaled picture -> picture."""
    scaled = scaled_length(length, factor)
    inside, window = overlap(start, boxsize, scaled)
    if inside.start == inside.stop:
        return sparse.csr_array((length, map_length))
    upsample = weight_matrix(map_length, boxsize, boxsize / map_length)
    return weight_matrix(scaled, length, length / scaled)[:, inside] @ upsample[window]


def _touched(matrix: sparse.csr_array) -> slice:
    """The rows of the matrix from the first to the last that is not empty."""
    rows = np.flatnonzero(np.diff(matrix.indptr))
    return slice(rows[0], rows[-1] + 1) if rows.size else slice(0, 0)


def _add(total: NDArray[np.float32], belief: NDArray[np.float32], outside: float, way: _Way) -> None:
    """The belief map (h, w) of one scale, by its way, onto the picture's pixels asked for."""
    # Resizing is linear and leaves constants alone: the 1 outside is put around the background less 1.
    wide = (way.horizontal @ (belief.T.astype(np.float64) - outside)).T  # (h, columns)
    inside = total[way.rows, way.columns]
    touched = inside.copy() if outside else inside
    piece = max(1, PIECE // max(1, wide.shape[1]))
    for start in range(0, len(touched), piece):
        more = way.vertical[start : start + piece] @ wide
        touched[start : start + piece] += (more + outside).astype(np.float32)
    if outside:
        total += np.float32(outside)
        inside[:] = touched
