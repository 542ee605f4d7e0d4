"""What watches a training run: its log, its snapshots, a trace, the timeline, Ctrl-C, the progress bar.

Each hooks into the bare loop (loop.py). Of several processes the first one has the log and writes the files.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import numpy as np
from tqdm import tqdm

from cpm_repro import streams
from cpm_repro.samples.timeline import Timeline
from prototxt_import.files import InputError

from . import log as caffe_log
from .loop import Blobs, Hook, Step, Training
from .plan import Plan
from .testing import Tested
from .trace import BlobRecorder, Trace
from .watch import net_log
from .watch.held_out import HeldOutPeople
from .watch.output import LogFile, Screen
from .watch.speed import Speed


class Log(Hook):
    """Says what the solver does, in Caffe's words, on stdout and in a file; None: another process says it.

    A run goes on without stdout. One whose log cannot be written stops, with its snapshot, and then says so. quiet: not
    on stdout.
    """

    quiet = False

    def __init__(self, file: LogFile | None, engine: str, device: str, resumed: bool, skip_bad: bool) -> None:
        self._file, self._skip_bad = file, skip_bad
        self._screen = Screen()
        self._engine, self._device, self._resumed = f"Engine: {engine} on {device}", device, resumed
        self._told: set[str] = set()
        self._speed: Speed | None = None
        self._failure: InputError | None = None

    def say(self, lines: list[str]) -> None:
        """The lines, at once."""
        if self._file is None:
            return
        there = self._screen.gone is None
        if not self.quiet:
            self._screen.write(lines)
        self.append(self._file, lines)
        if there and self._screen.gone is not None:
            gone = f"stdout takes no more lines ({self._screen.gone}): the run goes on, its log is {self._file.path}"
            self.append(self._file, [caffe_log.glog_line(gone)])
            streams.last_words(gone)

    def tell(self, sentence: str) -> None:
        """A line with glog's prefix."""
        self.say([caffe_log.glog_line(sentence)])

    def fail(self, sentence: str) -> None:
        """Why the run ends, for the file: on the screen it is the last word anyway."""
        if self._file is not None:
            self.append(self._file, [caffe_log.glog_line(sentence, severity="E")])

    def append(self, file: LogFile, lines: list[str]) -> None:
        """The lines at the end of one of the run's files; if they cannot be written the run stops. InputError if the
        file was removed, and another run's is there now: nothing may be written beside it."""
        if self._failure is not None:
            return
        try:
            file.write(lines)
        except InputError as failure:
            self._failure, self.stops = failure, True
            if file.taken:
                raise
            streams.last_words(f"{failure}: the run stops after this iteration, with a snapshot")

    def before_training(self, training: Training) -> None:
        header = caffe_log.header_lines()
        if self._file is not None and not self._file.begun:
            self.say(header)
        if self._file is not None:
            self._file.heading = "".join(f"{line}\n" for line in header).encode("utf-8", "surrogateescape")
        if self._file is not None and training.plan is not None:
            self.append(self._file, self._setup_lines(training, training.plan))
        self.say(caffe_log.solving_lines(training.net_name, training.param.lr_policy))
        self.say([caffe_log.glog_line(self._engine)])
        if self._resumed:
            how = "where the snapshot left them" if training.resumed_exactly else "from their start, as Caffe does"
            self.say([caffe_log.glog_line(f"Resuming: data and random numbers go on {how}.")])

    def _setup_lines(self, training: Training, plan: Plan) -> list[str]:
        """What Caffe says while it sets solver and nets up: for the file, the screen is spared it."""
        told: set[tuple[str, str]] = set()
        lines = [net_log.device_line(self._device, 210), *net_log.solver_lines(training.param)]
        lines.append(net_log.training_net_line(plan.net.source))
        lines += net_log.net_lines(plan.net, training.net, training.data, told)
        for number, test in enumerate(training.tests):
            lines.append(net_log.test_net_line(number, test.origin.source))
            lines += net_log.net_lines(test.origin, test.net, test.data, told)
        lines.append(caffe_log.glog_line("Solver scaffolding done.", "solver.cpp:60"))
        return [*lines, *training.started, caffe_log.glog_line("Starting Optimization", "caffe.cpp:251")]

    def after_step(self, training: Training, step: Step, stopped: bool) -> None:
        self.say(self._newly_skipped(training) + self._displayed(training, step))

    def before_test(self, training: Training, number: int) -> None:
        self.say([caffe_log.testing_line(training.solver.iteration, number)])

    def after_test(self, training: Training, tested: Tested) -> None:
        loss = tested.loss if training.param.test_compute_loss else None
        weights = training.tests[tested.number].net.loss_weights
        self.say(caffe_log.tested_lines(tested.ignored, loss, tested.means, weights))

    def after_last_pass(self, training: Training) -> None:
        self.say([caffe_log.last_loss_line(training.solver.iteration, training.smoothed.value)])

    def after_training(self, training: Training, stopped: bool) -> None:
        self.say(caffe_log.stopped_lines() if stopped else caffe_log.done_lines())
        if self._failure is not None:
            raise self._failure

    def _newly_skipped(self, training: Training) -> list[str]:
        """A line for each record that skip_bad left out, in any process, and that was not told of yet."""
        if not self._skip_bad:
            return []
        bad = [sentence for sentence in list(training.data.skipped.values()) if sentence not in self._told]
        new = dict.fromkeys(training.share.everyones(bad))
        self._told.update(new)
        return [caffe_log.glog_line(f"Skipping a record: {sentence}") for sentence in new]

    def _displayed(self, training: Training, step: Step) -> list[str]:
        """What Caffe says of an iteration: losses and rate if it is displayed, the update's own lines always."""
        param, lines = training.param, []
        displayed = bool(param.display) and step.iteration % param.display == 0
        if displayed:
            weights = training.net.loss_weights
            lines = caffe_log.iteration_lines(step.iteration, training.smoothed.value, step.values, weights)
        lines += caffe_log.step_lines(step.update, step.iteration)
        lines += [caffe_log.rate_line(step.iteration, step.rate)] if displayed else []
        lines += caffe_log.clipping_lines(step.update, param.clip_gradients)
        return lines + (self._fast(training, step.iteration) if displayed else [])

    def _fast(self, training: Training, iteration: int) -> list[str]:
        """How fast it went since the last displayed iteration."""
        if self._speed is None:
            images = next(iter(training.net.blob_shapes.values()), ())[:1]
            self._speed = Speed(sum(images) * training.param.iter_size)
        speed = self._speed.since_last(iteration)
        left = training.param.max_iter - iteration - 1
        return [] if speed is None else [caffe_log.glog_line(f"Speed: {self._speed.sentence(speed, left)}")]


class Snapshots(Hook):
    """Writes a snapshot every `snapshot` iterations, at the end and when a signal asks for one; `model`: the weights
    of the last one. Beside it, with `people`, their poses, `<snapshot_prefix>_iter_N.png`.

    One that cannot be written while the run goes on is told, and the next is tried as ever; the last has to succeed.
    """

    def __init__(self, log: Log, interruption: "Interruption", people: HeldOutPeople | None = None) -> None:
        self._log, self._interruption, self._people = log, interruption, people
        self.model: Path | None = None
        self._iteration: int | None = None  # of the last one
        self._lost = False  # whether one that was tried after it failed

    def after_step(self, training: Training, step: Step, stopped: bool) -> None:
        if self._interruption.takes_snapshot() or training.due(training.param.snapshot):
            self._try(training)

    def after_iterations(self, training: Training, stopped: bool) -> None:
        wanted = stopped or (training.param.snapshot_after_train and not training.due(training.param.snapshot))
        if (wanted or self._lost) and self._iteration != training.solver.iteration:
            self._take(training)

    def _try(self, training: Training) -> None:
        try:
            self._take(training)
        except InputError as failure:
            self._lost = True
            self._log.tell(f"{failure}: the run goes on without it")
            streams.last_words(f"{failure}: the run goes on without it")

    def _take(self, training: Training) -> None:
        iteration = training.solver.iteration
        if training.share.rank == 0:
            self.model, _ = training.snapshot()
            self._log.say(caffe_log.snapshot_lines(training.param, iteration))
            if self._people is not None:
                picture = self.model.with_name(f"{self.model.name.partition('.caffemodel')[0]}.png")
                self._people.draw(training.net.to_caffemodel(), picture)
                self._log.tell(f"Drawing held-out people to {picture}")
        self._iteration, self._lost = iteration, False


class Progress(Hook):
    """A bar on stderr where that is a terminal."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._bar: tqdm[NoReturn] | None = None

    def before_training(self, training: Training) -> None:
        silent = None if self._shown else True  # None: where stderr is no terminal
        done, whole = training.solver.iteration, training.param.max_iter
        self._bar = tqdm(total=whole, initial=done, unit="it", disable=silent, file=sys.stderr)

    def after_step(self, training: Training, step: Step, stopped: bool) -> None:
        self._drawn(lambda bar: bar.update())

    def before_test(self, training: Training, number: int) -> None:
        self._drawn(lambda bar: bar.set_postfix_str(f"testing, net {number}"))

    def after_test(self, training: Training, tested: Tested) -> None:
        self._drawn(lambda bar: bar.set_postfix_str(""))

    def close(self) -> None:
        """Leaves the bar as it is."""
        self._drawn(lambda bar: bar.close())

    def _drawn(self, draw: "Callable[[tqdm[NoReturn]], object]") -> None:
        """Draws, as long as there is a terminal."""
        try:
            if self._bar is not None:
                draw(self._bar)
        except OSError:
            self._bar = None


class Tracing(Hook):
    """Records the run with `add(key, array)`; all processes do, for the blobs are everyone's."""

    def __init__(self, add: Callable[[str, np.ndarray], None]) -> None:
        self._add = add
        self._trace: Trace | None = None
        self._recorder: BlobRecorder | None = None

    def before_training(self, training: Training) -> None:
        self._trace = Trace(self._add, training.solver)

    def before_pass(self, training: Training, number: int, inputs: Blobs) -> Blobs:
        if training.solver.iteration or number < training.param.iter_size - 1:
            return inputs
        self._recorder = BlobRecorder(training.net, training.share)
        return self._recorder.before_pass(training, number, inputs)

    def after_pass(self, training: Training, number: int, blobs: Blobs) -> None:
        if self._recorder is not None and self._trace is not None:
            self._recorder.close()
            self._trace.add_blobs(self._recorder)
            self._recorder = None

    def after_step(self, training: Training, step: Step, stopped: bool) -> None:
        if self._trace is not None:
            losses = [step.outputs[name] for name in training.net.loss_weights if name in step.outputs]
            self._trace.add_iteration(losses)

    def after_training(self, training: Training, stopped: bool) -> None:
        if self._trace is not None:
            self._trace.finish()


class TimelineReport(Hook):
    """Hands the recorded timeline to `draw` when the run is over, and says in the log what it shows."""

    def __init__(self, log: Log, draw: Callable[[Timeline], None]) -> None:
        self._log, self._draw = log, draw

    def after_training(self, training: Training, stopped: bool) -> None:
        if training.share.rank == 0:
            self._draw(training.timeline)
            self._log.tell(training.timeline.sentence())


class Interruption(Hook):
    """The first Ctrl-C or SIGTERM lets the iteration end and stops the run; a Ctrl-C after it interrupts at once. (Of
    SIGTERM several may come: one for each thread of a parent that dies.)

    SIGHUP, which a terminal that is closed sends too, asks for a snapshot, and the run goes on, as Caffe's does.
    """

    def __init__(self) -> None:
        self._asked = False

    def takes_snapshot(self) -> bool:
        """Whether a signal asked for a snapshot since this was asked last."""
        asked, self._asked = self._asked, False
        return asked

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.stops and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.stops = True

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True

    @contextmanager
    def listening(self) -> Iterator["Interruption"]:
        """Signals come here within this context, if the main thread trains."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        handlers = {signal.SIGINT: self._stop, signal.SIGTERM: self._stop, signal.SIGHUP: self._ask}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
