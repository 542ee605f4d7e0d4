"""Held-out people beside their annotation, to see how far a net is that still trains."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cpm_repro.evaluation.ground_truth import GroundTruth
from cpm_repro.evaluation.held_out import HeldOut, Look
from prototxt_import.formats import schema

from .poses import contact_sheet
from .sheet import save

_AROUND = 1.3  # times the person's height: the picture's part that is drawn


class DrawnHeldOut:
    """Held-out people, of whom the first `count` are drawn."""

    def __init__(self, people: HeldOut, count: int) -> None:
        self._people, self._count = people, count

    def score(self, weights: schema.NetParameter) -> Mapping[str, float]:
        """PCK in percent."""
        return self._people.score(weights)

    def draw(self, weights: schema.NetParameter, path: Path) -> None:
        """A sheet of the annotated and the found poses, at `path`."""
        save(held_out_figure(self._people.look(weights, self._count, pictures=True)), path)


def held_out_figure(look: Look) -> Figure:
    """Two pictures a person: as annotated, and as found, joints far away at the picture's edge."""
    pictures, poses, present, titles = [], [], [], []
    for picture, truth, joints in zip(look.pictures, look.truths, look.joints, strict=True):
        part, corner = _around(picture, truth)
        pictures += [part, part]
        poses += [truth.parts - corner, np.clip(joints - corner, 0, np.array(part.shape[1::-1]) - 1)]
        present += [truth.present, np.ones(len(joints), bool)]
        titles += ["annotated", "found"]
    return contact_sheet(pictures, poses, titles, 6, present)


def _around(picture: NDArray[np.uint8], truth: GroundTruth) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The part of the picture around a person, and its upper left corner (x, y)."""
    half = 0.5 * _AROUND * 200 * truth.scale
    center = np.array(truth.center)
    size = np.array(picture.shape[1::-1])
    low = np.clip(np.floor(center - half), 0, size - 1).astype(int)
    high = np.clip(np.ceil(center + half), low + 1, size).astype(int)
    return picture[low[1] : high[1], low[0] : high[0]], low.astype(np.float64)
