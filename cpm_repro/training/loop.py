"""The training loop: what `caffe train` does once everything is set up (Caffe: Solver::Step, Solver::Solve).

The loop is bare. Whatever watches a run (the log, snapshots, a trace, the timeline, Ctrl-C) hooks into it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cpm_repro.samples.data_layers import DataLayers
from cpm_repro.samples.timeline import FORWARD_BACKWARD, UPDATE, WAITING, Timeline
from prototxt_import.formats import schema
from prototxt_import.net import Net
from prototxt_import.share import Share

from .gradient_exchange import Bucket, Relay
from .run_state import write_run_state
from .solver import SGDSolver

Blobs = dict[str, Tensor]


@dataclass(frozen=True)
class Step:
    """One iteration that is over.

    iteration: counted from 0; rate: of its update; loss: the mean over iter_size passes of Σ loss_weight · loss;
    outputs: the net's output blobs of its last pass, by name, each as the sum of its values.
    """

    iteration: int
    rate: float
    loss: float
    outputs: dict[str, float]


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

    def after_training(self, training: "Training", stopped: bool) -> None:
        """The run ended, by itself or because a hook `stopped` it; not called after an error."""


@dataclass
class Training:
    """A solver, its net and its data, ready to step: see `setup.prepare`. A context manager, which ends the data
    layers' threads.

    forward: the net, or what recomputes blobs in backward; exchanges: what makes several processes' gradients one;
    smoothed: the last average_loss losses; resumed_exactly: data and random numbers go on where a snapshot left them.
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
    smoothed: deque[float]
    resumed_exactly: bool = False

    def __enter__(self) -> "Training":
        return self

    def __exit__(self, *error: object) -> None:
        self.data.close()

    def step(self, hooks: Sequence[Hook] = ()) -> Step:
        """One iteration: iter_size batches and an update (Solver::Step)."""
        iteration, rate = self.solver.iteration, float(self.solver.rate)
        self.solver.clear_gradients()
        loss = 0.0
        outputs: dict[str, float] = {}
        for number in range(self.param.iter_size):
            outputs, loss_of_pass = self._pass(hooks, number)
            loss += loss_of_pass
        with self.timeline.span(UPDATE):
            for exchange in self.exchanges:
                exchange.finish()
            self.solver.apply_update()
        self.timeline.iterated()
        loss /= self.param.iter_size
        self.smoothed.append(loss)
        return Step(iteration, rate, loss, outputs)

    def forward_backward(self, hooks: Sequence[Hook] = (), number: int = 0) -> dict[str, float]:
        """Adds the gradients of one batch; returns the net's outputs by name (Net::ForwardBackward)."""
        return self._pass(hooks, number)[0]

    def _pass(self, hooks: Sequence[Hook], number: int) -> tuple[dict[str, float], float]:
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
            names = (*self.net.output_names, *self.net.loss_weights)
            sums = {name: float(blobs[name].detach().sum()) for name in dict.fromkeys(names)}
        for hook in hooks:
            hook.after_pass(self, number, blobs)
        outputs = {name: sums[name] for name in self.net.output_names}
        return outputs, sum(sums[name] * weight for name, weight in self.net.loss_weights.items())

    def snapshot(self) -> tuple[Path, Path]:
        """Writes weights, run state and solver state; returns the paths of the first and the last."""
        return self.solver.snapshot(lambda s: write_run_state(s, self.solver, self.data, list(self.smoothed)))


def solve(training: Training, hooks: Sequence[Hook]) -> None:
    """Steps to the solver's max_iter, or until a hook of any process stops the run (Solver::Solve)."""
    for hook in hooks:
        hook.before_training(training)
    stopped = False
    while training.solver.iteration < training.param.max_iter and not stopped:
        for hook in hooks:
            hook.before_step(training)
        step = training.step(hooks)
        stopped = training.share.any(any(hook.stops for hook in hooks))
        for hook in hooks:
            hook.after_step(training, step, stopped)
    for hook in hooks:
        hook.after_training(training, stopped)
