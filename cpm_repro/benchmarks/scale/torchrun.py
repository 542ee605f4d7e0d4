"""`cpm train` in one process and, under torchrun, in two: real commands, with the speed that their CSV tells."""

import csv
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cpm_repro.network.specification import CPM, Widths, cpm_train, release_solver, release_transform
from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import format_prototxt

from ..measure import Rates
from ..networks import WIDTHS

CROP, BATCH = 184, 4
SETTLING = 2  # iterations that are not counted
WAYS = ((1, 1), (1, 2), (2, 1))
"""Processes, and threads of each."""


def write_prototxts(folder: Path, lmdb: Path, stages: int, widths: Widths, iterations: int) -> Path:
    """A net that trains on crops of 184 px with the release's solver, every iteration displayed; the solver's path."""
    transform = release_transform()
    transform.crop_size_x = transform.crop_size_y = CROP
    transform.target_dist *= CROP / 368
    net = cpm_train(CPM(stages=stages, widths=widths), str(lmdb), BATCH, transform)
    solver = release_solver("train.prototxt", "run")
    solver.max_iter, solver.display, solver.snapshot, solver.base_lr = iterations, 1, 0, 1e-12
    (folder / "train.prototxt").write_text(format_prototxt(net), encoding="utf-8")
    path = folder / "solver.prototxt"
    path.write_text(format_prototxt(solver), encoding="utf-8")
    return path


def command(solver: Path, processes: int, threads: int) -> list[str]:
    """`cpm train`, under torchrun if in several processes."""
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    train = ["-m", "cpm_repro", "train", "--solver", str(solver), "--overwrite", "--threads", str(threads)]
    return start + train


def measure(folder: Path, lmdb: Path, rounds: int, limit: float, short: bool) -> list[dict[str, Any]]:
    """Rows of {"processes", "threads", "rates" in images/s, a number for each iteration, "efficiency"}: as of
    `workers.over_workers`. RuntimeError with the last words of a command that fails or takes over `limit` seconds."""
    stages, widths, iterations = (2, Widths(8, 8, 16, 8), 8) if short else (6, WIDTHS, 8)
    solver = write_prototxts(folder, lmdb, stages, widths, iterations)
    rates: dict[tuple[int, int], list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            rates[way] += _speeds(command(solver, *way), folder / "run.csv", limit)
    one = Rates(tuple(rates[WAYS[0]])).median
    return [
        {
            "processes": way[0],
            "threads": way[1],
            "rates": Rates(tuple(found)),
            "efficiency": Rates(tuple(found)).median / one / way[0] / way[1],
        }
        for way, found in rates.items()
    ]


def _speeds(command: Sequence[str], table: Path, limit: float) -> list[float]:
    """Images/s of each iteration of a training that writes its numbers to `table`."""
    table.unlink(missing_ok=True)
    try:
        ended = subprocess.run(command, cwd=table.parent, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"{' '.join(command)}: expected to end within {limit:.0f} s, found it at work") from None
    if ended.returncode:
        own = [line for line in ended.stderr.splitlines() if line.startswith("cpm train: ")]  # among torchrun's many
        told = own[-1] if own else ended.stderr[-300:]
        raise InputError(f"{' '.join(command)}: expected exit code 0, found {ended.returncode}: {told}")
    with table.open(encoding="utf-8", newline="") as lines:
        speeds = [row["iterations_per_second"] for row in csv.DictReader(lines)]
    return [BATCH * float(speed) for speed in speeds[SETTLING:] if speed]
