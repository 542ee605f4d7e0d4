"""A run's numbers for other programs: a CSV file beside the log, and TensorBoard's event file.

The CSV has a line for each displayed iteration and each score. Its first column is when the run began, which tells
runs apart that append to one file, as a run that was stopped and the one that went on do.
"""

import csv
import io
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from cpm_repro.needing import needing
from prototxt_import.files import InputError

from ..loop import Hook, Step, Training
from .output import LogFile
from .speed import Speed

SCORE = "PCK@0.2"
"""The column of what held-out people say."""
_OWN = ("loss", "learning_rate", "iterations_per_second")
_DISPLAY = 100  # iterations, for a solver that displays none

Write = Callable[[int, Mapping[str, float]], None]
"""Takes numbers by name, of an iteration."""


class CsvTable:
    """The rows of a run, under a header where the file does not have it yet.

    append: writes lines to the file's end.
    """

    def __init__(self, file: LogFile, append: Callable[[LogFile, list[str]], None], columns: list[str]) -> None:
        self._file, self._append = file, append
        self._columns = ["run", "iteration", *columns]
        self._run = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        header = _line(self._columns)
        if _last_header(file.path) != self._columns:
            append(file, [header])
        file.heading = f"{header}\n".encode("utf-8", "surrogateescape")

    def write(self, iteration: int, values: Mapping[str, float]) -> None:
        """A row; columns without a value stay empty."""
        row: list[object] = [self._run, iteration]
        row += [f"{values[name]:.9g}" if name in values else "" for name in self._columns[2:]]
        self._append(self._file, [_line(row)])


@contextmanager
def event_file(folder: Path, say: Callable[[str], None]) -> Iterator[Write]:
    """What writes numbers into a new event file for TensorBoard, at once: who looks sees them.

    InputError if TensorBoard is not installed or the file cannot be begun. Once the disk takes no more of it, `say`
    gets a sentence and nothing else is written: a run of days ends for other reasons.
    """
    with needing("tensorboard", "--tensorboard", "tensorboard"):
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter
    now = int(time.time())
    path = folder / f"events.out.tfevents.{now}.{os.uname().nodename}.{os.getpid()}"
    with closing(LogFile(path)) as file:
        record, gone = RecordWriter(_Bytes(file)).write, False
        record(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        file.heading = path.read_bytes()

        def write(iteration: int, values: Mapping[str, float]) -> None:
            nonlocal gone
            summary = {"value": [{"tag": name, "simple_value": value} for name, value in values.items()]}
            event = Event(wall_time=time.time(), step=iteration, summary=summary)
            try:
                if not gone:
                    record(event.SerializeToString())
            except InputError as failure:
                gone = True
                say(f"{failure}: the run goes on without TensorBoard")

        yield write


class _Bytes:
    """One of the run's files, as RecordWriter writes to it."""

    def __init__(self, file: LogFile) -> None:
        self.write = file.append


class Measures(Hook):
    """Hands the numbers of displayed iterations to `writes`: the loss as displayed, the learning rate, the speed and
    the net's outputs. Of several processes the first."""

    def __init__(self, writes: list[Write]) -> None:
        self._writes = writes
        self._speed = Speed(0)

    @staticmethod
    def columns(training: Training) -> list[str]:
        """The names of the numbers, in order."""
        return [*_OWN, *map(_column, training.net.output_names), SCORE]

    def after_step(self, training: Training, step: Step, stopped: bool) -> None:
        if training.share.rank or step.iteration % (training.param.display or _DISPLAY):
            return
        speed = self._speed.since_last(step.iteration)
        values = {"loss": float(training.smoothed.value), "learning_rate": step.rate}
        values |= {} if speed is None else {"iterations_per_second": speed}
        self.write(step.iteration, values | {_column(name): value for name, value in step.outputs.items()})

    def write(self, iteration: int, values: Mapping[str, float]) -> None:
        """Numbers of any kind."""
        for write in self._writes:
            write(iteration, values)


def _column(output: str) -> str:
    """The name of an output's column: many nets call an output `loss`, which is not the loss that is displayed."""
    return f"output {output}" if output in (*_OWN, SCORE) else output


def _line(row: list[str] | list[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue()


def _last_header(path: Path) -> list[str] | None:
    """The last line of a file that begins as a header does."""
    header = None
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("run,"):
                header = line
    return None if header is None else next(csv.reader([header]))
