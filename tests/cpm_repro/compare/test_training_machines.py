"""Which machine trained: told by the losses of a trace and of a log."""

from pathlib import Path

import numpy as np
import pytest

from cpm_kernels.exact.profiles import Profile
from cpm_repro.compare.training_machines import find_trainer
from cpm_repro.npz import write_npz
from cpm_repro.training.log import iteration_lines
from cpm_repro.training.loop import Hook, Step, Training, solve
from cpm_repro.training.setup import Options, prepare
from prototxt_import.files import InputError
from tests.tool import assert_refused, run_tool

NET = """
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 1 dim: 6 dim: 15 dim: 17 } shape { dim: 1 dim: 5 dim: 7 dim: 9 }
  data_filler { type: "gaussian" std: 1 } data_filler { type: "gaussian" std: 1 } } }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1" convolution_param { num_output: 43 kernel_size: 5
  weight_filler { type: "xavier" } } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "c2" type: "Convolution" bottom: "c1" top: "c2" convolution_param { num_output: 5 kernel_size: 5
  weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "c2" bottom: "label" top: "loss" loss_weight: 0.5 }
"""
SOLVER = """net: "net.prototxt" base_lr: 0.001 lr_policy: "poly" power: 1 momentum: 0.9 max_iter: 4 display: 1
average_loss: 2 random_seed: 3 snapshot_prefix: "x" """


class Record(Hook):
    def __init__(self) -> None:
        self.losses: list[list[float]] = []
        self.lines: list[str] = []
        self.update: dict[str, np.ndarray] = {}

    def after_step(self, training: Training, step: Step, stopped: bool) -> None:
        if step.iteration == 0:
            for blob, update in zip(training.net.learnable, training.solver.updates, strict=True):
                self.update[f"update1/{blob.layer}/{blob.index}"] = update.detach().numpy().copy()
        self.losses.append(list(step.outputs.values()))
        weights = training.net.loss_weights
        self.lines += iteration_lines(step.iteration, training.smoothed.value, step.values, weights)


@pytest.fixture
def solver(tmp_path: Path) -> Path:
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return tmp_path / "solver.prototxt"


def recorded(solver: Path, engine: str) -> tuple[Path, Path]:
    """A trace and a log."""
    record = Record()
    with prepare(solver, Options(engine=engine)) as training:
        solve(training, [record])
    trace, log = solver.with_name("trace.npz"), solver.with_name("run.log")
    write_npz(trace, {"loss": np.array(record.losses, np.float32), **record.update})
    log.write_text("\n".join(record.lines) + "\n")
    return trace, log


@pytest.mark.parametrize("family", ["nehalem", "haswell-0.3.7"])
def test_a_trace_tells_its_machine(solver: Path, family: str) -> None:
    trace, _ = recorded(solver, f"exact:{family}")
    machine = find_trainer(trace, solver)
    assert machine.fits and machine.profile == Profile(family)
    assert {profile.family for profile in machine.alike} <= {family}
    assert machine.verdict(True, 8).startswith("equal, all 8 losses and updates: OpenBLAS on ")


def test_a_log_and_a_tool(solver: Path) -> None:
    """Six digits do not tell rounding apart, but another rate's losses from any machine's."""
    _, log = recorded(solver, "exact:haswell")
    command = ["compare", log, "--solver", solver, "--engine", "exact:auto"]
    result = run_tool(*command)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].startswith("equal, all 4 losses: OpenBLAS on ")
    solver.write_text(SOLVER.replace("0.001", "0.002"))
    result = run_tool(*command)
    assert result.returncode == 1 and "no machine that is known made this; the closest: OpenBLAS on" in result.stdout
    assert "first iteration 1, " in result.stdout
    assert_refused(run_tool(*command, "--gradients"), "expected a trace or a log and --weights at most")


def test_what_is_no_trace(solver: Path) -> None:
    write_npz(solver.with_name("dump.npz"), {"c1": np.zeros(3, np.float32)})
    with pytest.raises(InputError, match="expected a training trace, which has an array loss"):
        find_trainer(solver.with_name("dump.npz"), solver)
    with pytest.raises(InputError, match="expected a solver's log"):
        find_trainer(solver, solver)
