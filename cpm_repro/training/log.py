"""The solver's log in Caffe's own words, written and read: what plots Caffe's training logs plots this one too.

Written: glog's prefix (severity, month and day, time, thread, source line) and the sentences of Caffe's solver.
Read: logs of this project and of Caffe itself, also interrupted, resumed or concatenated ones.
"""

import math
import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import numpy as np

from prototxt_import.files import InputError, read_bytes
from prototxt_import.formats import schema

from .solver import Update

_ITERATION = re.compile(r"\] Iteration (\d+)\b[^,]*(?:\([^)]*\))?, loss = (\S+)")
_OUTPUT = re.compile(r"\] +Train net output #\d+: (\S+) = (\S+)")
_SCORE = re.compile(r"\] Held out, after (\d+) iterations: (\S+) = (\S+)")
_RATE = re.compile(r"\] Iteration (\d+)\b[^,]*, lr = (\S+)")
_OF_WINDOWS = re.compile(r"(-?)(?:1\.#(INF|QNAN|SNAN|IND)\d*|nan\((?:ind|snan)\))")

_LONGEST_LINE = 2000  # of which more is looked at than glog writes
_MOST_PLACES = 1 << 20, 100  # of all curves together: so many, or times the numbers in the log

OWN = "cpm_repro:1"
"""The source of lines that Caffe has not: whoever wants Caffe's alone leaves these out."""


def number(value: float | np.floating) -> str:
    """A number as C++ streams print it: six significant digits, no trailing zeros."""
    return f"{float(value):g}"


def glog_line(message: str, source: str = OWN, when: datetime | None = None, severity: str = "I") -> str:
    """One log line: `I1122 21:30:00.123456  4242 solver.cpp:228] message`."""
    when = datetime.now() if when is None else when
    return f"{severity}{when:%m%d %H:%M:%S.%f} {threading.get_native_id():5d} {source}] {message}"


def header_lines(when: datetime | None = None) -> list[str]:
    """The lines with which glog opens a log file; they carry the year, which the prefix leaves out."""
    when = datetime.now() if when is None else when
    return [
        f"Log file created at: {when:%Y/%m/%d %H:%M:%S}",
        f"Running on machine: {os.uname().nodename}",
        "Log line format: [IWEF]mmdd hh:mm:ss.uuuuuu threadid file:line] msg",
    ]


def solving_lines(net_name: str, policy: str, when: datetime | None = None) -> list[str]:
    """What Caffe says before the first iteration; its parsers take this line's time as the start."""
    source = "solver.cpp:279"
    return [
        glog_line(f"Solving {net_name}", source, when),
        glog_line(f"Learning Rate Policy: {policy}", "solver.cpp:280", when),
    ]


def iteration_lines(
    iteration: int,
    loss: float | np.floating,
    outputs: Sequence[tuple[str, float | np.floating]],
    weights: Mapping[str, float],
    when: datetime | None = None,
) -> list[str]:
    """The lines of one displayed iteration before its update.

    loss: the smoothed one; outputs: each value of each output, in net order; weights: the loss_weight of those that
    are losses.
    """
    lines = [glog_line(f"Iteration {iteration}, loss = {number(loss)}", "solver.cpp:228", when)]
    return lines + _output_lines("Train", "solver.cpp:244", outputs, weights, when)


def _output_lines(
    net: str,
    source: str,
    outputs: Sequence[tuple[str, float | np.floating]],
    weights: Mapping[str, float],
    when: datetime | None = None,
) -> list[str]:
    values = [f"{name} = {number(value)}{loss_share(value, weights.get(name, 0))}" for name, value in outputs]
    return [glog_line(f"    {net} net output #{k}: {value}", source, when) for k, value in enumerate(values)]


def loss_share(value: float | np.floating, weight: float) -> str:
    """What follows an output that is a loss: its part of the whole loss."""
    return f" (* {number(weight)} = {number(np.float32(weight) * np.float32(value))} loss)" if weight else ""


def step_lines(update: Update | None, iteration: int) -> list[str]:
    """Where the policy multistep takes a step."""
    if update is None or update.stepped is None:
        return []
    return [glog_line(f"MultiStep Status: Iteration {iteration}, step = {update.stepped}", "sgd_solver.cpp:46")]


def rate_line(iteration: int, rate: float, when: datetime | None = None) -> str:
    """The learning rate of a displayed iteration's update."""
    return glog_line(f"Iteration {iteration}, lr = {number(rate)}", "sgd_solver.cpp:106", when)


def clipping_lines(update: Update | None, limit: float) -> list[str]:
    """What is said where gradients were scaled down."""
    if update is None or update.norm is None:
        return []
    norms = f"(L2 norm {number(update.norm)} > {number(limit)})"
    sentence = f"Gradient clipping: scaling down gradients {norms} by scale factor {number(update.clip)}"
    return [glog_line(sentence, "sgd_solver.cpp:92")]


def last_loss_line(iteration: int, loss: float | np.floating) -> str:
    """The smoothed loss after all iterations."""
    return glog_line(f"Iteration {iteration}, loss = {number(loss)}", "solver.cpp:317")


def testing_line(iteration: int, number_of_net: int) -> str:
    """A test begins."""
    return glog_line(f"Iteration {iteration}, Testing net (#{number_of_net})", "solver.cpp:337")


def tested_lines(
    ignored: Sequence[str],
    loss: np.float32 | None,
    outputs: Sequence[tuple[str, np.float32]],
    weights: Mapping[str, float],
) -> list[str]:
    """What a test found; ignored: layers of the training net that are not in the test net; loss: with
    test_compute_loss."""
    lines = [glog_line(f"Ignoring source layer {name}", "net.cpp:693") for name in ignored]
    lines += [] if loss is None else [glog_line(f"Test loss: {number(loss)}", "solver.cpp:391")]
    return lines + _output_lines("Test", "solver.cpp:404", outputs, weights)


def snapshot_lines(param: schema.SolverParameter, iteration: int) -> list[str]:
    """What Caffe says when it writes a snapshot's two files, named as in the solver."""
    hdf5 = param.snapshot_format == param.HDF5
    kind, suffix = ("HDF5", ".h5") if hdf5 else ("binary proto", "")
    name = f"{param.snapshot_prefix}_iter_{iteration}"
    sources = ("solver.cpp:465", "sgd_solver.cpp:283") if hdf5 else ("solver.cpp:454", "sgd_solver.cpp:273")
    return [
        glog_line(f"Snapshotting to {kind} file {name}.caffemodel{suffix}", sources[0]),
        glog_line(f"Snapshotting solver state to {kind} file {name}.solverstate{suffix}", sources[1]),
    ]


def done_lines() -> list[str]:
    """Caffe's last words: the solver's, the tool's."""
    return [glog_line("Optimization Done.", source) for source in ("solver.cpp:322", "caffe.cpp:254")]


def stopped_lines() -> list[str]:
    """The same of a run that was stopped."""
    return [glog_line("Optimization stopped early.", "solver.cpp:303"), done_lines()[1]]


_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Log:
    """A training log as curves over the displayed iterations, ascending.

    iterations: int64 (n,); loss: float64 (n,), the sum that Caffe displays; losses: {output: float64 (n,)};
    rates: float64 (n,). NaN where the log says nothing. scores: {name: {iteration: percent}} of held-out people.
    """

    iterations: np.ndarray
    loss: np.ndarray
    losses: dict[str, np.ndarray]
    rates: np.ndarray
    scores: dict[str, dict[int, float]] = field(default_factory=dict)


def parse_log(path: str | os.PathLike[str]) -> Log:
    """The training curves in a log. Where a run goes back, to a snapshot or to its start, what came before it from
    there on counts no more.

    Raises InputError if the file cannot be read or shows no training iteration, or a number is none.
    """
    rows: dict[int, dict[str, float]] = {}
    scores: dict[str, dict[int, float]] = {}
    row: dict[str, float] = {}
    text = read_bytes(Path(path)).decode("utf-8", "replace")
    for line_number, line in enumerate(text.splitlines(), start=1):
        line, where = line[:_LONGEST_LINE], f"{path}: line {line_number}"
        if match := _ITERATION.search(line):
            iteration = _iteration(match[1], where)
            if rows and iteration <= next(reversed(rows)):
                _drop_last(rows, iteration)
                for found in scores.values():
                    _drop_last(found, iteration + 1)
            row = rows[iteration] = {"loss": _number(match[2], where)}
        elif match := _OUTPUT.search(line):
            row["output " + match[1]] = _number(match[2], where)
        elif (match := _RATE.search(line)) and _iteration(match[1], where) in rows:
            rows[_iteration(match[1], where)]["rate"] = _number(match[2], where)
        elif match := _SCORE.search(line):
            scores.setdefault(match[2], {})[_iteration(match[1], where)] = _number(match[3], where)
    if not rows:
        raise InputError(f'{path}: expected a solver\'s log with lines "Iteration N, loss = X", found none')
    _check_places(rows, str(path))
    return _as_curves(rows, {name: dict(sorted(found.items())) for name, found in scores.items() if found})


def _drop_last(rows: dict[int, _Found], iteration: int) -> None:
    """Takes the last of them away, back to that before the iteration."""
    while rows and next(reversed(rows)) >= iteration:
        rows.popitem()


def _iteration(digits: str, where: str) -> int:
    if len(digits) > 10:  # Caffe counts in an int
        raise InputError(f"{where}: expected an iteration of at most 10 digits, found {digits[:40]}")
    return int(digits)


def _number(text: str, where: str) -> float:
    """As C++ writes it, on Windows too, whose infinities and NaNs are 1.#INF, -1.#IND, nan(ind), …."""
    if match := _OF_WINDOWS.fullmatch(text):
        return float(match[1] + "inf") if match[2] == "INF" else math.nan
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{where}: expected a number, found {text!r}") from None


def _check_places(rows: dict[int, dict[str, float]], where: str) -> None:
    """InputError if curves over all iterations would be much larger than the log."""
    outputs, (places, times) = len({name for row in rows.values() for name in row}), _MOST_PLACES
    if len(rows) * outputs > max(places, times * sum(map(len, rows.values()))):
        raise InputError(f"{where}: expected the outputs of one net, found {outputs} names in {len(rows)} iterations")


def _as_curves(rows: dict[int, dict[str, float]], scores: dict[str, dict[int, float]]) -> Log:
    iterations = sorted(rows)

    def curve(key: str) -> np.ndarray:
        return np.array([rows[iteration].get(key, np.nan) for iteration in iterations])

    outputs = dict.fromkeys(key for iteration in iterations for key in rows[iteration] if " " in key)
    losses = {key.split(" ", 1)[1]: curve(key) for key in outputs}
    return Log(np.array(iterations, np.int64), curve("loss"), losses, curve("rate"), scores)
