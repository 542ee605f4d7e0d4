"""What every picture of this project starts from and ends in: a white sheet without a display, and a file.

Every function of this package returns a matplotlib Figure; `save` writes it.
"""

import os
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from prototxt_import.files import InputError, replacing

DOTS_PER_INCH = 120
SUFFIXES = (".png", ".pdf", ".svg", ".jpg", ".jpeg")
INK = "#222222"
Style = dict[str, Any]
"""Keyword arguments that several of matplotlib's artists share."""


def check_format(path: str | os.PathLike[str]) -> None:
    """InputError unless the name's ending is a picture format that `save` writes; ask before a long run."""
    suffix = Path(path).suffix
    if suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: expected a name ending in {', '.join(SUFFIXES)}, found {suffix!r}")


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write the figure in the format of the name's ending, whole or not at all; the same figure, the same bytes."""
    check_format(path)
    _show_names(figure)
    undated = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(Path(path).suffix.lower())
    with replacing(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "cpm-repro"}):
        figure.savefig(temporary, metadata=undated)


def _show_names(figure: Figure) -> None:
    """Names of files and folders may hold bytes that are no text, which become escapes, and dollar signs, between which
    matplotlib would read a formula. Its own formulas are those of axes' numbers."""
    for text in figure.findobj(Text):
        shown = text.get_text().encode("utf-8", "backslashreplace").decode("utf-8")
        text.set_text(shown)
        if "$" in shown and r"\mathdefault" not in shown:
            text.set_parse_math(False)


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure of that many inches."""
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def legend_beside(axes: Axes, left: float = 1.0, **style: Any) -> None:
    """A legend to the right of the axes, from `left` on, in their widths."""
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(left, 1), **style)


def bare(axes: Axes) -> None:
    """Take ticks and frame away."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
