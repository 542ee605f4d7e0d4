"""Where names and titles go that would lie on each other."""

from collections.abc import Iterable

import numpy as np

_TOUCHING = 1e-6


def vertical_moves(
    boxes: Iterable[tuple[float, float, float, float]], within: tuple[float, float] = (-np.inf, np.inf)
) -> list[float]:
    """How far each box, (left, low, right, high), is moved so that it lies on none before it: as little as does, to a
    place within those lowest and highest. One for which there is no room stays."""
    placed, moves = np.empty((0, 4)), []
    for left, low, right, high in boxes:
        near = placed[(placed[:, 0] < right) & (left < placed[:, 2])]
        tried = np.concatenate([[0.0], near[:, 3] - low, near[:, 1] - high])
        lows, highs = low + tried[:, None], high + tried[:, None]
        free = ~((near[:, 1] < highs - _TOUCHING) & (lows < near[:, 3] - _TOUCHING)).any(1)
        free &= (tried == 0) | ((low + tried >= within[0]) & (high + tried <= within[1]))
        good = tried[free] if free.any() else np.zeros(1)
        moves.append(float(good[np.abs(good).argmin()]))
        placed = np.vstack([placed, [left, low + moves[-1], right, high + moves[-1]]])
    return moves
