"""All that `cpm bench scale` measures, in numbers and in words."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from prototxt_import.files import InputError, scratch_folder

from .. import networks, tables
from ..data import lmdb_of
from ..networks import Workload
from . import torchrun
from .growth import Series, duration
from .images import NARROW, NARROW_SIZE, NARROW_STAGES, over_images
from .records import over_records
from .workers import BATCH, Job, infer, make_samples, over_workers, train

IMAGES, RECORDS = (1, 10, 100, 1000, 10_000), (100, 1000, 10_000, 100_000, 1_000_000)
SHORT_IMAGES, SHORT_RECORDS = (1, 10, 100), (100, 1000, 10_000)
THREADS, PROCESSES, SHORT_PROCESSES = (1, 2), (1, 2, 4), (1, 2)
LIMIT, SHORT_LIMIT = 40.0, 1.5
"""Seconds: longer than that no point of a series is measured, but for the one that it began with."""
COMMAND_LIMIT = 600.0
"""Seconds of a training that is a command of its own."""


def measure(threads: int, rounds: int, short: bool = False) -> dict[str, Any]:
    """Series over "images" (with `threads` threads) and "records", rows over "workers" and of "torchrun"."""
    limit = SHORT_LIMIT if short else LIMIT
    images, records = (SHORT_IMAGES, SHORT_RECORDS) if short else (IMAGES, RECORDS)
    with scratch_folder() as folder, lmdb_of(None) as lmdb:
        series = {
            "images": over_images(images, threads, lmdb, rounds, limit, release=not short),
            "records": over_records(records, folder, rounds, limit),
        }
        with ExitStack() as stack:
            workers = over_workers(_jobs(stack, lmdb, short), THREADS, SHORT_PROCESSES if short else PROCESSES, rounds)
        trained = _trainings(folder, lmdb, short)
    report: dict[str, Any] = {key: [_as_json(one) for one in found] for key, found in series.items()}
    return {"threads": threads, **report, "workers": workers, **trained}


def _trainings(folder: Path, lmdb: Path, short: bool) -> dict[str, Any]:
    """ "torchrun": its rows; none where a command failed, which "missing" says: what was measured before is kept."""
    try:
        return {"torchrun": torchrun.measure(folder, lmdb, 1 if short else 2, COMMAND_LIMIT, short), "missing": ""}
    except InputError as error:
        return {"torchrun": [], "missing": str(error)}


def _jobs(stack: ExitStack, lmdb: Path, short: bool) -> dict[str, Job]:
    """Of the release's CPM at half its size, or a narrow net."""
    narrow = {"size": NARROW_SIZE, "stages": NARROW_STAGES, "widths": NARROW} if short else {"size": 184}
    jobs: dict[str, Job] = {"data path": partial(make_samples, lmdb)}
    for name, work, phase, batch in (("inference", infer, "TEST", 1), ("training", train, "TRAIN", BATCH)):
        workload = Workload("cpm", 1, batch=batch, phase=phase, **narrow)
        weights = stack.enter_context(networks.weights_of(workload))
        jobs[name] = partial(work, stack.enter_context(networks.case_of(workload, weights)))
    return jobs


def _as_json(series: Series) -> dict[str, Any]:
    return {
        "name": series.name,
        "what": series.what,
        "points": [{"count": point.count, "rates": point.rates} for point in series.points],
        "line": series.line()._asdict(),
        "parts": series.parts()._asdict(),
        "sentence": series.sentence(),
        "left_out": list(series.left_out),
    }


def text(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    parts = []
    for key in ("images", "records"):
        parts += [f"**Over the number of {key}**", _series_table(report[key]), _sentences(report[key])]
    cores = len(os.sched_getaffinity(0))
    parts += [f"**Threads, and processes of one thread each, on {cores} cores**: per second (efficiency)"]
    parts += [_workers_table(report["workers"])]
    parts += [f"**`cpm train`, batches of {torchrun.BATCH} crops of {torchrun.CROP} px**", _trained(report)]
    return "\n\n".join(parts)


def _series_table(series: Sequence[dict[str, Any]]) -> str:
    counts = sorted({point["count"] for one in series for point in one["points"]})
    rows = []
    for one in series:
        seconds = {point["count"]: duration(1 / point["rates"].median) for point in one["points"]}
        rows.append([one["name"], *(seconds.get(count, "") for count in counts), f"{one['line']['slope']:.2f}"])
    return tables.table(["series", *(f"{count:,}" for count in counts), "slope"], rows)


def _sentences(series: Sequence[dict[str, Any]]) -> str:
    return "\n".join(f"* {one['name']}: {one['sentence']}." for one in series)


def _workers_table(rows: Sequence[dict[str, Any]]) -> str:
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        where = _where(row["processes"], row["threads"])
        found.setdefault(row["job"], {})[where] = f"{tables.number(row['rates'].median)} ({row['efficiency']:.0%})"
    first = next(iter(found.values()))
    return tables.table(["job", *first], [[job, *cells.values()] for job, cells in found.items()])


def _where(processes: int, threads: int) -> str:
    return f"{threads} thread" + "s" * (threads > 1) if processes == 1 else f"{processes} processes"


def _trained(report: dict[str, Any]) -> str:
    if report["missing"]:
        return f"Not measured: {report['missing']}."
    cells = [
        [
            "torchrun, " * (row["processes"] > 1) + _where(row["processes"], row["threads"]),
            tables.per_second(row["rates"]),
            f"{row['efficiency']:.0%}",
        ]
        for row in report["torchrun"]
    ]
    return tables.table(["way", "images/s (range)", "efficiency"], cells)
