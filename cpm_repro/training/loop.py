"""The training loop: what `caffe train` does once everything is set up (Caffe: Solver::Step, Solver::Solve).

The loop is bare. Whatever watches a run (the log, snapshots, a trace, the timeline, Ctrl-C) hooks into it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cpm_repro.samples.data_layers import DataLayers
from cpm_repro.samples.timeline import FORWARD_BACKWARD, UPDATE, WAITING, Timeline
from prototxt_import.formats import schema
from prototxt_import.net import Net
from prototxt_import.share import Share

from .gradient_exchange import Bucket, Relay
from .plan import Plan
from .run_state import write_run_state
from .solver import SGDSolver, Update
from .testing import SmoothedLoss, Tested, TestNet, Values, loss_value, output_values, run_test

Blobs = dict[str, Tensor]


@dataclass(frozen=True)
class Step:
    """One iteration that is over.

    iteration: counted from 0; rate: of its update; loss: the mean over iter_size passes of Σ loss_weight · loss;
    outputs: the net's output blobs of its last pass, by name, each as the sum of its values; values: their values one
    by one; update: what else the solver has to tell.
    """

    iteration: int
    rate: float
    loss: float
    outputs: dict[str, float]
    values: Values = field(default_factory=list)
    update: Update | None = None


class Hook:
    """What watches a training run. Every method may do nothing; they are called in the order of the hooks.

    `stops` is asked after each step: the run ends, at the same iteration in every process, once any hook says so.
    """

    stops = False

    def before_training(self, training: "Training") -> None:
        """The run is set up; nothing has been computed."""

    def before_step(self, training: "Training") -> None:
        """An iteration is about to begin; nothing of it has been computed."""

    def before_pass(self, training: "Training", number: int, inputs: Blobs) -> Blobs:
        """Pass `number` of the iter_size of an iteration is about to go forward; returns its input blobs."""
        return inputs

    def after_pass(self, training: "Training", number: int, blobs: Blobs) -> None:
        """It went backward: gradients are there. blobs: what the net returned, by name."""

    def after_step(self, training: "Training", step: Step, stopped: bool) -> None:
        """An iteration's update is done; `stopped`: no other follows, although max_iter is not reached."""

    def before_test(self, training: "Training", number: int) -> None:
        """Test net `number` is about to be tested."""

    def after_test(self, training: "Training", tested: Tested) -> None:
        """It was."""

    def after_iterations(self, training: "Training", stopped: bool) -> None:
        """No iteration follows: all are done, or a hook `stopped` the run; the last display and tests may."""

    def after_last_pass(self, training: "Training") -> None:
        """After all iterations the training net went forward once more, for the smoothed loss to be displayed."""

    def after_training(self, training: "Training", stopped: bool) -> None:
        """The run ended, by itself or because a hook `stopped` it; not called after an error."""


@dataclass
class Training:
    """A solver, its net and its data, ready to step: see `setup.prepare`. A context manager, which ends the data
    layers' threads.

    forward: the net, or what recomputes blobs in backward; exchanges: what makes several processes' gradients one;
    smoothed: the mean of the last average_loss losses; resumed_exactly: data and random numbers go on where a snapshot
    left them; plan: the files; started: what Caffe's log says of the weights that it starts from; tests: the nets to
    test with.
    """

    param: schema.SolverParameter
    net_name: str
    net: Net
    forward: Callable[[Blobs], Blobs]
    solver: SGDSolver
    data: DataLayers
    share: Share
    exchanges: Sequence[Relay | Bucket]
    timeline: Timeline
    smoothed: SmoothedLoss
    resumed_exactly: bool = False
    plan: Plan | None = None
    started: Sequence[str] = ()
    tests: Sequence[TestNet] = ()

    def __enter__(self) -> "Training":
        return self

    def __exit__(self, *error: object) -> None:
        for test in self.tests:
            test.data.close()
        self.data.close()

    def step(self, hooks: Sequence[Hook] = ()) -> Step:
        """One iteration: iter_size batches and an update (Solver::Step)."""
        iteration, rate = self.solver.iteration, float(self.solver.rate)
        self.solver.clear_gradients()
        loss = np.float32(0)
        values: Values = []
        for number in range(self.param.iter_size):
            values, loss_of_pass = self._pass(hooks, number)
            loss += loss_of_pass
        with self.timeline.span(UPDATE):
            for exchange in self.exchanges:
                exchange.finish()
            update = self.solver.apply_update()
        self.timeline.iterated()
        loss = np.float32(loss / np.float32(self.param.iter_size))
        self.smoothed.add(loss)
        return Step(iteration, rate, float(loss), _sums(values), values, update)

    def forward_backward(self, hooks: Sequence[Hook] = (), number: int = 0) -> dict[str, float]:
        """Adds the gradients of one batch; returns the net's outputs by name (Net::ForwardBackward)."""
        return _sums(self._pass(hooks, number)[0])

    def _pass(self, hooks: Sequence[Hook], number: int) -> tuple[Values, np.float32]:
        """`forward_backward`, with Σ loss_weight · loss beside the outputs: a loss need not be one."""
        with self.timeline.span(WAITING):
            batch = self.data.next_batch()
        for hook in hooks:
            batch = hook.before_pass(self, number, batch)
        with self.timeline.span(FORWARD_BACKWARD):
            blobs = self.forward(batch)
            loss = torch.as_tensor(self.net.loss(blobs))
            if loss.requires_grad:  # else nothing learns
                loss.backward()
            found = output_values(self.net, blobs), loss_value(self.net, blobs)
        for hook in hooks:
            hook.after_pass(self, number, blobs)
        return found

    def test(self, number: int, stops: Callable[[], bool] = lambda: False) -> Tested | None:
        """Tests with one of the test nets (Solver::Test); None if `stops` said so."""
        return run_test(self.tests[number], number, self.net, stops)

    def display_pass(self) -> None:
        """The training net goes forward once more, and its loss joins the smoothed one."""
        with torch.no_grad():
            self.smoothed.add(loss_value(self.net, self.net(self.data.next_batch())))

    def due(self, interval: int) -> bool:
        """Whether something that happens every `interval` iterations, if that is not 0, happens now."""
        return bool(interval) and self.solver.iteration % interval == 0

    def snapshot(self) -> tuple[Path, Path]:
        """Writes weights, run state and solver state; returns the paths of the first and the last."""
        return self.solver.snapshot(lambda s: write_run_state(s, self.solver, self.positions, self.smoothed))

    @property
    def positions(self) -> dict[str, DataLayers]:
        """The data of all nets, by what their keys in a run state begin with."""
        return {"data/": self.data, **{f"test{number}/": test.data for number, test in enumerate(self.tests)}}


def solve(training: Training, hooks: Sequence[Hook]) -> None:
    """Steps to the solver's max_iter, or until a hook of any process stops the run, and tests on the way and at the
    end (Solver::Solve)."""
    for hook in hooks:
        hook.before_training(training)
    param, stopped = training.param, False
    while training.solver.iteration < param.max_iter and not stopped:
        if training.due(param.test_interval) and (training.solver.iteration or param.test_initialization):
            stopped = _test_all(training, hooks)
            if stopped:
                break
        for hook in hooks:
            hook.before_step(training)
        step = training.step(hooks)
        stopped = _stops(training, hooks)
        for hook in hooks:
            hook.after_step(training, step, stopped)
    for hook in hooks:
        hook.after_iterations(training, stopped)
    if not stopped:
        _finish(training, hooks)
    for hook in hooks:
        hook.after_training(training, stopped)


def _finish(training: Training, hooks: Sequence[Hook]) -> None:
    """What follows the last iteration, if its number is one of those at which there is a display or a test."""
    if training.due(training.param.display):
        training.display_pass()
        for hook in hooks:
            hook.after_last_pass(training)
    if training.due(training.param.test_interval):
        _test_all(training, hooks)


def _test_all(training: Training, hooks: Sequence[Hook]) -> bool:
    """Tests with all test nets; True if a hook stopped the run meanwhile."""
    for number in range(len(training.tests)):
        for hook in hooks:
            hook.before_test(training, number)
        tested = training.test(number, lambda: _stops(training, hooks))
        if tested is None:
            return True
        for hook in hooks:
            hook.after_test(training, tested)
    return False


def _stops(training: Training, hooks: Sequence[Hook]) -> bool:
    """Whether a hook of any process wants the run to end."""
    return training.share.any(any(hook.stops for hook in hooks))


def _sums(values: Values) -> dict[str, float]:
    """Each output as the sum of its values."""
    sums: dict[str, float] = {}
    for name, value in values:
        sums[name] = sums.get(name, 0.0) + float(value)
    return sums
