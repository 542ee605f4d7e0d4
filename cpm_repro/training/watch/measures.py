"""A run's numbers for other programs: a CSV file beside the log, and TensorBoard's event files.

The CSV has a line for each displayed iteration and each score. Its first column is when the run began, which tells
runs apart that append to one file, as a run that was stopped and the one that went on do.
"""

import csv
import io
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType

from prototxt_import.files import InputError

from ..loop import Hook, Step, Training
from .output import LogFile
from .speed import Speed

SCORE = "PCK@0.2"
"""The column of what held-out people say."""
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
        if _last_header(file.path) != self._columns:
            append(file, [_line(self._columns)])

    def write(self, iteration: int, values: Mapping[str, float]) -> None:
        """A row; columns without a value stay empty."""
        row: list[object] = [self._run, iteration]
        row += [f"{values[name]:.9g}" if name in values else "" for name in self._columns[2:]]
        self._append(self._file, [_line(row)])


class EventFiles:
    """TensorBoard's event files in a folder; a context manager. InputError if TensorBoard is not installed."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter  # an extra
        except ImportError:
            raise InputError(
                "--tensorboard: expected the package tensorboard (pip install '.[tensorboard]'), found none"
            ) from None
        if not str(folder).isascii() and "\udc80" <= max(str(folder)) <= "\udcff":
            raise InputError(f"--tensorboard: expected a path in UTF-8, all that TensorBoard takes, found {folder}")
        self._writer = SummaryWriter(str(folder))

    def __enter__(self) -> "EventFiles":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def write(self, iteration: int, values: Mapping[str, float]) -> None:
        """The numbers, flushed: who looks sees them."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, iteration)
        self._writer.flush()


class Measures(Hook):
    """Hands the numbers of displayed iterations to `writes`: the loss as displayed, the learning rate, the speed and
    the net's outputs. Of several processes the first."""

    def __init__(self, writes: list[Write]) -> None:
        self._writes = writes
        self._speed = Speed(0)

    @staticmethod
    def columns(training: Training) -> list[str]:
        """The names of the numbers, in order."""
        return ["loss", "learning_rate", "iterations_per_second", *training.net.output_names, SCORE]

    def after_step(self, training: Training, step: Step, stopped: bool) -> None:
        if training.share.rank or step.iteration % (training.param.display or _DISPLAY):
            return
        speed = self._speed.since_last(step.iteration)
        values = {"loss": float(training.smoothed.value), "learning_rate": step.rate}
        values |= {} if speed is None else {"iterations_per_second": speed}
        self.write(step.iteration, values | step.outputs)

    def write(self, iteration: int, values: Mapping[str, float]) -> None:
        """Numbers of any kind."""
        for write in self._writes:
            write(iteration, values)


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
