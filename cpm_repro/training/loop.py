"""The training loop: what `caffe train` does with a solver prototxt (Caffe: tools/caffe.cpp, Solver::Step)."""

import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import torch
from tqdm import tqdm

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.npz import writing_npz
from cpm_repro.samples.data_layer import CPMData, DataOptions
from cpm_repro.samples.timeline import FORWARD_BACKWARD, UPDATE, WAITING, Timeline
from prototxt_import.files import InputError
from prototxt_import.formats.caffemodel import read_caffemodel
from prototxt_import.formats.prototxt import read_solver
from prototxt_import.net import load_net
from prototxt_import.share import WHOLE_BATCH, Share

from . import log as caffe_log
from .gradient_exchange import exchange_gradients
from .processes import check_shareable, joined
from .run_state import restore_run_state, run_state_path, write_run_state
from .solver import SGDSolver, check_solver
from .trace import BlobRecorder, Trace

DEFAULT_SEED = 1  # for solvers without random_seed: Caffe would take the time of day


@dataclass(frozen=True)
class Options:
    """How to train, beyond what the solver prototxt says.

    weights: a `.caffemodel` to start from; snapshot: a `.solverstate` to continue; srand: seed of the data layer's
    rand() (the original's is never seeded: 1); threads, profile and skip_bad: the data layer's, see DataOptions.
    trace: a `.npz` to record the run in. A run that continues goes on with the data and random numbers where the
    snapshot left them; resume_like_caffe: both start over, as the original's do. recompute: backward computes the
    feature extractors' blobs again, which takes less memory and more time. timeline: a picture of what the threads do
    in a few iterations.
    """

    weights: Path | None = None
    snapshot: Path | None = None
    engine: str = "fast"
    device: str = "cpu"
    srand: int = 1
    threads: int = 2
    profile: str = "opencv4"
    skip_bad: bool = False
    trace: Path | None = None
    resume_like_caffe: bool = False
    recompute: bool = False
    timeline: Path | None = None


class Training:
    """A solver, its net and its data, ready to step. Use as a context manager: it ends the data layer's thread.

    Paths in the solver and the net are relative to the file that names them. Where several processes train together,
    each with its share of the batch, all do the same steps and have the same blobs, losses and random numbers.
    """

    def __init__(self, solver_path: Path, options: Options, share: Share = WHOLE_BATCH) -> None:
        self.options, self.share = options, share
        folder = Path(solver_path).resolve().parent
        self.param = read_solver(solver_path)
        check_solver(self.param, str(solver_path))
        if options.engine == "fast:fp16":
            raise InputError(
                "--engine fast:fp16: expected an engine to train with, such as fast:bf16; fp16 is too narrow"
            )
        self.net_path = _net_path(self.param, folder, solver_path)
        seed = self.param.random_seed if self.param.random_seed >= 0 else DEFAULT_SEED
        torch.manual_seed(seed)
        self.net = load_net(self.net_path, phase="TRAIN", engine=options.engine, seed=seed).to(options.device)
        self._forward = self.net.forward_recomputing if options.recompute else self.net
        self._take_share()
        self.solver = SGDSolver(self.param, self.net, folder)
        if options.weights is not None:
            self.net.load_weights(read_caffemodel(options.weights), str(options.weights))
        if options.snapshot is not None:
            self.solver.restore(options.snapshot)
        self.timeline = Timeline(options.timeline is not None)
        self.smoothed: deque[float] = deque(maxlen=max(self.param.average_loss, 1))
        self.data = self._data_layer()
        self._told: set[str] = set()
        self.resumed_exactly = self._restore_run_state()

    def _take_share(self) -> None:
        check_shareable(self.net, self.share, str(self.net_path))
        self.net.share_batch(self.share)
        self._exchanges = exchange_gradients(self.net, self.share, self.param.iter_size)

    def _data_layer(self) -> CPMData:
        layers = [layer for layer in self.net.param.layer if layer.type == "CPMData"]
        if len(layers) != 1:
            raise InputError(f"{self.net_path}: expected one CPMData layer in the TRAIN phase, found {len(layers)}")
        given = self.options
        options = DataOptions(given.threads, given.device, given.profile, given.skip_bad, self.share, self.timeline)
        return CPMData(layers[0], self.net_path.parent, GlibcRand(given.srand), "TRAIN", options)

    def _restore_run_state(self) -> bool:
        """Whether data and random numbers go on from where the snapshot left them; without its file they start over."""
        state = self.options.snapshot
        if state is None or self.options.resume_like_caffe or not run_state_path(Path(state)).exists():
            return False
        try:
            self.smoothed.extend(restore_run_state(Path(state), self.solver, self.data))
        except InputError:
            self.data.close()
            raise
        return True

    def snapshot(self) -> tuple[Path, Path]:
        """Writes weights, run state and solver state; returns the paths of the first and the last."""
        return self.solver.snapshot(lambda s: write_run_state(s, self.solver, self.data, list(self.smoothed)))

    def __enter__(self) -> "Training":
        return self

    def __exit__(self, *error: object) -> None:
        self.data.close()

    def forward_backward(self, recorder: BlobRecorder | None = None) -> dict[str, float]:
        """Adds the gradients of one batch; returns the net's outputs by name (Net::ForwardBackward)."""
        with self.timeline.span(WAITING):
            batch = self.data.next_batch()
        if recorder is not None:
            batch = {name: recorder.keep(name, blob) for name, blob in batch.items()}
        with self.timeline.span(FORWARD_BACKWARD):
            blobs = self._forward(batch)
            self.net.loss(blobs).backward()
            return {name: float(blobs[name].detach().sum()) for name in self.net.output_names}

    def step(self, trace: Trace | None = None) -> tuple[float, dict[str, float]]:
        """One iteration: iter_size batches and an update. Returns the mean loss and the last batch's outputs."""
        self.solver.clear_gradients()
        loss, outputs = 0.0, {}
        for batch in range(self.param.iter_size):
            if trace is not None and trace.wants_blobs and batch == self.param.iter_size - 1:
                with BlobRecorder(self.net, self.share) as recorder:
                    outputs = self.forward_backward(recorder)
                trace.add_blobs(recorder)
            else:
                outputs = self.forward_backward()
            loss += sum(outputs[name] * weight for name, weight in self.net.loss_weights.items() if name in outputs)
        with self.timeline.span(UPDATE):
            for exchange in self._exchanges:
                exchange.finish()
            self.solver.apply_update()
        self.timeline.iterated()
        if trace is not None:
            trace.add_iteration([outputs[name] for name in self.net.loss_weights if name in outputs])
        return loss / self.param.iter_size, outputs

    def newly_skipped(self) -> list[str]:
        """A log line for each record that skip_bad left out, in any process, and that was not told of yet."""
        if not self.options.skip_bad:
            return []
        bad = [sentence for sentence in list(self.data.skipped.values()) if sentence not in self._told]
        new = dict.fromkeys(self.share.everyones(bad))
        self._told.update(new)
        return [caffe_log.glog_line(f"Skipping a record: {sentence}") for sentence in new]

    def displayed(self, iteration: int, loss: float, outputs: dict[str, float], rate: float) -> list[str]:
        """The log lines of an iteration, with the loss averaged over the last average_loss iterations."""
        self.smoothed.append(loss)
        if not self.param.display or iteration % self.param.display:
            return []
        weights = self.net.loss_weights
        shown = {name: (value, weights.get(name, 0.0)) for name, value in outputs.items()}
        return caffe_log.iteration_lines(iteration, sum(self.smoothed) / len(self.smoothed), shown, rate)


def train(solver_path: Path, options: Options) -> Path | None:
    """Trains to the solver's max_iter, logging to stdout and to `<snapshot_prefix>.log`; Ctrl-C snapshots and stops.

    Returns the last snapshot's `.caffemodel`, or the log's path if none was due. Of several processes the first writes
    log, snapshots and trace, and the others return None.
    """
    with (
        joined(options.device) as share,
        Training(solver_path, options, share) as training,
        _logging(training) as log,
        _tracing(training) as trace,
        _interruption() as interrupted,
    ):
        model = _solve(training, log, trace, interrupted)
        _draw_timeline(training, log)
        return model if model or log is None else Path(log.name)


@contextmanager
def _logging(training: Training) -> Iterator[TextIO | None]:
    """The log; None where another process writes it."""
    if training.share.rank:
        yield None
        return
    path = training.solver.folder / f"{training.param.snapshot_prefix}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a" if training.options.snapshot else "w", encoding="utf-8") as log:
        yield log


@contextmanager
def _tracing(training: Training) -> Iterator[Trace | None]:
    """The trace to record in, if one is wanted; the file appears when the run is over. All processes record, for the
    blobs are everyone's, and the first one writes."""
    path = training.options.trace
    if path is None:
        yield None
    elif training.share.rank:
        yield Trace(lambda key, array: None, training.solver)
    else:
        with writing_npz(path) as add:
            trace = Trace(add, training.solver)
            yield trace
            trace.finish()


def _solve(training: Training, log: TextIO | None, trace: Trace | None, interrupted: threading.Event) -> Path | None:
    """All iterations. Returns the weights of the last snapshot; the process that has the log makes them."""
    param, solver = training.param, training.solver
    _say(log, caffe_log.header_lines() + caffe_log.solving_lines(training.net_path.stem, param.lr_policy))
    _say(log, [caffe_log.glog_line(f"Engine: {training.options.engine} on {training.options.device}")])
    if training.options.snapshot is not None:
        how = "where the snapshot left them" if training.resumed_exactly else "from their start, as Caffe does"
        _say(log, [caffe_log.glog_line(f"Resuming: data and random numbers go on {how}.")])
    model, stopped = None, False
    silent = True if log is None else None  # None: where stderr is no terminal
    with tqdm(total=param.max_iter, initial=solver.iteration, unit="it", disable=silent, file=sys.stderr) as bar:
        while solver.iteration < param.max_iter and not stopped:
            iteration, rate = solver.iteration, float(solver.rate)
            loss, outputs = training.step(trace)
            _say(log, training.newly_skipped() + training.displayed(iteration, loss, outputs, rate))
            bar.update()
            stopped = training.share.any(interrupted.is_set())
            due = param.snapshot and solver.iteration % param.snapshot == 0
            last = param.snapshot_after_train and solver.iteration == param.max_iter
            if log is not None and (due or last or stopped):
                model, state = training.snapshot()
                _say(log, caffe_log.snapshot_lines(model, state))
    _say(log, [caffe_log.glog_line("Optimization stopped early.") if stopped else caffe_log.done_line()])
    return model


def _draw_timeline(training: Training, log: TextIO | None) -> None:
    path = training.options.timeline
    if log is None or path is None:
        return
    from cpm_repro.figures import poses  # matplotlib, which few runs need

    poses.save(poses.timeline_figure(training.timeline), path)
    _say(log, [caffe_log.glog_line(training.timeline.sentence())])


def _say(log: TextIO | None, lines: list[str]) -> None:
    if log is None:
        return
    for line in lines:
        tqdm.write(line)
        log.write(line + "\n")
    log.flush()


@contextmanager
def _interruption() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; a second one interrupts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def stop(number: int, frame: object) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _net_path(param: object, folder: Path, solver_path: Path) -> Path:
    """The training net's file: `net` or `train_net`, relative to the solver's folder."""
    name = param.train_net or param.net
    if not name:
        raise InputError(f"{solver_path}: expected the field net (or train_net), found neither")
    path = folder / name
    if not path.is_file():
        raise InputError(f"{solver_path}: net: expected the file '{name}' beside the solver, found none at {path}")
    return path
