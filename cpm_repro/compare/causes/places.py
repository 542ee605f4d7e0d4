"""Where two arrays differ, if that is one place: some images or channels, a strip of rows, a corner; and what is there.

Weights and settings change all images and all places of a map. What changes a few alone, and these to their edges, was
not computed, overwritten, or a thread's share that was read too early.
"""

import itertools
from collections.abc import Callable

import numpy as np

from .cause import Cause, equal_bits

Place = tuple[np.ndarray, ...]
"""For each axis the indices."""
_EDGE = 0.05  # of the largest difference of an index: the least that each of them must have
_LEAST_EQUAL = 2  # rows or columns outside
_UNKNOWN = "not computed, overwritten, or a thread's share (weights and settings change all places)"


def border(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """Only rows and columns at the edges of the maps differ."""
    if a.shape != b.shape or a.ndim != 4 or min(a.shape[2:]) < 4:
        return None
    differs = (a != b).any((0, 1))
    if not differs.any():
        return None
    if not differs[:-1, :-1].any():
        parts = [name for name, part in (("row", differs[-1, :-1]), ("column", differs[:-1, -1])) if part.any()]
        what = f"only the last {' and the last '.join(parts) or 'corner'} differ: windows over the edge were left out"
        measured = f"all {int((a != b).sum()):,} differences are there, the rest is equal"
        return Cause(f"{what} (pooling that rounds down, floor, and was filled up?)", measured)
    height, width = differs.shape
    depth = next(d for d in itertools.count(1) if 2 * d >= min(height, width) or not differs[d:-d, d:-d].any())
    if 4 * depth > min(height, width):
        return None
    measured = f"all {int((a != b).sum()):,} differences are within {depth} of the edge, the rest is equal"
    return Cause("only the edges of the maps differ: another padding, or another fill of it", measured)


def in_one_place(
    a: np.ndarray, b: np.ndarray, recognise: Callable[[np.ndarray, np.ndarray], list[Cause]]
) -> list[Cause]:
    """What is wrong with some images, channels, rows or columns, if the others are equal.

    recognise: what may be wrong between two arrays, such as those images alone. Channels alone are named only if that
    is found: weights change channels, too.
    """
    if a.shape != b.shape or a.ndim < 2 or not np.isfinite(a).all() or not np.isfinite(b).all():
        return []
    place = _place(a, b)
    cut = [axis for axis, indices in enumerate(place) if 0 < len(indices) < a.shape[axis]]
    if not cut:
        return []
    x, y = a[np.ix_(*place)], b[np.ix_(*place)]
    known = _what_is_there(a, b, x, y, place, cut)
    if not known and max(cut) < 2:
        known = next((cause.what for cause in recognise(x, y)), "")
    if not known and cut == [1]:
        return []
    count = int((a != b).sum())
    where = _shown(place, cut, a.ndim)
    verb = "differs" if len(cut) == 1 and len(place[cut[0]]) == 1 else "differ"
    measured = f"all {count:,} differences are there, {equal_bits(a, b):.3g} % of the values are equal"
    return [Cause(f"only {where} {verb}: {known or _UNKNOWN}", measured)]


def _place(a: np.ndarray, b: np.ndarray) -> Place:
    """Axis by axis, of what the axes before left; the channels last, of which many may be empty."""
    place = [np.arange(count) for count in a.shape]
    for axis in (0, *range(2, a.ndim), 1):
        within = np.ix_(*place)
        place[axis] = _indices(a[within], b[within], axis)
    return tuple(place)


def _indices(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
    """Those that differ along the axis; of the axes of a map all between the first and the last. All of them, if those
    that do not are empty or too few to tell, or if the differences fade towards the edges."""
    every = np.arange(a.shape[axis])
    others = tuple(i for i in range(a.ndim) if i != axis)
    size = np.square(a - b).sum(others)
    differing = np.flatnonzero(size)
    if axis > 1 and differing.size:
        differing = every[differing[0] : differing[-1] + 1]
    equal = np.setdiff1d(every, differing)
    alive = int((np.ptp(a.take(equal, axis), others) > 0).sum()) if equal.size else 0
    faded = bool(differing.size and size[differing].min() < _EDGE**2 * size.max())
    return every if faded or 2 * alive < equal.size or equal.size < (_LEAST_EQUAL if axis > 1 else 1) else differing


def _what_is_there(a: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray, place: Place, cut: list[int]) -> str:
    """Empty or one value on one side, or what the other side has elsewhere."""
    for side, other, one, whole, from_there in (("B", "A", y, a, x), ("A", "B", x, b, y)):
        if not np.ptp(one) and np.ptp(from_there):
            return f"{side} is {one.flat[0] + 0:.6g} there"
        axis = cut[-1]
        count, size = len(place[axis]), whole.shape[axis]
        rows = list(place)
        for start in range(size - count + 1) if np.ptp(one) else ():
            rows[axis] = np.arange(start, start + count)
            if not np.array_equal(rows[axis], place[axis]) and np.array_equal(whole[np.ix_(*rows)], one):
                return f"{side} holds there {other}'s {_range(rows[axis], axis, a.ndim)}: memory used again"
    return ""


def _shown(place: Place, cut: list[int], ndim: int) -> str:
    return " of ".join(_range(place[axis], axis, ndim) for axis in reversed(cut))


def _range(indices: np.ndarray, axis: int, ndim: int) -> str:
    """`rows 8 to 11`, `images 0, 3`."""
    name = ("image", "channel", "row", "column")[axis] if ndim == 4 or axis == 0 else f"index of axis {axis}:"
    if len(indices) == 1:
        return f"{name} {indices[0]}"
    name = name.replace("index", "indices") if name.endswith(":") else f"{name}s"
    if np.array_equal(indices, np.arange(indices[0], indices[-1] + 1)):
        return f"{name} {indices[0]} to {indices[-1]}"
    return f"{name} {', '.join(str(i) for i in indices[:8])}{', …' if len(indices) > 8 else ''}"


def localised(a: np.ndarray, b: np.ndarray) -> list[Cause]:
    """One index of an axis that holds all differences, such as one channel."""
    if a.shape != b.shape:
        return []
    differs = a != b
    for axis in range(a.ndim):
        where = np.flatnonzero(differs.any(tuple(i for i in range(a.ndim) if i != axis)))
        if a.shape[axis] > 2 and where.size == 1:
            name = ("image", "channel")[axis] if a.ndim == 4 and axis < 2 else f"index of axis {axis}:"
            share = f"all {differs.sum():,} differences are in it; the other {a.shape[axis] - 1} are equal"
            return [Cause(f"only {name} {where[0]} differs", share)]
    return []
