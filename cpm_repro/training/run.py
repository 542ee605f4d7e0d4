"""`caffe train`: a run is prepared, what watches it hooks in, and it is solved (Caffe: tools/caffe.cpp, train())."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TextIO

from cpm_repro.npz import writing_npz
from cpm_repro.samples.timeline import Timeline

from .hooks import Interruption, Log, Progress, Snapshots, TimelineReport, Tracing
from .loop import Hook, Training, solve
from .processes import joined
from .setup import Options, prepare


def train(solver_path: Path, options: Options, draw_timeline: Callable[[Timeline], None] | None = None) -> Path | None:
    """Trains to the solver's max_iter, logging to stdout and to `<snapshot_prefix>.log`; Ctrl-C snapshots and stops.

    Returns the last snapshot's `.caffemodel`, or the log's path if none was due. Of several processes the first writes
    log, snapshots and trace, and the others return None. draw_timeline: gets the timeline that options ask for.
    """
    with (
        joined(options.device) as share,
        prepare(solver_path, options, share) as training,
        _log_file(training, options) as file,
        _tracing(training, options) as tracing,
        closing(Progress(shown=file is not None)) as progress,
        Interruption().listening() as interruption,
    ):
        log = Log(file, str(options.engine), options.device, options.snapshot is not None, options.skip_bad)
        snapshots = Snapshots(log)
        hooks: list[Hook] = [*tracing, log, progress, snapshots, interruption]
        if draw_timeline is not None:
            hooks.append(TimelineReport(log, draw_timeline))
        solve(training, hooks)
        return snapshots.model if snapshots.model or file is None else Path(file.name)


@contextmanager
def _log_file(training: Training, options: Options) -> Iterator[TextIO | None]:
    """The log; None where another process writes it."""
    if training.share.rank:
        yield None
        return
    path = training.solver.folder / f"{training.param.snapshot_prefix}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a" if options.snapshot else "w", encoding="utf-8") as file:
        yield file


@contextmanager
def _tracing(training: Training, options: Options) -> Iterator[list[Tracing]]:
    """The hook that records the run, if that is wanted; the file appears when the run is over, of the first process."""
    if options.trace is None:
        yield []
    elif training.share.rank:
        yield [Tracing(lambda key, array: None)]
    else:
        with writing_npz(options.trace) as add:
            yield [Tracing(add)]
