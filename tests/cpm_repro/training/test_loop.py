"""The bare loop on a net of one weight: what an iteration is, and when the hooks are asked."""

from types import SimpleNamespace

import pytest
import torch

from cpm_repro.samples.timeline import Timeline
from cpm_repro.training.loop import Hook, Training, solve
from cpm_repro.training.testing import SmoothedLoss
from prototxt_import.engine import make_engine
from prototxt_import.share import WHOLE_BATCH

WEIGHT = torch.nn.Parameter(torch.tensor(3.0))
ITER_SIZE = 2


class Subtracting:
    """A solver whose update subtracts a tenth of the gradient."""

    rate = 0.1

    def __init__(self):
        self.iteration = 0

    def clear_gradients(self):
        WEIGHT.grad = None

    def apply_update(self):
        with torch.no_grad():
            WEIGHT.sub_(self.rate * WEIGHT.grad)
        self.iteration += 1


class Counting:
    """Data: 1, 2, 3, …"""

    def __init__(self):
        self.taken, self.closed = 0, False

    def next_batch(self):
        self.taken += 1
        return {"data": torch.tensor(float(self.taken))}

    def close(self):
        self.closed = True


class Telling(Hook):
    """Writes down what it is asked; stops the run after the iteration `last`."""

    def __init__(self, name, told, last=None):
        self._name, self._told, self._last = name, told, last

    def before_training(self, training):
        self._tell("before_training")

    def before_step(self, training):
        self._tell(f"before_step {training.solver.iteration}")

    def before_pass(self, training, number, inputs):
        self._tell(f"before_pass {number}")
        return {name: blob + 1 for name, blob in inputs.items()}

    def after_pass(self, training, number, blobs):
        self.stops = training.solver.iteration == self._last
        self._tell(f"after_pass {number} loss {blobs['loss'].item():g}")

    def after_step(self, training, step, stopped):
        self._tell(f"after_step {step.iteration}{' stopped' if stopped else ''}")

    def after_training(self, training, stopped):
        self._tell(f"after_training{' stopped' if stopped else ''}")

    def _tell(self, what):
        self._told.append(f"{self._name}: {what}")


@pytest.fixture
def training():
    with torch.no_grad():
        WEIGHT.fill_(3.0)
    return Training(
        param=SimpleNamespace(iter_size=ITER_SIZE, max_iter=2, display=0, test_interval=0),
        net_name="one weight",
        net=SimpleNamespace(
            loss=lambda blobs: 2 * blobs["loss"],
            loss_weights={"loss": 2.0},
            output_names=["loss"],
            engine=make_engine("exact"),
        ),
        forward=lambda inputs: {"loss": WEIGHT * inputs["data"]},
        solver=Subtracting(),
        data=Counting(),
        share=WHOLE_BATCH,
        exchanges=(),
        timeline=Timeline(active=False),
        smoothed=SmoothedLoss(1),
    )


def test_a_step_is_iter_size_batches_and_an_update(training):
    step = training.step()
    assert (step.iteration, step.rate, step.loss) == (0, 0.1, (2 * 3 + 2 * 6) / ITER_SIZE)
    assert step.outputs == {"loss": 6.0} and step.values == [("loss", 6)]
    assert float(WEIGHT.detach()) == pytest.approx(3 - 0.1 * 2 * (1 + 2))
    assert training.solver.iteration == 1 and training.data.taken == 2
    assert training.smoothed.value == 9


def test_hooks_are_asked_in_their_order_and_may_change_the_inputs(training):
    told = []
    solve(training, [Telling("a", told), Telling("b", told)])
    passes = ["a: before_pass 0", "b: before_pass 0", "a: after_pass 0 loss 9", "b: after_pass 0 loss 9"]
    assert told[:2] == ["a: before_training", "b: before_training"]
    assert told[2:8] == ["a: before_step 0", "b: before_step 0", *passes]
    assert told[12:16] == ["a: after_step 0", "b: after_step 0", "a: before_step 1", "b: before_step 1"]
    assert told[-2:] == ["a: after_training", "b: after_training"]


def test_any_hook_stops_the_run(training):
    told = []
    solve(training, [Telling("a", told, last=0), Telling("b", told)])
    assert training.solver.iteration == 1
    assert told[-4:] == ["a: after_step 0 stopped", "b: after_step 0 stopped",
                         "a: after_training stopped", "b: after_training stopped"]  # fmt: skip


def test_leaving_the_context_ends_the_data(training):
    with training as entered:
        assert entered is training and not training.data.closed
    assert training.data.closed
