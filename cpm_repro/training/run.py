"""`caffe train`: a run is prepared, what watches it hooks in, and it is solved (Caffe: tools/caffe.cpp, train())."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cpm_repro.npz import writing_npz
from cpm_repro.samples.timeline import Timeline
from prototxt_import.files import InputError

from .hooks import Interruption, Log, Progress, Snapshots, TimelineReport, Tracing
from .loop import Hook, Training, solve
from .processes import joined
from .setup import Options, prepare
from .watch.finite_loss import FiniteLoss
from .watch.held_out import HeldOutPeople, Scores
from .watch.measures import CsvTable, Measures, Write, event_file
from .watch.output import LogFile
from .watch.own_files import own_log


@dataclass(frozen=True)
class Watching:
    """What else of a run is to be looked at.

    draw_timeline: gets the timeline that options ask for. people: makes, of the run that is set up, who shows its
    weights to held-out people: scored every score_every iterations, if that is not 0, and drawn at each snapshot, if
    `previews`. tensorboard: a folder for its event file. keep_going: although a loss is no finite number any more.
    hooks: others who watch. quiet: the log is in its file alone, and there is no bar. interruption: who listens to
    signals, for whoever asks it afterwards.
    """

    draw_timeline: Callable[[Timeline], None] | None = None
    people: Callable[[Training], HeldOutPeople] | None = None
    score_every: int = 0
    previews: bool = False
    tensorboard: Path | None = None
    keep_going: bool = False
    hooks: Sequence[Hook] = ()
    quiet: bool = False
    interruption: Interruption | None = None


NOTHING_ELSE = Watching()


def train(solver_path: Path, options: Options, watching: Watching = NOTHING_ELSE) -> Path | None:
    """Trains to the solver's max_iter, logging to stdout and to `<snapshot_prefix>.log`; Ctrl-C snapshots and stops,
    SIGHUP snapshots.

    Returns the last snapshot's `.caffemodel`, or the log's path if none was due. Of several processes the first writes
    all files, and the others return None.
    """
    with (
        joined(options.device) as share,
        prepare(solver_path, options, share) as training,
        _log_file(training, options) as file,
        _tracing(training, options) as tracing,
        closing(Progress(shown=file is not None and not watching.quiet)) as progress,
        (watching.interruption or Interruption()).listening() as interruption,
    ):
        log = Log(file, str(options.engine), options.device, options.snapshot is not None, options.skip_bad)
        log.quiet = watching.quiet
        people = watching.people(training) if watching.people is not None and file is not None else None
        snapshots = Snapshots(log, interruption, people if watching.previews else None)
        with _measures(training, watching, log, file) as measures:
            hooks: list[Hook] = [*tracing, log, progress, measures, snapshots, interruption, *watching.hooks]
            hooks += [] if watching.keep_going else [FiniteLoss()]
            if people is not None and watching.score_every:
                hooks.append(Scores(people, watching.score_every, log.tell, measures.write))
            if watching.draw_timeline is not None:
                hooks.append(TimelineReport(log, watching.draw_timeline))
            _solve(training, hooks, log)
        return snapshots.model if snapshots.model or file is None else file.path


def _solve(training: Training, hooks: list[Hook], log: Log) -> None:
    """To the end, or to an error, which the log tells."""
    try:
        solve(training, hooks)
    except InputError as error:
        log.fail(str(error))
        raise


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
def _measures(training: Training, watching: Watching, log: Log, file: LogFile | None) -> Iterator[Measures]:
    """The run's numbers, into `<snapshot_prefix>.csv` and what else is wanted; nowhere where there is no log."""
    if file is None:
        yield Measures([])
        return
    with closing(LogFile(file.path.with_name(f"{file.path.name.removesuffix('.log')}.csv"))) as table:
        writes: list[Write] = [CsvTable(table, log.append, Measures.columns(training)).write]
        if watching.tensorboard is None:
            yield Measures(writes)
            return
        with event_file(watching.tensorboard, log.tell) as write:
            yield Measures([*writes, write])


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
