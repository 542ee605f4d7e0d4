"""Pictures of what was measured: bars for the ways of doing the same, lines for how their cost grows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from cpm_repro.figures.sheet import INK, new_figure

from .measure import Rates
from .tables import number

Rows = Sequence[Mapping[str, Any]]


def rates_figure(
    bars: Mapping[str, Rates], curves: Mapping[str, tuple[str, Rows]], titles: tuple[str, str], unit: str
) -> Figure:
    """A bar for each pipeline, and for each of `curves` (axis label: key and rows of {key: value, "rates": by
    pipeline}) a line for each pipeline over the values measured.

    titles: the figure's and the bars'; unit: of the rates, such as "images/s". Bars and points are medians, the thin
    lines range from the lowest round to the highest.
    """
    figure = new_figure(3.8 * (1 + len(curves)), 3.7)
    first, *others = figure.subplots(1, 1 + len(curves), squeeze=False)[0]
    colours = dict(zip(bars, matplotlib.color_sequences["tab10"], strict=False))
    _draw_bars(first, bars, colours, unit)
    first.set_title(titles[1], fontsize=9, color=INK)
    for axes, (label, (key, rows)) in zip(others, curves.items(), strict=True):
        _draw_curves(axes, rows, key, colours)
        axes.set_xlabel(label)
        axes.set_ylabel(unit)
    for axes in (first, *others):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(titles[0], fontsize=10, color=INK)
    return figure


def _draw_bars(axes: Axes, bars: Mapping[str, Rates], colours: Mapping[str, Any], unit: str) -> None:
    names = list(bars)[::-1]
    for name in names:
        rates = bars[name]
        axes.barh(name, rates.median, height=0.6, color=colours[name], xerr=_range([rates]), ecolor=INK)
        axes.annotate(f" {number(rates.median)}", (max(rates.rounds), name), va="center", fontsize=8, color=INK)
    axes.margins(x=0.15)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlabel(unit)


def _draw_curves(axes: Axes, rows: Rows, key: str, colours: Mapping[str, Any]) -> None:
    values = [row[key] for row in rows]
    for name in rows[0]["rates"]:
        rates = [row["rates"][name] for row in rows]
        style = {"color": colours[name], "marker": "o", "markersize": 4}
        axes.errorbar(values, [one.median for one in rates], _range(rates), label=name, **style)
    axes.set_xscale("log")
    axes.set_xticks(values, [f"{value:.3g}" for value in values])
    axes.set_xticks([], minor=True)
    axes.set_ylim(0, 1.1 * max(max(rates.rounds) for row in rows for rates in row["rates"].values()))
    axes.grid(axis="y", alpha=0.3, linewidth=0.6)
    axes.legend(frameon=False, fontsize=8)


def scale_figure(report: Mapping[str, Any], title: str) -> Figure:
    """A `scale.report`, logarithmic both ways: seconds over images and over records, each series with its straight line
    (dashed) and with so much once and so much each (thin); and the rate over threads and processes, as a multiple of
    one thread's, beside what it would be at best."""
    figure = new_figure(13, 4.2)
    images, records, workers = figure.subplots(1, 3)
    for axes, key in ((images, "images"), (records, "records")):
        for series, colour in zip(report[key], matplotlib.color_sequences["tab10"], strict=False):
            _draw_series(axes, series, colour)
        _logarithmic(axes, key, "seconds", f"over the number of {key}")
    _draw_workers(workers, report["workers"])
    _logarithmic(workers, "threads, or processes of one thread", "times one thread's rate", "side by side")
    for axis in (workers.xaxis, workers.yaxis):
        at_once = sorted({row["threads"] * row["processes"] for row in report["workers"]})
        axis.set_ticks(at_once, [str(count) for count in at_once])
        axis.set_ticks([], minor=True)
    figure.suptitle(title, fontsize=10, color=INK)
    return figure


def _draw_series(axes: Axes, series: Mapping[str, Any], colour: Any) -> None:
    counts = np.array([point["count"] for point in series["points"]])
    medians = [1 / point["rates"].median for point in series["points"]]
    label = f"{series['name']}: {series['line']['slope']:.2f}"
    axes.plot(counts, medians, "o", color=colour, markersize=4, label=label)
    axes.plot(counts, series["line"]["factor"] * counts ** series["line"]["slope"], "--", color=colour, linewidth=1)
    between = np.geomspace(counts[0], counts[-1])
    axes.plot(between, series["parts"]["once"] + series["parts"]["each"] * between, color=colour, linewidth=0.6)


def _draw_workers(axes: Axes, rows: Rows) -> None:
    jobs = dict.fromkeys(row["job"] for row in rows)
    for job, colour in zip(jobs, matplotlib.color_sequences["tab10"], strict=False):
        for what, other, style in (("threads", "processes", "s:"), ("processes", "threads", "o-")):
            found = [row for row in rows if row["job"] == job and row[other] == 1]
            counts = [row[what] for row in found]
            gains = [row["efficiency"] * row["threads"] * row["processes"] for row in found]
            axes.plot(counts, gains, style, color=colour, markersize=4, label=f"{job}, {what}")
    most = max(row["threads"] * row["processes"] for row in rows)
    axes.plot([1, most], [1, most], "--", color=INK, linewidth=0.8)


def startup_figure(report: Mapping[str, Any], title: str) -> Figure:
    """A bar for each command of a `startup` report: seconds to its first result, and the thin line their range."""
    figure = new_figure(6, 2.4)
    axes = figure.subplots()
    for name, row in reversed(report["commands"].items()):
        low, middle, high = np.quantile(row["awaited"], (0, 0.5, 1))
        axes.barh(name, middle, height=0.6, xerr=[[middle - low], [high - middle]], ecolor=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("seconds to the first result")
    axes.set_title(title, fontsize=10, color=INK)
    return figure


def forecast_figure(report: Mapping[str, Any], panels: Mapping[str, str], title: str) -> Figure:
    """Images/s over the number of cards, a line for each link; `panels`: keys of a `scale.forecast` report, and what
    each is about. A ring is where computing is the limit no more, and says what is; the dashed line would be computing
    alone."""
    figure = new_figure(4.4 * len(panels), 3.9)
    for axes, (key, what) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for colour, (link, rows) in zip(matplotlib.color_sequences["tab10"], report[key].items(), strict=False):
            cards, rates = [row["cards"] for row in rows], [row["rate"] for row in rows]
            axes.plot(cards, rates, color=colour, marker="o", markersize=3, label=link)
            limited = [row for row in rows if row["limit"] != "computing"][:1]
            for row in limited:
                ring = {"color": colour, "markerfacecolor": "none", "markersize": 11}
                axes.plot([row["cards"]], [row["rate"]], "o", label=f"{link}: {row['limit']}", **ring)
        axes.plot(cards, [count * rows[0]["rate"] for count in cards], "--", color=INK, linewidth=0.8)
        _logarithmic(axes, "cards", "images/s", f"{report['batch']} {what}")
    figure.suptitle(title, fontsize=10, color=INK)
    return figure


def _logarithmic(axes: Axes, across: str, up: str, title: str) -> None:
    axes.set(xscale="log", yscale="log", xlabel=across, ylabel=up)
    for axis in (axes.xaxis, axes.yaxis):
        least, most = axis.get_data_interval()
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if most < 100 * least else (1,)))
        axis.set_major_formatter("{x:,.9g}")
        axis.set_minor_formatter(NullFormatter())
    axes.set_title(title, fontsize=9, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3, linewidth=0.6)
    axes.legend(frameon=False, fontsize=7)


def _range(rates: Iterable[Rates]) -> np.ndarray:
    """(2, n): how far the lowest and the highest round are from the median."""
    return np.array([(one.median - min(one.rounds), max(one.rounds) - one.median) for one in rates]).T
