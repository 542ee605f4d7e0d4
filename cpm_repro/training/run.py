"""`caffe train`: a run is prepared, what watches it hooks in, and it is solved (Caffe: tools/caffe.cpp, train())."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from cpm_repro.npz import writing_npz
from cpm_repro.samples.timeline import Timeline

from .hooks import Interruption, Log, Progress, Snapshots, TimelineReport, Tracing
from .loop import Hook, Training, solve
from .processes import joined
from .setup import Options, prepare
from .watch.output import LogFile
from .watch.own_files import own_log


def train(solver_path: Path, options: Options, draw_timeline: Callable[[Timeline], None] | None = None) -> Path | None:
    """Trains to the solver's max_iter, logging to stdout and to `<snapshot_prefix>.log`; Ctrl-C snapshots and stops,
    SIGHUP snapshots.

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
        snapshots = Snapshots(log, interruption)
        hooks: list[Hook] = [*tracing, log, progress, snapshots, interruption]
        if draw_timeline is not None:
            hooks.append(TimelineReport(log, draw_timeline))
        solve(training, hooks)
        return snapshots.model if snapshots.model or file is None else file.path


@contextmanager
def _log_file(training: Training, options: Options) -> Iterator[LogFile | None]:
    """The log; None where another process writes it."""
    if training.share.rank:
        yield None
        return
    path = training.solver.folder / f"{training.param.snapshot_prefix}.log"
    with own_log(path, options.snapshot, options.overwrite) as file:
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
