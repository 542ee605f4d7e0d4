"""The levels of the hierarchy: what a predictor tells apart, and what it should believe at a position.

At the level `parts` the classes are the parts and the background, as a CPM's belief maps. `pairs` has the limbs that
join two parts, each at its middle, `whole` the person. Each level has a predictor of its own, the coarser ones with the
wider view, and sees the maps of all levels of the stage before.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_lmdb.joints import LIMBS

PARTS, PAIRS, WHOLE = "parts", "pairs", "whole"
NAMES = (PARTS, PAIRS, WHOLE)


@dataclass(frozen=True)
class Level:
    """name; groups: which parts, in a network's order, each class stands for; step: between the cells of its view."""

    name: str
    groups: tuple[tuple[int, ...], ...]
    step: int

    def points(self, parts: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (n, groups, 2): the middle of each group of parts (n, P, 2), NaN where one of a limb's is missing.

        The whole person is the middle of the parts that are there.
        """
        if self.name == WHOLE:
            present = ~np.isnan(parts).any(axis=2, keepdims=True)
            total = np.where(present, parts, 0).sum(axis=1, keepdims=True)
            with np.errstate(invalid="ignore"):
                middle: NDArray[np.float32] = total / present.sum(axis=1, keepdims=True).astype(np.float32)
            return middle
        return np.stack([parts[:, list(group)].mean(axis=1) for group in self.groups], axis=1)


def level(name: str, number_of_parts: int) -> Level:
    """The level of that name (one of `NAMES`) for people of 9 or 14 parts."""
    groups = {
        PARTS: tuple((part,) for part in range(number_of_parts)),
        PAIRS: tuple(LIMBS[number_of_parts]),
        WHOLE: (tuple(range(number_of_parts)),),
    }
    return Level(name, groups[name], 1 + 2 * NAMES.index(name))


def ideal_beliefs(points: NDArray[np.float32], size: tuple[int, int], stride: int, sigma: float) -> NDArray[np.float32]:
    """What should be believed, float32 (n, G+1, rows, columns), background last, if the groups are at (n, G, 2) px.

    The Gaussians of a CPM's labels, made a distribution: where they overlap they share the highest one's belief.
    """
    rows, columns = (np.arange(length, dtype=np.float32) * stride + (stride - 1) / np.float32(2) for length in size)
    dx = points[..., 0][..., None, None] - columns
    dy = points[..., 1][..., None, None] - rows[:, None]
    beliefs = np.nan_to_num(np.exp(-(dx * dx + dy * dy) / np.float32(2 * sigma * sigma)))
    highest = beliefs.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.nan_to_num(beliefs * (highest / beliefs.sum(axis=1, keepdims=True)))
    return np.concatenate([shares, 1 - highest], axis=1).astype(np.float32)


def draw_positions(beliefs: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(at most `count`, 2): positions of one crop, as an index in row order, and the class that each is shown as.

    All positions are as likely, and each one's class is drawn with the probabilities (G+1, rows, columns) that it
    should be believed with. (With as many of parts as of the background a predictor finds parts everywhere.)
    """
    classes = len(beliefs)
    shares = beliefs.reshape(classes, -1).T.cumsum(axis=1)
    drawn = (rng.random((len(shares), 1)) * shares[:, -1:] >= shares).sum(axis=1).clip(0, classes - 1)
    chosen = np.sort(rng.permutation(len(drawn))[:count])
    return np.stack([chosen, drawn[chosen]], axis=1)
