"""Poses on their pictures.

Pictures are uint8 (H, W, 3) BGR as everywhere in the project; joints are (P, 2) in 0-based pixels.
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text

from cpm_repro.samples.placement import CROPPED_AWAY
from data_lmdb.joints import LIMBS, Limbs

from .labels import vertical_moves
from .sheet import INK, Style, bare, new_figure


def draw_picture(axes: Axes, image_bgr: np.ndarray) -> None:
    """A picture without ticks and frame, its pixels' centres at whole numbers."""
    height, width = image_bgr.shape[:2]
    axes.imshow(image_bgr[..., ::-1], interpolation="antialiased")
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    bare(axes)


def draw_people(
    axes: Axes,
    image_bgr: np.ndarray,
    joints: Sequence[np.ndarray],
    states: Sequence[np.ndarray],
    limbs: Limbs,
    line_width: float = 3.2,
) -> None:
    """People on their picture, the first of them drawn stronger than the others.

    joints: (P, 2) of each person; states: (P,) of each: 1 visible, a white dot; 0 occluded, a black one; 2 missing, not
    drawn. limbs: pairs of joints and their colours, as in `joints.LIMBS`. line_width in points.
    """
    draw_picture(axes, image_bgr)
    for person in reversed(range(len(joints))):
        width, strength = (line_width, 1.0) if person == 0 else (0.5 * line_width, 0.75)
        _draw_person(axes, joints[person], np.asarray(states[person]), limbs, width, strength)


def _draw_person(
    axes: Axes, joints: np.ndarray, states: np.ndarray, limbs: Limbs, line_width: float, strength: float
) -> None:
    for (start, end), colour in limbs.items():
        if max(states[start], states[end]) < CROPPED_AWAY:
            x, y = joints[[start, end]].T
            style: Style = {"solid_capstyle": "round", "zorder": 2}
            axes.plot(x, y, color="black", alpha=0.55 * strength, linewidth=1.45 * line_width, **style)
            axes.plot(x, y, color=np.array(colour) / 255, alpha=strength, linewidth=line_width, **style)
    for state, fill, edge in ((1, "white", "black"), (0, "black", "white")):
        dot: Style = {"facecolor": fill, "edgecolor": edge, "linewidth": 0.22 * line_width, "zorder": 3}
        x, y = joints[states == state].T
        axes.scatter(x, y, s=1.3 * line_width**2, **dot)


def legend_of_people(figure: Figure, more: Sequence[Line2D]) -> None:
    """Below the figure: what the dots of `draw_people` mean, and `more`."""
    dot: Style = {"linestyle": "", "marker": "o", "markersize": 6}
    handles = [
        Line2D([], [], **dot, markerfacecolor="white", markeredgecolor="black", label="visible"),
        Line2D([], [], **dot, markerfacecolor="black", markeredgecolor="#aaaaaa", label="occluded"),
        *more,
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8)


def draw_pose(
    axes: Axes,
    image_bgr: np.ndarray,
    joints: np.ndarray,
    present: np.ndarray | None = None,
) -> None:
    """A pose on its picture: limbs in the colours of `joints.LIMBS`, a ringed dot at each joint.

    present: bool (P,), parts to draw (default: all). P is 9, 14, 16 or 28.
    """
    states = np.ones(len(joints), int) if present is None else np.where(present, 1, CROPPED_AWAY)
    draw_people(axes, image_bgr, [joints], [states], LIMBS[len(joints)])


def people_figure(
    image_bgr: np.ndarray,
    joints: Sequence[np.ndarray],
    states: Sequence[np.ndarray],
    limbs: Limbs,
    title: str = "",
    names: Sequence[str] = (),
) -> Figure:
    """One picture with all its people, see `draw_people`; its longer side about 7 inches. names: of the joints, which
    are written beside the first person's."""
    figure, axes = _picture_figure(image_bgr, title)
    draw_people(axes, image_bgr, joints, states, limbs, line_width=4.5)
    if names:
        write_names(axes, joints[0], np.asarray(states[0]), names)
    return figure


def write_names(axes: Axes, joints: np.ndarray, states: np.ndarray, names: Sequence[str]) -> None:
    """The names of a person's joints (P, 2) beside them, none on another; of those that are drawn, see
    `draw_people`."""
    middle = joints[states < CROPPED_AWAY, 0].mean() if (states < CROPPED_AWAY).any() else 0.0
    box: Style = {"boxstyle": "round,pad=0.15", "facecolor": "black", "alpha": 0.5, "linewidth": 0}
    line: Style = {"arrowstyle": "-", "color": "black", "alpha": 0.5, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
    written = []
    for joint, state, name in zip(joints, states, names, strict=True):
        if state < CROPPED_AWAY:
            outwards = 1 if joint[0] > middle else -1
            style: Style = {"fontsize": 6, "color": "white", "bbox": box, "zorder": 5, "va": "center"}
            style |= {"ha": "left" if outwards > 0 else "right", "arrowprops": line}
            written.append(axes.annotate(name, joint, (6 * outwards, 0), textcoords="offset points", **style))
    axes.add_artist(_Apart(written))


class _Apart(Artist):
    """Moves names apart as soon as it is known where they are: when the figure is drawn, just before they are."""

    def __init__(self, names: Sequence[Annotation]) -> None:
        super().__init__()
        self._names = names
        self.set_zorder(4)
        self.set_in_layout(False)

    def draw(self, renderer: RendererBase) -> None:
        pixels = np.asarray(renderer.points_to_pixels(1), float).item()
        for name in self._names:
            name.set_position((name.get_position()[0], 0))
        boxes = [Text.get_window_extent(name, renderer).padded(1.2 * pixels) for name in self._names]
        for name, move in zip(self._names, vertical_moves(box.extents for box in boxes), strict=True):
            name.set_position((name.get_position()[0], move / pixels))


def _picture_figure(image_bgr: np.ndarray, title: str) -> tuple[Figure, Axes]:
    height, width = image_bgr.shape[:2]
    inches = 7.0 / max(height, width)
    figure = new_figure(max(width * inches, 2.5), max(height * inches, 2.0) + (0.35 if title else 0))
    axes = figure.subplots()
    axes.set_title(title, fontsize=10, color=INK)
    return figure, axes


def contact_sheet(
    images_bgr: Sequence[np.ndarray],
    joints: Sequence[np.ndarray],
    titles: Sequence[str] | None = None,
    columns: int = 6,
    present: Sequence[np.ndarray] | None = None,
) -> Figure:
    """Several pictures with one pose each, row by row."""
    count = len(images_bgr)
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    tallest = float(np.median([image.shape[0] / image.shape[1] for image in images_bgr]))
    figure = new_figure(2.1 * columns, (2.1 * min(max(tallest, 0.5), 2.0) + (0.25 if titles else 0)) * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[count:]:
        axes.set_visible(False)
    for index, (axes, image, pose) in enumerate(zip(grid, images_bgr, joints, strict=False)):
        draw_pose(axes, image, pose, None if present is None else present[index])
        if titles:
            axes.set_title(titles[index], fontsize=8, color=INK)
    return figure
