"""Pictures of a comparison, to be put into a page: maps of both sides and their difference, histograms, bars."""

import base64
import io
import math
from collections.abc import Iterator
from html import escape

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import ColorType

from cpm_repro.array_comparison import ArrayComparison
from cpm_repro.figures.sheet import new_figure

from .blobs import Comparison, by_stage

AGREES, DIFFERS, BAD = "#2e7d5b", "#c0392b", "#ff00c8"
_ULP_BUCKETS = 33  # distances of float32 end at 2^32


def maps(blob: ArrayComparison, a: np.ndarray, b: np.ndarray) -> tuple[str, str]:
    """(caption, PNG as a data URI): A, B and |A − B| where the worst element lies; curves for one axis and losses."""
    if blob.name == "loss" or min(a.ndim, b.ndim) < 2 or min(*a.shape[-2:], *b.shape[-2:]) < 2:
        return "every value, in memory order", _data_uri(_curves(blob.name == "loss", a, b))
    place = blob.worst.index[:-2] if blob.worst else ()
    slices = [_slice(array, place) for array in (a, b)]
    return _caption(place if a.shape == b.shape else (0,) * (a.ndim - 2), a.ndim), _data_uri(_map_figure(*slices))


def _slice(array: np.ndarray, place: tuple[int, ...]) -> np.ndarray:
    array = array[place] if place else array[(0,) * (array.ndim - 2)]
    return np.asarray(array, np.float64)


def _caption(place: tuple[int, ...], axes: int) -> str:
    if axes == 4:
        return f"image {place[0]}, channel {place[1]}"
    return f"slice {place}" if place else "all of it"


def _map_figure(a: np.ndarray, b: np.ndarray) -> Figure:
    same = a.shape == b.shape
    figure = new_figure(9.6 if same else 6.4, 3.0)
    axes = figure.subplots(1, 3 if same else 2)
    finite = np.concatenate([array[np.isfinite(array)] for array in (a, b)])
    low, high = (finite.min(), finite.max()) if finite.size else (0, 1)
    for axis, array, title in zip(axes, (a, b), ("A", "B"), strict=False):
        _map(axis, array, f"{title}  {array.shape[0]}×{array.shape[1]}", "viridis", low, high)
    if same:
        with np.errstate(invalid="ignore"):
            _map(axes[2], np.abs(a - b), "|A − B|", "magma", 0, None)
    return figure


def _map(axes: Axes, array: np.ndarray, title: str, colours: str, low: float, high: float | None) -> None:
    colourmap = colormaps[colours].with_extremes(bad=BAD)
    shown = np.ma.masked_invalid(array)
    drawn = axes.imshow(shown, cmap=colourmap, vmin=low, vmax=high, interpolation="nearest", aspect="equal")
    axes.set_title(title, fontsize=10, loc="left")
    axes.tick_params(labelsize=7, length=2)
    bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.03)
    bar.ax.tick_params(labelsize=7, length=2)


def _curves(losses: bool, a: np.ndarray, b: np.ndarray) -> Figure:
    figure = new_figure(9.6, 3.0)
    left, right = figure.subplots(1, 2)
    columns = [array.reshape(len(array), -1) if losses else array.reshape(-1, 1) for array in (a, b)]
    for array, style, side in zip(columns, ("-", "--"), ("A", "B"), strict=True):
        for stage, colour in zip(range(array.shape[1]), _colours(array.shape[1]), strict=True):
            label = f"{side}, stage {stage + 1}" if losses else side
            left.plot(array[:, stage], style, color=colour if losses else None, linewidth=1.4, label=label)
    left.set_title("A and B", fontsize=10, loc="left")
    left.legend(fontsize=7, frameon=False, ncols=2)
    if columns[0].shape == columns[1].shape:
        apart = np.abs(columns[0].astype(np.float64) - columns[1])
        for stage, colour in zip(range(apart.shape[1]), _colours(apart.shape[1]), strict=True):
            right.plot(apart[:, stage], ".-", color=colour if losses else DIFFERS, linewidth=1.2)
        right.set_title("|A − B|", fontsize=10, loc="left")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("iteration" if losses else "element", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _colours(count: int) -> list[ColorType]:
    return [colormaps["viridis"](x) for x in np.linspace(0.1, 0.85, count)]


def _data_uri(figure: Figure) -> str:
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def histogram(blob: ArrayComparison, width: int = 560, height: int = 150) -> str:
    """SVG: how many elements lie how many ULP apart, both axes logarithmic."""
    counts = blob.histogram + [0] * (_ULP_BUCKETS - len(blob.histogram))
    bottom, left = height - 30, 34
    step = (width - left) / len(counts)
    tallest = math.log10(max(counts) + 1) or 1
    parts = []
    for decade in range(math.ceil(tallest) + 1):
        y = bottom - (bottom - 8) * min(decade / tallest, 1)
        parts.append(f'<line x1="{left}" x2="{width}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        if decade <= tallest:
            parts.append(
                f'<text x="{left - 4}" y="{y + 3:.1f}" text-anchor="end">10<tspan dy="-3">{decade}</tspan></text>'
            )
    for k, count in enumerate(counts):
        x, tall = left + k * step, (bottom - 8) * math.log10(count + 1) / tallest
        title = f"<title>{_bucket(k)} ULP: {count:,} elements</title>"
        colour = AGREES if k == 0 else DIFFERS
        parts.append(
            f'<rect x="{x + 1:.1f}" y="{bottom - tall:.1f}" width="{step - 2:.1f}" height="{tall:.1f}" fill="{colour}">'
            f"{title}</rect>"
        )
        if k % 4 == 0 or k == 1:
            label = f"{k}" if k < 2 else f'2<tspan dy="-3">{k - 1}</tspan>'
            parts.append(f'<text x="{x + step / 2:.1f}" y="{bottom + 13}" text-anchor="middle">{label}</text>')
    parts.append(f'<text x="{(left + width) / 2}" y="{height - 3}" text-anchor="middle">ULP apart</text>')
    return f'<svg class="chart" viewBox="0 0 {width} {height}" width="{width}" height="{height}">{"".join(parts)}</svg>'


def _bucket(k: int) -> str:
    return str(k) if k < 2 else f"{2 ** (k - 1):,}–{2**k - 1:,}"


def sparkline(blob: ArrayComparison) -> str:
    """The histogram as a picture of one line of text."""
    tallest = math.log10(max(blob.histogram, default=0) + 1) or 1
    bars = []
    for k, count in enumerate(blob.histogram):
        tall = 16 * math.log10(count + 1) / tallest
        colour = AGREES if k == 0 else DIFFERS
        bars.append(f'<rect x="{3 * k}" y="{16 - tall:.1f}" width="2.4" height="{tall:.1f}" fill="{colour}"/>')
    return f'<svg viewBox="0 0 {3 * _ULP_BUCKETS} 16" width="{3 * _ULP_BUCKETS}" height="16">{"".join(bars)}</svg>'


def along_the_net(comparison: Comparison, widest: int = 1200) -> str:
    """SVG: a bar for each blob in network order, its name below it, as tall as its relative error is large (10⁻⁸ … 1);
    stages stand on grounds of their own."""
    groups = by_stage(comparison.blobs)
    blobs = [blob for group in groups.values() for blob in group]
    left, top, tall = 34, 24, 120
    step = max((widest - left) / len(blobs), _NARROWEST)
    width = left + step * len(blobs)
    height = top + tall + 14 + 0.82 * _LETTER * max(len(blob.name) for blob in blobs)
    first = comparison.differing[0].name if comparison.differing else None
    parts = list(_bands(groups, left, step, top + tall))
    parts += _error_grid(left, width, top, tall)
    for place, blob in enumerate(blobs):
        parts += _error_bar(blob, left + place * step, step, top, tall, blob.name == first)
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return f'<svg class="chart" {size}>{"".join(parts)}</svg>'


_NARROWEST = 13  # px of a bar, so that names can stand side by side
_LETTER = 4.6  # px of a name's letter, about


def _bands(groups: dict[str, list[ArrayComparison]], left: float, step: float, bottom: float) -> Iterator[str]:
    if len(groups) == 1:
        return
    for number, (title, blobs) in enumerate(groups.items()):
        width = step * len(blobs)
        if number % 2 == 0:
            yield f'<rect class="band" x="{left:.1f}" y="0" width="{width:.1f}" height="{bottom}"/>'
        yield f'<text x="{left + 4:.1f}" y="12">{escape(title)}</text>'
        left += width


def _error_grid(left: float, width: float, top: float, tall: float) -> Iterator[str]:
    for exponent in (-8, -6, -4, -2, 0):
        y = top + tall * -exponent / 8
        yield f'<line x1="{left}" x2="{width:.1f}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
        yield f'<text x="{left - 4}" y="{y + 3:.1f}" text-anchor="end">10<tspan dy="-3">{exponent}</tspan></text>'


def _error_bar(blob: ArrayComparison, x: float, step: float, top: float, tall: float, is_first: bool) -> Iterator[str]:
    """The bar and, below it, the name: of the first blob that differs in red."""
    error, bottom, middle = blob.error, top + tall, x + step / 2
    high = tall * min(max((math.log10(error) + 8) / 8, 0.03), 1) if error else 2
    place = f'x="{middle - 0.4 * min(step, 24):.2f}" y="{bottom - high:.1f}"'
    size = f'width="{0.8 * min(step, 24):.2f}" height="{high:.1f}"'
    title = f"<title>{escape(blob.name)}: relative error {error:.2g}</title>"
    yield f'<rect {place} {size} fill="{AGREES if blob.passes else DIFFERS}">{title}</rect>'
    turned = f'transform="translate({middle + 3:.1f} {bottom + 8}) rotate(-55)" text-anchor="end"'
    yield f'<text class="name{" first" if is_first else ""}" {turned}>{escape(blob.name)}</text>'
