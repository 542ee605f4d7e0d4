"""A net as a picture: a column per stage, in the spirit of the paper's figure 2, or columns of layers for other nets.

Layers that work in place share the box of the layer before. An arrow inside a column goes straight down where it can;
what several stages share (image features, centre map) runs in lanes between the rows, a colour for each blob.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from cpm_repro.network.summary import LayerSummary, StageSummary, field_text

from .sheet import INK, Style, bare, new_figure

ROWS = 16  # of a column in nets without stages
_COLUMN, _ROW = 2.9, 0.62  # inches from one column or row to the next
_WIDTH, _HEIGHT = 0.66, 0.62  # of a box, in columns and rows
_LANES = ("#1f77b4", "#2ca02c", "#9467bd", "#d62728", "#8c564b", "#17becf", "#e377c2", "#bcbd22", "#7f7f7f")
_MAPS = "#e6550d"  # the colour of the belief maps' lanes
_MAPS_FILL = "#f9cb9c"


@dataclass
class _Box:
    """A layer with the in-place layers that follow it; column and row count from the top left.

    is_input: it has no weights and comes before all that have: the input, its slices, the pooled centre map.
    """

    layer: LayerSummary
    is_input: bool
    column: int = 0
    row: int = 0
    after: list[str] = field(default_factory=list)


def draw_network(layers: Sequence[LayerSummary], stages: Sequence[StageSummary], title: str) -> Figure:
    """The net of these summaries (see `cpm_repro.network.summary`)."""
    boxes, edges = _boxes_and_edges(layers)
    maps = {stage.maps for stage in stages}
    _place(boxes, bool(stages))
    columns, rows = max(box.column for box in boxes) + 1, max(box.row for box in boxes) + 1
    above = 1.4 if stages else 0.2
    figure = new_figure(_COLUMN * columns + 0.3, _ROW * (rows + above) + 0.6)
    axes = figure.add_subplot()
    bare(axes)
    axes.set_xlim(-0.62, columns - 0.38)
    axes.set_ylim(rows - 0.4, -0.6 - above)
    figure.suptitle("\n".join(textwrap.wrap(title, 44 * columns)), fontsize=10, color=INK)
    _draw_edges(axes, edges, maps)
    for box in boxes:
        _draw_box(axes, box, maps)
    for stage in stages:
        _draw_heading(axes, stage)
    return figure


def _boxes_and_edges(layers: Sequence[LayerSummary]) -> tuple[list[_Box], list[tuple[_Box, _Box, str]]]:
    """Boxes in the net's order, and (from, to, blob) for every bottom."""
    maker: dict[str, _Box] = {}
    boxes, edges = [], []
    for layer in layers:
        if layer.in_place and layer.bottoms[0] in maker:
            maker[layer.bottoms[0]].after.append(layer.short_name)
            continue
        made = [bottom for bottom in dict.fromkeys(layer.bottoms) if bottom in maker]
        box = _Box(layer, not layer.parameters and all(maker[bottom].is_input for bottom in made))
        boxes.append(box)
        edges += [(maker[bottom], box, bottom) for bottom in made]
        maker.update(dict.fromkeys(layer.tops, box))
    return boxes, edges


def _place(boxes: Sequence[_Box], by_stage: bool) -> None:
    """Columns by stage, ending on one row, what feeds them all in the first; or a fixed number of rows each."""
    if not by_stage:
        for index, box in enumerate(boxes):
            box.column, box.row = divmod(index, ROWS)
        return
    columns: dict[int, list[_Box]] = {}
    for box in boxes:
        columns.setdefault(0 if box.is_input else box.layer.stage or 0, []).append(box)
    rows = max(map(len, columns.values()))
    for column, members in columns.items():
        first = 0 if column == 0 else rows - len(members)
        for index, box in enumerate(members):
            box.column, box.row = column, first + index


def _draw_box(axes: Axes, box: _Box, maps: set[str]) -> None:
    layer = box.layer
    is_maps = bool(maps.intersection(layer.tops))
    corner = (box.column - _WIDTH / 2, box.row - _HEIGHT / 2)
    style: Style = {"facecolor": _MAPS_FILL if is_maps else layer.fill, "edgecolor": INK, "linewidth": 0.8}
    axes.add_patch(
        FancyBboxPatch(corner, _WIDTH, _HEIGHT, boxstyle="round,pad=0,rounding_size=0.05", zorder=3, **style)
    )
    kind = " ".join([layer.short_name, layer.window]).strip()
    shape = "x".join(map(str, layer.shapes[0][1:])) if layer.shapes else ""
    inside: Style = {"ha": "center", "va": "center", "color": INK, "zorder": 4}
    name = " | ".join(layer.tops) if len(layer.tops) > 1 else layer.name
    axes.text(box.column, box.row - 0.15, name, fontsize=7.5, weight="bold" if is_maps else "normal", **inside)
    text = " · ".join(part for part in (kind, shape, *box.after) if part)
    axes.text(box.column, box.row + 0.15, text, fontsize=5.6, **inside)


def _draw_heading(axes: Axes, stage: StageSummary) -> None:
    place: Style = {"ha": "center", "va": "center", "color": INK}
    axes.text(stage.stage, -1.55, f"stage {stage.stage}", fontsize=10, weight="bold", **place)
    on_maps = f", {field_text(stage.on_maps)} of the maps before" if stage.stage > 1 else ""
    axes.text(stage.stage, -1.15, f"sees {field_text(stage.on_image)} px{on_maps}", fontsize=6, **place)
    axes.text(stage.stage, -0.85, f"{stage.parameters / 1e6:.2g} M parameters, {_giga(stage.flop)} GFLOP",
              fontsize=6, **place)  # fmt: skip


def _giga(flop: int) -> str:
    """In 10⁹, two digits at least."""
    billions = flop / 1e9
    return f"{billions:.0f}" if billions >= 10 else f"{billions:.2g}"


def _draw_edges(axes: Axes, edges: Sequence[tuple[_Box, _Box, str]], maps: set[str]) -> None:
    """Neighbours by a straight arrow, the others through the gaps between columns, in lanes side by side that bear
    their blob's name."""
    far = [edge for edge in edges if not _are_neighbours(*edge[:2])]
    colours = iter(_LANES * len(far))
    lanes: dict[str, tuple[int, str]] = {}
    for start, _, blob in far:
        if blob not in lanes:
            lanes[blob] = (len(lanes), _MAPS if blob in maps else next(colours))
            if blob not in maps:  # theirs stand out as they are
                place = (start.column + _WIDTH / 2 + 0.015, start.row - 0.04)
                axes.text(*place, blob, fontsize=5, va="bottom", color=lanes[blob][1], zorder=5)
    for start, end, blob in edges:
        if _are_neighbours(start, end):
            points = [(start.column, start.row + _HEIGHT / 2), (end.column, end.row - _HEIGHT / 2)]
            _arrow(axes, points, INK)
            if len(start.layer.tops) > 1:
                axes.text(end.column + 0.02, end.row - 0.5, blob, fontsize=5, va="center", color=INK, zorder=5)
        else:
            _arrow(axes, _way_around(start, end, lanes[blob][0]), lanes[blob][1])


def _are_neighbours(start: _Box, end: _Box) -> bool:
    return start.column == end.column and end.row == start.row + 1


def _way_around(start: _Box, end: _Box, lane: int) -> list[tuple[float, float]]:
    """From the start's right side down or up its gap, along the gap of rows above the end, into the end's left side
    (the right one in the same column)."""
    shift = 0.035 * (lane % 4)
    right = start.column + _WIDTH / 2
    gap = right + 0.05 + shift
    if start.column == end.column:
        return [(right, start.row), (gap, start.row), (gap, end.row), (right, end.row)]
    before = end.column - _WIDTH / 2 - 0.05 - shift
    row_in = end.row - 0.18 + 0.12 * (lane % 4)
    if end.column == start.column + 1:
        return [(right, start.row), (gap, start.row), (gap, row_in), (end.column - _WIDTH / 2, row_in)]
    along = end.row - 0.5 + 0.05 * (lane % 4 - 1.5)
    corners = [(right, start.row), (gap, start.row), (gap, along), (before, along), (before, row_in)]
    return [*corners, (end.column - _WIDTH / 2, row_in)]


def _arrow(axes: Axes, points: Sequence[tuple[float, float]], colour: str) -> None:
    path = Path(points, [Path.MOVETO] + [Path.LINETO] * (len(points) - 1))
    style: Style = {"arrowstyle": "-|>", "mutation_scale": 7, "joinstyle": "round", "shrinkA": 0, "shrinkB": 0}
    axes.add_patch(FancyArrowPatch(path=path, color=colour, linewidth=0.9, zorder=2, **style))
