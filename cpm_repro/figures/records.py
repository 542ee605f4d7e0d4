"""Pictures of an LMDB's records: the photographs as they are stored, with everybody who is annotated in them."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cpm_repro.evaluation.ground_truth import record_picture
from cpm_repro.samples.placement import stored_pose
from data_lmdb.joints import LIMBS, PARTS_9, STORED_16, Limbs
from data_lmdb.records.record import Record

from . import poses
from .sheet import INK, new_figure

COLUMNS = 4  # of a sheet of several pictures
_LINE_WIDTH = 2.4  # points


def records_figure(records: Sequence[Record], titles: Sequence[str]) -> Figure:
    """One picture large, several beside each other; the primary person drawn stronger than the others."""
    if len(records) == 1:
        picture, joints, states, limbs = _drawn(records[0])
        names = PARTS_9 if len(states[0]) == len(PARTS_9) else STORED_16
        return poses.people_figure(picture, joints, states, limbs, titles[0], names)
    columns = min(COLUMNS, len(records))
    rows = math.ceil(len(records) / columns)
    figure = new_figure(3 * columns, 3 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(records) :]:
        axes.set_visible(False)
    for axes, record, title in zip(grid, records, titles, strict=False):
        poses.draw_people(axes, *_drawn(record), line_width=_LINE_WIDTH)
        axes.set_title(title, fontsize=8, color=INK)
    whose = ((_LINE_WIDTH, "whose record it is"), (_LINE_WIDTH / 2, "others in the picture"))
    poses.legend_of_people(figure, [Line2D([], [], color=INK, linewidth=width, label=label) for width, label in whose])
    return figure


def _drawn(record: Record) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray], Limbs]:
    """Picture without padding, and everybody's joints, states and limbs as `poses.draw_people` takes them."""
    pose = stored_pose(record)
    return record_picture(record), list(pose.points[:, :-1]), list(pose.visibility), LIMBS[pose.visibility.shape[1]]
