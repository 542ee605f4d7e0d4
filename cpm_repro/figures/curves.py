"""The paper's plots of scores: detection rate over the normalised distance (figures 8, 9 and 12), stage by stage
(figure 6c), by viewpoint (figure 11), and over what a net sees (figure 4); and what joints were taken for.

Every function takes results by label, one curve each, and returns a matplotlib Figure as those of `figures` do.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import matplotlib.lines
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

from cpm_repro.evaluation.misses import KINDS, Misses
from cpm_repro.evaluation.pck import Pck

from .sheet import INK, Style, legend_beside, new_figure

GREY = "#888888"
# Known rates, a fraction of a percent apart: a full mark inside a hollow one.
MARKS: tuple[Style, ...] = tuple(
    {"color": INK, "linestyle": "", "marker": marker, "markersize": size, "fillstyle": fill, "zorder": 3}
    for marker, size, fill in (("*", 5, "full"), ("o", 9, "none"))
)
Reference = Mapping[str, Mapping[str, float]]


def rate_figure(
    results: Mapping[str, Pck], title: str, threshold: float, size: str, reference: Reference | None = None
) -> Figure:
    """Figures 8, 9 and 12: a panel for Total and each row of the tables, with a curve for each result.

    threshold: the paper's, dotted, at which the legend's figures are taken. size: what distances are divided by.
    reference: known rates at the threshold as in `pck.PAPER`, marked where they belong.
    """
    names = ["Total", *(name for name in next(iter(results.values())).rows() if name != "Total")]
    rows, columns = 2, math.ceil(len(names) / 2)
    figure = new_figure(2.6 * columns, 2.5 * rows + 0.5 + 0.22 * (len(results) + len(reference or {})))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True)
    colours = _colours(results)
    for axes, name in zip(grid.ravel(), names, strict=True):  # a table has an odd number of rows, and Total
        _rate_axes(axes, name, threshold, results)
        for label, result in results.items():
            axes.plot(result.thresholds, result.rows()[name], color=colours[label], linewidth=1.6, clip_on=False)
        for mark, known in zip(MARKS, (reference or {}).values(), strict=False):
            if name in known:
                axes.plot(threshold, known[name], **mark, clip_on=False)
    figure.suptitle(title, fontsize=12, color=INK)
    figure.supylabel("detection rate (%)", fontsize=9, color=INK)
    for axes in grid[-1]:
        axes.set_xlabel(f"distance / {size}", fontsize=8, color=INK)
    _legend_below(figure, results, colours, threshold, reference or {})
    return figure


def _colours(labels: Iterable[str]) -> dict[str, ColorType]:
    """A colour for each label that does not depend on the others' number."""
    palette = matplotlib.color_sequences["tab10"]
    return {label: palette[index % len(palette)] for index, label in enumerate(labels)}


def _rate_axes(axes: Axes, name: str, threshold: float, results: Mapping[str, Pck]) -> None:
    axes.set_title(name, fontsize=10, color=INK)
    axes.set_xlim(0, max(float(result.thresholds[-1]) for result in results.values()))
    axes.set_ylim(0, 100)
    axes.axvline(threshold, color=GREY, linestyle=":", linewidth=0.9)
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.grid(alpha=0.3, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def _legend_below(
    figure: Figure, results: Mapping[str, Pck], colours: Mapping[str, ColorType], threshold: float, reference: Reference
) -> None:
    """A line for each result with its Total at the threshold, and one for each reference."""
    handles = [
        matplotlib.lines.Line2D([], [], color=colours[label], label=_labelled(label, result, threshold))
        for label, result in results.items()
    ]
    for mark, (label, known) in zip(MARKS, reference.items(), strict=False):
        rates = ", ".join(f"{name} {value:g}" for name, value in known.items())
        handles.append(matplotlib.lines.Line2D([], [], **mark, label=f"{label} ({rates})"))
    figure.legend(handles=handles, loc="outside lower center", frameon=False, fontsize=9)


def _labelled(label: str, result: Pck, threshold: float) -> str:
    total = result.percent()
    return f"{label} ({total[result.at(threshold)]:.1f} at {threshold:g}, AUC {result.area(total):.1f})"


def stage_figure(
    stages: Mapping[str, Pck], others: Mapping[str, Pck], title: str, threshold: float, size: str
) -> Figure:
    """Figure 6c: Total over the normalised distance, a curve for each stage from dark to bright.

    others: what the stages are compared with, such as the mean pose, dashed.
    """
    figure = new_figure(7.5, 4.5)
    axes = figure.subplots()
    _rate_axes(axes, title, threshold, {**stages, **others})
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.88, len(stages)))
    for (label, result), colour in zip(stages.items(), shades, strict=True):
        text = _labelled(label, result, threshold)
        axes.plot(result.thresholds, result.percent(), color=colour, linewidth=1.8, label=text, clip_on=False)
    for style, (label, result) in zip(("--", "-.", ":") * len(others), others.items(), strict=False):
        text = _labelled(label, result, threshold)
        axes.plot(result.thresholds, result.percent(), color=GREY, linestyle=style, linewidth=1.4, label=text)
    axes.set_xlabel(f"distance / {size}", fontsize=9, color=INK)
    axes.set_ylabel("detection rate (%)", fontsize=9, color=INK)
    legend_beside(axes)
    return figure


def misses_figure(found: Mapping[str, Misses], title: str) -> Figure:
    """What joints were taken for: a panel for each run, a bar for each row of the tables, of all judged joints."""
    names = list(next(iter(found.values())).rows())
    figure = new_figure(0.7 * len(names) * len(found) + 3.0, 3.6)
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    colours = ("#4c9f70", "#d1495b", "#edae49", "#66a5ad", "#bbbbbb")
    for axes, (run, each) in zip(panels, found.items(), strict=True):
        shares = np.array(list(each.rows().values()))
        below = np.zeros(len(names))
        for kind, share, colour in zip(KINDS, shares.T, colours, strict=True):
            axes.bar(names, share, bottom=below, color=colour, label=kind, width=0.8)
            below = below + share
        axes.set_title(run, fontsize=10, color=INK)
        axes.set_ylim(0, 100)
        _plain(axes)
        axes.tick_params(axis="x", rotation=45)
    panels[0].set_ylabel("of the judged joints (%)", fontsize=9, color=INK)
    legend_beside(panels[-1], reverse=True)
    figure.suptitle(title, fontsize=11, color=INK)
    return figure


def cluster_figure(
    clusters: Mapping[str, Mapping[int, Pck] | Mapping[str, Pck]], title: str, threshold: float
) -> Figure:
    """Figure 11: Total at the threshold in each viewpoint cluster, a curve for each run; below it how many people.

    clusters: by run, then by cluster, a number as from `pckh.pckh_by_cluster` or a name.
    """
    first = next(iter(clusters.values()))
    labels, places = [str(cluster).replace(", ", ",\n") for cluster in first], np.arange(len(first))
    figure = new_figure(max(6.0, 0.35 * len(first) + 4.0), 5.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    for (run, results), colour in zip(clusters.items(), _colours(clusters).values(), strict=True):
        rates = [result.percent()[result.at(threshold)] for result in results.values()]
        upper.plot(places, rates, "o-", color=colour, linewidth=1.5, markersize=4, label=run)
    lower.bar(places, [result.people for result in first.values()], color=GREY)
    upper.set_title(title, fontsize=11, color=INK)
    upper.set_ylim(0, 100)
    upper.set_ylabel("detection rate (%)", fontsize=9, color=INK)
    legend_beside(upper)
    lower.set_ylabel("people", fontsize=9, color=INK)
    lower.set_xlabel("viewpoint cluster", fontsize=9, color=INK)
    lower.set_xticks(places, labels)
    for axes in (upper, lower):
        _plain(axes)
    return figure


def field_figure(joints: Mapping[str, Mapping[int, Sequence[float]]], title: str, height: float) -> Figure:
    """Figure 4: detection rate over the receptive field, a curve for each joint through the means of the seeds,
    which are dots.

    joints: by name and field (px), the seeds' rates in percent. height: the person's in px, dotted.
    """
    figure = new_figure(6.5, 4.2)
    axes = figure.subplots()
    for (name, rates), colour in zip(joints.items(), _colours(joints).values(), strict=True):
        fields = list(rates)
        means = [float(np.mean(rates[field])) for field in fields]
        axes.plot(fields, means, color=colour, linewidth=1.6, label=name)
        for field in fields:
            axes.plot([field] * len(rates[field]), rates[field], "o", color=colour, markersize=3)
    axes.axvline(height, color=GREY, linestyle=":", linewidth=0.9, label="the person's height")
    axes.set_title(title, fontsize=11, color=INK)
    axes.set_xlabel("effective receptive field (px)", fontsize=9, color=INK)
    axes.set_ylabel("detection rate (%)", fontsize=9, color=INK)
    axes.set_ylim(0, 100)
    legend_beside(axes)
    _plain(axes)
    return figure
