"""How long a command takes from being typed to its first pose, its first iteration, its help; and with what.

Each command is a process of its own: three times as it is, its output read line by line with a stamp on each; once with
Python's `-X importtime`, for the imports by package; once under cProfile, for the steps. These two run slower than
the first: they say shares, not seconds.
"""

import os
import pstats
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from cpm_repro.network.specification import Widths
from cpm_repro.synthetic.pictures import draw_picture
from prototxt_import.files import InputError, scratch_folder

from . import tables
from .data import lmdb_of
from .scale.torchrun import write_prototxts

TORCH = "import torch"
OURS = ("cpm_repro", "data_lmdb", "prototxt_import", "cpm_kernels")
PACKAGES = ("torch", "matplotlib", "scipy", "numpy", "PIL", "h5py", "google", *OURS)
"""Whose imports are told apart."""
STEPS = {
    "prototxts parsed": ("formats/prototxt.py", "parse_net"),
    "weights read": ("formats/caffemodel.py", "read_caffemodel"),
    "convolutions planned": ("fast/convolution.py", "plan_of"),
    "weights' spectra": ("fast/convolution.py", "_spectra"),
    "nets run (with plans and spectra)": ("prototxt_import/net.py", "forward"),
    "backward": ("torch/_tensor.py", "backward"),
    "maps averaged": ("inference/averages.py", "peaks"),
    "samples waited for": ("samples/data_layer.py", "next_batch"),
    "maps drawn": ("figures/belief_maps.py", "stages_sheet"),
    "poses drawn": ("figures/drawing.py", "draw_poses"),
    "pictures written": ("figures/drawing.py", "save"),
}
"""Functions whose time, with all that they call, is told."""


@dataclass(frozen=True)
class Command:
    """What is typed after `python`, and what the line of its output begins with or has in it that ends the wait (None:
    its end)."""

    arguments: Sequence[str]
    until: str | None


class Started(NamedTuple):
    """Seconds until what was waited for, until the end, and of processor time in all."""

    awaited: float
    ended: float
    processor: float


def commands(folder: Path, lmdb: Path) -> dict[str, Command]:
    """The commands that are measured, with the files they need, in `folder`."""
    picture = folder / "people.png"
    Image.fromarray(draw_picture(seed=0, index=3).image).save(picture)
    solver = write_prototxts(folder, lmdb, 3, Widths(16, 8, 32, 24), 2)
    tool = ["-m", "cpm_repro"]
    return {
        TORCH: Command(["-c", TORCH], None),
        "cpm --help": Command([*tool, "--help"], None),
        "cpm demo": Command([*tool, "demo", str(picture), "--out", str(folder / "poses")], "drawn in"),
        "cpm train": Command([*tool, "train", "--solver", str(solver), "--overwrite"], "Iteration 0, loss"),
    }


def measure(rounds: int) -> dict[str, Any]:
    """By command: "awaited", "ended", "processor" (seconds, a number for each round), "imports", "steps" (seconds)."""
    with scratch_folder() as folder, lmdb_of(None) as lmdb:
        asked = commands(folder, lmdb)
        runs: dict[str, list[Started]] = {command: [] for command in asked}
        for _ in range(rounds):
            for command, found in runs.items():
                found.append(start(asked[command]))
        report: dict[str, Any] = {}
        for command, found in runs.items():
            awaited, ended, processor = (list(column) for column in zip(*found, strict=True))
            report[command] = {"awaited": awaited, "ended": ended, "processor": processor}
            report[command] |= {"imports": imports(asked[command]), "steps": steps(asked[command], folder)}
    return {"commands": report}


def start(command: Command) -> Started:
    """Runs the command. InputError if it fails or never says what is awaited."""
    begun, used, awaited = time.perf_counter(), os.times(), None
    lines: list[str] = []
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, *command.arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if awaited is None and command.until is not None and command.until in line:
                awaited = time.perf_counter() - begun
    ended, now = time.perf_counter() - begun, os.times()
    if process.returncode or (awaited is None and command.until is not None):
        said = "".join(lines)[-300:]
        raise InputError(f"{' '.join(command.arguments)}: expected {command.until or 'exit code 0'}, found: {said}")
    processor = now.children_user - used.children_user + now.children_system - used.children_system
    return Started(ended if awaited is None else awaited, ended, processor)


def imports(command: Command) -> dict[str, float]:
    """Seconds of the imports by package, and of all others."""
    run = [sys.executable, "-X", "importtime", *command.arguments]
    said = subprocess.run(run, capture_output=True, text=True, check=False).stderr
    seconds = dict.fromkeys((*PACKAGES, "others"), 0.0)
    for own, module in re.findall(r"^import time: +(\d+) \| +\d+ \| +([\w.]+)$", said, re.MULTILINE):
        package = module.partition(".")[0]
        seconds[package if package in PACKAGES else "others"] += int(own) / 1e6
    return {package: spent for package, spent in seconds.items() if spent}


def steps(command: Command, folder: Path) -> dict[str, float]:
    """Seconds in each of STEPS' functions, with what they call; of the main thread."""
    path, program = folder / "profile", command.arguments
    if program[0] != "-m":
        return {}
    run = [sys.executable, "-m", "cProfile", "-o", str(path), *program]
    subprocess.run(run, capture_output=True, check=False)
    profile = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]  # its declaration leaves it out
    found: dict[str, float] = {}
    for step, (file, function) in STEPS.items():
        times = [row[3] for (where, _, name), row in profile.items() if name == function and where.endswith(file)]
        if times:
            found[step] = max(times)
    return found


def text(report: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    rows = report["commands"]
    main = [
        [f"`{name}`", _range(row["awaited"]), _range(row["ended"]), _range(row["processor"])]
        for name, row in rows.items()
    ]
    head = ("command", "s to the first result", "s to the end", "s of processor time")
    parts = [tables.table(head, main), "Imports, s (by `-X importtime`)\n\n" + _by_command(rows, "imports")]
    parts.append("Steps, s (under cProfile, each with all that it calls)\n\n" + _by_command(rows, "steps"))
    return "\n\n".join(parts)


def _by_command(rows: Mapping[str, Any], key: str) -> str:
    shown = {name: row[key] for name, row in rows.items() if row[key]}
    lines = list(dict.fromkeys(line for row in shown.values() for line in row))
    cells = [[line, *(tables.number(row[line]) if line in row else "" for row in shown.values())] for line in lines]
    return tables.table(["", *(f"`{name}`" for name in shown)], cells)


def _range(seconds: Sequence[float]) -> str:
    middle = sorted(seconds)[len(seconds) // 2]
    return f"{tables.number(middle)} ({tables.number(min(seconds))} to {tables.number(max(seconds))})"
