"""A piece of a large map: what does not make that, does not make the map, which takes ten times as long to know."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from cpm_repro.compare.causes.cause import EXPLAINED, ROUNDING, distance

from .runs import Alternative, Bottoms, LayerRun

Links = Sequence[tuple[LayerRun, Bottoms]]
Tried = Callable[[Bottoms, Links, np.ndarray], Iterator[Alternative]]
"""What is tried on bottoms, the links on what they get, and the blob that it should make."""
Nearest = Callable[[Tried], tuple[str, float] | None]
"""Of what is tried the nearest, and its relative error, if that explains the blob."""
_LARGE = 2_000_000  # values of a blob, from which a piece is worth while
_SIDE = 96  # rows and columns of its bottom
_LOCAL = ("Convolution", "ReLU", "PReLU", "Dropout", "Scale", "Bias")
"""Layers whose every value comes from those around it."""
_SHOWS = 0.3  # of the relative error of the whole: what a piece must have of it
_MAY_FIT = 0.5  # of the error before: what a piece may leave over


class Piece(NamedTuple):
    """The corner of the first image, as the bottom of the layers; half of what they make of it is free of the cut."""

    bottoms: Bottoms
    wrong: np.ndarray
    before: float

    def may_fit(self, tried: Iterable[Alternative]) -> bool:
        """Whether any alternative on this piece comes near to what it should be."""
        limit = min(_MAY_FIT * self.before, max(100 * EXPLAINED, 0.1 * self.before))
        within = tuple(slice(count) for count in self.wrong.shape)
        made = (made[within] for _, made in tried if made is not None and made.ndim == self.wrong.ndim)
        return any(distance(part, self.wrong) <= limit for part in made)


def piece_of(run: LayerRun, bottoms: Bottoms, wrong: np.ndarray, own: np.ndarray) -> Piece | None:
    """None where the map is small, or a piece does not show what is wrong with the whole."""
    local = len(bottoms) == 1 and all(layer.type in _LOCAL for layer in run.layers)
    if not local or own.size < _LARGE or own.ndim != 4 or own.shape != wrong.shape or not np.isfinite(wrong).all():
        return None
    part = {name: np.ascontiguousarray(cut(values)) for name, values in bottoms.items()}
    made = run.top(part)
    if made is None:
        return None
    rows, columns = (count // 2 for count in made.shape[2:])
    right, theirs = (values[:1, :, :rows, :columns] for values in (own, wrong))
    before = distance(right, theirs)
    alike = distance(made[:, :, :rows, :columns], right) <= EXPLAINED
    shows = before >= max(ROUNDING, _SHOWS * distance(own, wrong))
    return Piece(part, np.ascontiguousarray(theirs), before) if alike and shows else None


def cut(values: np.ndarray) -> np.ndarray:
    """What a piece has of a blob that is as large as its bottom."""
    return values[:1, :, :_SIDE, :_SIDE]
