"""The paper's figure 5: histograms of gradients, layer by layer and epoch by epoch, of two trainings."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .sheet import INK, new_figure

Record = Mapping[str, NDArray[np.float64]]


def histogram_figure(
    trainings: Mapping[str, Mapping[int, Record]], layers: Sequence[str], edges: NDArray[np.float64]
) -> Figure:
    """A column for each layer, from input to output, and a row for each recorded iteration.

    trainings: by name and iteration, `<layer>/histogram`: the shares of gradients by magnitude, between `edges` in
    powers of ten.
    """
    times = list(next(iter(trainings.values())))
    figure = new_figure(1.7 * len(layers) + 0.6, 1.25 * len(times) + 0.8)
    grid = figure.subplots(len(times), len(layers), sharex=True, sharey=True, squeeze=False)
    for row, time in zip(grid, times, strict=True):
        row[0].set_ylabel(f"iteration {time}", fontsize=8, color=INK)
        for axes, layer in zip(row, layers, strict=True):
            for (name, records), colour in zip(trainings.items(), ("tab:red", "tab:grey"), strict=True):
                shares = records[time][f"{layer}/histogram"]
                axes.stairs(shares, edges, fill=True, color=colour, alpha=0.55, label=name)
            axes.set_yticks([])
            axes.tick_params(labelsize=7)
            axes.spines[["top", "right", "left"]].set_visible(False)
    for axes, layer in zip(grid[0], layers, strict=True):
        axes.set_title(layer, fontsize=8, color=INK)
    figure.supxlabel("log10 of a gradient's magnitude", fontsize=9, color=INK)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return figure


def ratio_figure(layers: Sequence[str], ratios: Mapping[int, NDArray[np.float64]]) -> Figure:
    """A curve for each recorded iteration: by how many powers of ten the gradients of each layer are larger."""
    figure = new_figure(0.28 * len(layers) + 3, 3.6)
    axes = figure.subplots()
    for (time, ratio), shade in zip(ratios.items(), np.linspace(0.75, 0, len(ratios)), strict=True):
        axes.plot(range(len(layers)), ratio, marker="o", markersize=3, color=str(shade), label=f"iteration {time}")
    axes.axhline(0, color="tab:red", linewidth=0.8)
    axes.set_xticks(range(len(layers)), layers, rotation=90, fontsize=7)
    axes.set_ylabel("log10 (std with / std without)", fontsize=9, color=INK)
    axes.set_title("Gradients with intermediate supervision, from the image to the last maps", fontsize=10, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return figure
