"""A training run as a picture: every stage's loss over the iterations, the learning rate's changes, and held-out
people's score beside them."""

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatter

from cpm_repro.training.log import Log

from .sheet import INK, legend_beside, new_figure


def smoothed(values: np.ndarray, window: int) -> np.ndarray:
    """The mean of each value and the `window - 1` before it (n,); NaN counts as absent.

    The first `window - 1` means would be of fewer values, and the very first a single one that says little: they are
    NaN, unless all there is is shorter than a window.
    """
    known = np.isfinite(values)
    sums = np.cumsum(np.where(known, values, 0.0))
    counts = np.cumsum(known)
    sums[window:], counts[window:] = sums[window:] - sums[:-window], counts[window:] - counts[:-window]
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    if len(values) >= window:
        means[: window - 1] = np.nan
    return means


def loss_figure(log: Log, smooth: int = 1) -> Figure:
    """Each stage's loss over the iterations (logarithmic), the learning rate's changes as dotted lines, and the scores
    of held-out people, if the log has any, on an axis of their own.

    smooth: number of displayed iterations averaged; the unsmoothed curve stays behind, pale.
    """
    figure = new_figure(8.5 if log.scores else 7.5, 4.5)
    axes = figure.subplots()
    axes.set_title("Training loss of every stage", fontsize=11, color=INK)
    axes.set_xlabel("iteration")
    axes.set_ylabel("loss (log scale)")
    axes.grid(alpha=0.3, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    _draw_losses(axes, log, smooth)
    lines = [*axes.get_lines(), *_draw_rate_changes(axes, log)]
    lines += _draw_scores(axes, log) if log.scores else []
    handles = [line for line in lines if not str(line.get_label()).startswith("_")]
    legend_beside(axes, 1.12 if log.scores else 1.0, handles=handles)  # the second axis has its numbers there
    return figure


def _draw_losses(axes: Axes, log: Log, smooth: int) -> None:
    curves = log.losses or {"loss": log.loss}
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.88, len(curves)))
    for (name, values), colour in zip(curves.items(), colours, strict=True):
        if smooth > 1:
            axes.plot(log.iterations, values, color=colour, alpha=0.2, linewidth=0.8, label="_as logged")
        label = name.replace("loss_stage", "stage ")
        axes.plot(log.iterations, smoothed(values, smooth), color=colour, linewidth=1.5, label=label)
    if smooth > 1:
        axes.plot([], [], color=INK, alpha=0.25, linewidth=0.8, label=f"as logged\n(lines: means of {smooth})")
    positive = np.concatenate(list(curves.values()))
    if (positive[np.isfinite(positive)] > 0).any():
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(LogFormatter())
        axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))


def _draw_rate_changes(axes: Axes, log: Log) -> list[Line2D]:
    """Steps as dotted lines, but not of a rate that falls all the time; the one of them that the legend shows."""
    changed = np.flatnonzero(np.diff(log.rates) != 0) + 1
    changed = changed[np.isfinite(log.rates[changed]) & np.isfinite(log.rates[changed - 1])]
    label = "learning rate\nchanges"
    places = log.iterations[changed] if len(changed) <= _MOST_STEPS else ()
    return [axes.axvline(at, color="#888888", linestyle=":", linewidth=0.9, label=label) for at in places][:1]


_MOST_STEPS = 20  # of a learning rate, in one log


def _draw_scores(axes: Axes, log: Log) -> list[Line2D]:
    """Percents on the right."""
    right = axes.twinx()
    right.set_ylim(0, 100)
    right.set_ylabel("held-out people (%)")
    right.spines["top"].set_visible(False)
    drawn = []
    for name, found in log.scores.items():
        drawn += right.plot(list(found), list(found.values()), "o-", color="#c23b22", markersize=3.5, label=name)
    return drawn
