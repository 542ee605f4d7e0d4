"""A training run as a picture: every stage's loss over the iterations and the learning rate's changes."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from cpm_repro.training.log import Log

from .sheet import INK, new_figure


def smoothed(values: np.ndarray, window: int) -> np.ndarray:
    """The mean of each value and up to `window - 1` before it (n,); NaN counts as absent."""
    known = np.isfinite(values)
    sums = np.cumsum(np.where(known, values, 0.0))
    counts = np.cumsum(known)
    sums[window:], counts[window:] = sums[window:] - sums[:-window], counts[window:] - counts[:-window]
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def loss_figure(log: Log, smooth: int = 1, title: str = "Training loss of every stage") -> Figure:
    """Each stage's loss over the iterations (logarithmic), and the learning rate's changes as dotted lines.

    smooth: number of displayed iterations averaged; the unsmoothed curve stays behind, pale.
    """
    figure = new_figure(7.5, 4.5)
    axes = figure.subplots()
    axes.set_title(title, fontsize=11, color=INK)
    axes.set_xlabel("iteration")
    axes.set_ylabel("loss (log scale)")
    axes.grid(alpha=0.3, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    curves = log.losses or {"loss": log.loss}
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.88, len(curves)))
    for (name, values), colour in zip(curves.items(), colours, strict=True):
        if smooth > 1:
            axes.plot(log.iterations, values, color=colour, alpha=0.2, linewidth=0.8)
        label = name.replace("loss_stage", "stage ")
        axes.plot(log.iterations, smoothed(values, smooth), color=colour, linewidth=1.5, label=label)
    positive = np.concatenate(list(curves.values()))
    if (positive[np.isfinite(positive)] > 0).any():
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(LogFormatter())
        axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    changed = np.flatnonzero(np.diff(log.rates) != 0) + 1
    for index in changed[np.isfinite(log.rates[changed]) & np.isfinite(log.rates[changed - 1])][:20]:
        axes.axvline(log.iterations[index], color="#888888", linestyle=":", linewidth=0.9)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure
