"""The solver's log in Caffe's own words, written and read: what plots Caffe's training logs plots this one too.

Written: glog's prefix (severity, month and day, time, thread, source line) and the sentences of Caffe's solver.
Read: logs of this project and of Caffe itself, also interrupted, resumed or concatenated ones.
"""

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from prototxt_import.files import InputError, read_bytes

_ITERATION = re.compile(r"\] Iteration (\d+)\b[^,]*(?:\([^)]*\))?, loss = (\S+)")
_OUTPUT = re.compile(r"\] +Train net output #\d+: (\S+) = (\S+)")
_SCORE = re.compile(r"\] Held out, after (\d+) iterations: (\S+) = (\S+)")
_RATE = re.compile(r"\] Iteration (\d+)\b[^,]*, lr = (\S+)")


def number(value: float) -> str:
    """A number as C++ streams print it: six significant digits, no trailing zeros."""
    return f"{float(value):g}"


def glog_line(message: str, source: str = "solver.cpp:228", when: datetime | None = None, severity: str = "I") -> str:
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
    loss: float,
    outputs: Mapping[str, tuple[float, float]],
    rate: float,
    when: datetime | None = None,
) -> list[str]:
    """The lines of one displayed iteration.

    loss: the (smoothed) weighted sum; outputs: {name of the loss blob: (value, loss_weight)} in net order;
    rate: the learning rate of this iteration's update. Outputs of loss_weight 0 show their value alone.
    """
    lines = [glog_line(f"Iteration {iteration}, loss = {number(loss)}", "solver.cpp:228", when)]
    for index, (name, (value, weight)) in enumerate(outputs.items()):
        share = f" (* {number(weight)} = {number(value * weight)} loss)" if weight else ""
        message = f"    Train net output #{index}: {name} = {number(value)}{share}"
        lines.append(glog_line(message, "solver.cpp:244", when))
    rate_message = f"Iteration {iteration}, lr = {number(rate)}"
    return lines + [glog_line(rate_message, "sgd_solver.cpp:106", when)]


def snapshot_lines(model: str | os.PathLike[str], state: str | os.PathLike[str]) -> list[str]:
    """What Caffe says when it writes a snapshot's two files."""
    return [
        glog_line(f"Snapshotting to binary proto file {os.fspath(model)}", "solver.cpp:454"),
        glog_line(f"Snapshotting solver state to binary proto file {os.fspath(state)}", "sgd_solver.cpp:273"),
    ]


def done_line() -> str:
    """Caffe's last words."""
    return glog_line("Optimization Done.", "solver.cpp:373")


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
        where = f"{path}: line {line_number}"
        if match := _ITERATION.search(line):
            iteration = _iteration(match[1], where)
            if rows and iteration <= next(reversed(rows)):
                rows = {before: row for before, row in rows.items() if before < iteration}
                scores = {name: {n: s for n, s in one.items() if n <= iteration} for name, one in scores.items()}
            row = rows[iteration] = {"loss": _number(match[2], where)}
        elif match := _OUTPUT.search(line):
            row["output " + match[1]] = _number(match[2], where)
        elif (match := _RATE.search(line)) and _iteration(match[1], where) in rows:
            rows[_iteration(match[1], where)]["rate"] = _number(match[2], where)
        elif match := _SCORE.search(line):
            scores.setdefault(match[2], {})[_iteration(match[1], where)] = _number(match[3], where)
    if not rows:
        raise InputError(f'{path}: expected a solver\'s log with lines "Iteration N, loss = X", found none')
    return _as_curves(rows, {name: dict(sorted(found.items())) for name, found in scores.items() if found})


def _iteration(digits: str, where: str) -> int:
    if len(digits) > 10:  # Caffe counts in an int
        raise InputError(f"{where}: expected an iteration of at most 10 digits, found {digits[:40]}")
    return int(digits)


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{where}: expected a number, found {text!r}") from None


def _as_curves(rows: dict[int, dict[str, float]], scores: dict[str, dict[int, float]]) -> Log:
    iterations = sorted(rows)

    def curve(key: str) -> np.ndarray:
        return np.array([rows[iteration].get(key, np.nan) for iteration in iterations])

    outputs = dict.fromkeys(key for iteration in iterations for key in rows[iteration] if " " in key)
    losses = {key.split(" ", 1)[1]: curve(key) for key in outputs}
    return Log(np.array(iterations, np.int64), curve("loss"), losses, curve("rate"), scores)
