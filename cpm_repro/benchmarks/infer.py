"""How fast a network's forward pass is: an engine of this project beside what else runs the same net from the same
weights, its memory, its share of the machine's limits, and its cost as batch, image, stages and threads grow.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from cpm_repro.array_comparison import compare_arrays
from prototxt_import.engine import ENGINES, make_engine
from prototxt_import.files import InputError
from prototxt_import.operations import Operations

from . import networks, roofline, tables
from .measure import COPY, PRODUCT, alternate, counts, limits, memory_of_process, ratio, repeated
from .networks import Case, Workload

BATCHES = {"cpu": (1, 2, 4), "cuda": (1, 4, 16, 64)}
SWEPT_PEERS = (networks.CHANNELS_LAST, networks.ONNX_RUNTIME)
SWEPT_ROUNDS = 2
CAFFES_SECONDS = 3.1  # the original's forward pass of `cpm` as it is by default, on two cores of an AMD EPYC

Way = Callable[[Case], networks.Run]


def measure(workload: Workload, engine: str | Operations, rounds: int, short: bool = False) -> dict[str, Any]:
    """All numbers: Rates in images/s, or in FLOP/s and bytes/s under "limits"; `short`: no memory and no sweeps."""
    largest = replace(workload, batch=1)
    ways = ways_for(workload, engine)
    with networks.weights_of(largest) as weights:
        with networks.case_of(workload, weights) as case:
            report = compare(case, ways, rounds, short)
            if workload.device == "cpu":
                ours = next(iter(report["pipelines"].values()))
                report["roofline"] = roofline.roofline(case.net(engine), report["limits"], ours)
        if short:
            return {"engine": str(engine), **report}
        swept = {name: way for name, way in ways.items() if name in (networks.engine_name(engine), *SWEPT_PEERS)}
        known = {workload: report["pipelines"]}
        return {"engine": str(engine), **report, **sweeps(workload, weights, swept, known)}


def ways_for(workload: Workload, engine: str | Operations) -> dict[str, Way]:
    """The engine, on a card also those of reduced precision, and the peers."""
    others = map(make_engine, ENGINES if workload.device == "cuda" else ())
    engines = (engine, *(other for other in others if other.reduced and str(other) != str(engine)))
    ours = {networks.engine_name(each): partial(networks.run_engine, engine=each) for each in engines}
    return {**ours, **networks.PEERS[workload.device]}


def compare(case: Case, ways: dict[str, Way], rounds: int, short: bool = False) -> dict[str, Any]:
    """The first of `ways` beside the others: rates in images/s, ratios, differences, limits and, unless `short`,
    memory."""
    device, count = case.workload.device, case.shape[0]
    first = next(iter(ways))
    pipelines, missing = networks.opened(case, ways)
    if first in missing:
        raise InputError(f"{case.workload.net}: {first}: {missing[first]}")
    runs = {name: repeated(pipeline) for name, pipeline in pipelines.items()}
    rates = alternate({**runs, **limits(device)}, rounds)
    ours, *others = pipelines
    reference = pipelines[ours].result
    return {
        "workload": str(case.workload),
        "caffes_seconds": CAFFES_SECONDS if case.workload == Workload("cpm", case.workload.threads) else None,
        "gflop": case.flop / count / 1e9,
        "bytes_moved": case.moved / count,
        "pipelines": {name: rates[name] for name in pipelines},
        "limits": {name: rates[name] for name in (PRODUCT, COPY)},
        "ratios": {name: ratio(rates[ours], rates[name]) for name in others},
        "differences": {name: compare_arrays(reference, pipelines[name].result).share_of_largest for name in others},
        "share_of_product": {name: case.flop / count * ratio(rates[name], rates[PRODUCT]) for name in pipelines},
        "share_of_copy": {name: case.moved / count * ratio(rates[name], rates[COPY]) for name in pipelines},
        "memory": {name: None if short else memory_of_process(ways[name], case) for name in pipelines},
        "missing": missing,
    }


def sweeps(workload: Workload, weights: Path, ways: dict[str, Way], known: dict[Workload, Any]) -> dict[str, Any]:
    """Rows of {"batch", "size", "stages" or "threads", "rates"}. On a CPU all but the sizes are swept at half the
    image's side.

    known: the rates of workloads that were measured already. A prototxt of one's own says what shape it takes: only
    threads are swept.
    """
    rates, swept = dict(known), _points(workload)
    for point in (point for points in swept.values() for point in points):
        if point not in rates:
            rates[point] = _rates_at(point, weights, ways)
    return {
        key: [
            {key: getattr(point, key), "rates": {way: rates[point][way] for way in rates[point] if way in ways}}
            for point in points
        ]
        for key, points in swept.items()
    }


def half_of(size: int) -> int:
    """About half an image's side, a multiple of the belief maps' stride too."""
    return max(8, size // 16 * 8)


def _points(workload: Workload) -> dict[str, list[Workload]]:
    threads = counts(workload.threads) if workload.device == "cpu" else []
    if not workload.named:
        return {"threads": [replace(workload, threads=n) for n in threads]}
    half, middle = half_of(workload.size), max(8, int(workload.size * 0.7) // 8 * 8)
    small = replace(workload, size=half if workload.device == "cpu" else workload.size, batch=1)
    swept = {
        "batch": [replace(small, batch=batch) for batch in BATCHES[workload.device]],
        "size": [replace(small, size=size) for size in (half, middle, workload.size)],
        "stages": [replace(small, stages=stages) for stages in counts(workload.stages)],
        "threads": [replace(small, threads=n) for n in threads],
    }
    return {key: points for key, points in swept.items() if points}


def _rates_at(workload: Workload, weights: Path, ways: dict[str, Way]) -> dict[str, Any]:
    with networks.case_of(workload, weights) as case:
        pipelines, _ = networks.opened(case, ways)
        return alternate({name: repeated(pipeline) for name, pipeline in pipelines.items()}, SWEPT_ROUNDS)


LABELS = {
    "batch": "images a batch",
    "size": "side of the image, px",
    "stages": "stages",
    "threads": "threads",
}


def text(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    seconds = report["caffes_seconds"]
    caffe = [f"The original Caffe took {seconds} s for this on two cores of an AMD EPYC."] if seconds else []
    bounds = [roofline.text(report["roofline"])] if "roofline" in report else []
    return "\n\n".join((comparison(report, "image"), notes(report), *bounds, *caffe, *sweeps_in_words(report, "image")))


def sweeps_in_words(report: dict[str, Any], one: str) -> list[str]:
    """A table for each of `sweeps`; `one` says what is counted."""
    return [
        f"Seconds per {one}\n\n{tables.sweep(report[key], key, label, tables.median_seconds)}"
        for key, label in LABELS.items()
        if key in report
    ]


def comparison(report: dict[str, Any], one: str) -> str:
    """The table of `compare`, with a heading; `one` says what is counted."""
    pipelines = report["pipelines"]
    ours = next(iter(pipelines))

    def memory(name: str) -> str:
        found = report["memory"][name]
        return tables.mebibytes(found and (found["card"] or found["own"]))

    columns: dict[str, Callable[[str], str]] = {
        "GFLOP/s": lambda name: tables.number(pipelines[name].median * report["gflop"]),
        "of product": lambda name: f"{report['share_of_product'][name]:.0%}",
        "memory, MiB": memory,
        "differs by": lambda name: "" if name == ours else f"{report['differences'][name]:.1g}",
    }
    heading = f"**{report['workload']}**: {tables.number(report['gflop'])} GFLOP per {one}"
    return f"{heading}\n\n{tables.beside(pipelines, f's/{one}', tables.seconds, columns)}"


def limits_in_words(report: dict[str, Any]) -> str:
    """What the machine can do, and how much of it the first way uses."""
    product, copied = (report["limits"][name].median / 1e9 for name in (PRODUCT, COPY))
    ours = next(iter(report["pipelines"]))
    return (
        f"Limits in the same run: float32 matrix product {tables.number(product)} GFLOP/s, copy "
        f"{tables.number(copied)} GB/s. GFLOP are those of direct convolution; what computes it with fewer can exceed "
        f"100 %. The {ours} moves at least {tables.number(report['bytes_moved'] / 2**20)} MiB: "
        f"{report['share_of_copy'][ours]:.0%} of the copy's rate."
    )


def notes(report: dict[str, Any]) -> str:
    """What the columns of `comparison` mean, the machine's limits, and what is missing."""
    ours = next(iter(report["pipelines"]))
    memory = report["memory"][ours]
    lines = [
        f"{ours} is: how many times as fast, the median over the rounds. Memory: the peak of a process that does "
        "nothing else, loading left out, the card's where there is one, else without the libraries imported"
        + ("" if memory is None else f" (with them, the {ours}'s is {tables.mebibytes(memory['process'])} MiB)")
        + ". Differs by: the greatest difference from the first way's last maps, as a share of their greatest value.",
        limits_in_words(report),
        *(f"Not measured: {name}: {reason}." for name, reason in report["missing"].items()),
    ]
    return "\n".join(lines)


def curves(report: dict[str, Any]) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """What `charts.rates_figure` draws as lines: key and rows by the label of their axis."""
    return {label: (key, report[key]) for key, label in LABELS.items() if key in report}
