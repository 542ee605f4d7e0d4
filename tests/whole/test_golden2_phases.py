"""Testing while training: the original's passes, means, draws, parameters, snapshots and log lines, to the bit."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cpm_kernels.exact.random import CaffeRandom
from cpm_repro.training.loop import Hook, Training, solve
from cpm_repro.training.run import train
from cpm_repro.training.setup import Options, prepare
from cpm_repro.training.testing import loss_value, output_values
from prototxt_import.formats.caffemodel import read_caffemodel
from prototxt_import.formats.solverstate import read_solverstate
from prototxt_import.net import Net
from tests.bits import assert_same_bits
from tests.cpm_repro.training.test_processes import run as torchrun
from tests.whole.phases import Means, copied, said


@pytest.fixture
def folder(golden: Path, golden2: Path, tmp_path: Path) -> Path:
    return copied(golden, golden2, tmp_path)


class Passes:
    """The loss and the outputs of every pass of a net."""

    def __init__(self, net: Net) -> None:
        self.losses: list[np.float32] = []
        self.outputs: list[list[np.float32]] = []
        net.register_forward_hook(self._keep)

    def _keep(self, net: Net, inputs: object, blobs: dict) -> None:
        self.losses.append(loss_value(net, blobs))
        self.outputs.append([value for _, value in output_values(net, blobs)])


def expect_parameters(recorded: np.lib.npyio.NpzFile, start: str, net: Net) -> None:
    keys = [key for key in recorded if key.startswith(f"{start}/")]
    for key in keys:
        _, name, index = key.split("/")
        layer = net.layer(name)
        assert_same_bits(getattr(layer, layer.blob_names[int(index)]).detach().numpy(), recorded[key], key)


def expect_passes(recorded: np.lib.npyio.NpzFile, start: str, passes: Passes) -> None:
    for what, found in (("loss", passes.losses), ("outputs", passes.outputs)):
        assert_same_bits(np.array(found, np.float32), recorded[f"{start}_pass_{what}"], f"{start}_pass_{what}")


@pytest.mark.parametrize("name", ["cpm", "two", "stages"])
def test_every_pass_and_every_test(golden2: Path, folder: Path, name: str) -> None:
    recorded, means = np.load(golden2 / f"test_phase/{name}_trace.npz"), Means()
    with prepare(folder / f"{name}_solver.prototxt", Options(engine="exact")) as training:
        nets = {"train": training.net, **{f"test{k}": test.net for k, test in enumerate(training.tests)}}
        expect_parameters(recorded, "first", training.net)
        for start in list(nets)[1:]:
            expect_parameters(recorded, f"{start}_first", nets[start])
        uninterrupted = CaffeRandom(training.param.random_seed)
        uninterrupted.draws(int(recorded["draws_after_setup"].ravel()[0]))
        assert np.array_equal(uninterrupted.state(), training.net.random.state())
        passes = {start: Passes(net) for start, net in nets.items()}
        solve(training, [means])
        expect_parameters(recorded, "last", training.net)
    for start, found in passes.items():
        expect_passes(recorded, start, found)
    for number, found in means.found.items():
        assert_same_bits(np.array(found, np.float32), recorded[f"test{number}_means"], f"test{number}_means")
    assert len(means.found) == len(nets) - 1


RUNS = {
    "test_phase/cpm": ({}, 9),
    "test_phase/two": ({}, 5),
    "test_phase/stages": ({}, 6),
    "caffe_tools/finetune": ({"weights": "cpm_iter_4.caffemodel"}, 9),
    "caffe_tools/resume": ({"snapshot": "cpm_iter_4.solverstate", "resume_like_caffe": True}, 9),
}


@pytest.mark.parametrize("run", RUNS)
def test_the_log_and_the_snapshots_are_the_originals(
    golden2: Path, folder: Path, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, last = RUNS[run]
    given = {key: Path(value) if isinstance(value, str) else value for key, value in options.items()}
    monkeypatch.chdir(folder)
    solver = Path(f"{Path(run).name}_solver.prototxt")
    model = train(solver, Options(engine="exact", overwrite=True, **given))
    assert model is not None and model.name.endswith(f"_iter_{last}.caffemodel")
    prefix = model.name.partition("_iter_")[0]
    own = folder / f"{prefix}.log"
    assert said(own.read_text()) == said((golden2 / f"{run}.log").read_text())
    expected = golden2 / run.partition("/")[0] / model.name
    assert read_caffemodel(model) == read_caffemodel(expected)
    assert read_solverstate(model.with_suffix(".solverstate")) == read_solverstate(expected.with_suffix(".solverstate"))


@pytest.mark.parametrize("name", ["cpm", "two"])
def test_two_processes_say_the_same(golden2: Path, folder: Path, name: str) -> None:
    """Each tests the whole test nets, so that all have the same random numbers."""
    done = torchrun(2, folder / f"{name}_solver.prototxt", "--engine", "exact", "--overwrite")
    assert done.returncode == 0, done.stderr
    assert said((folder / f"{name}.log").read_text()) == said((golden2 / f"test_phase/{name}.log").read_text())


def test_a_resumed_run_is_the_original_ones(golden2: Path, folder: Path) -> None:
    recorded = np.load(golden2 / "caffe_tools/resume_trace.npz")
    options = Options(engine="exact", snapshot=folder / "cpm_iter_4.solverstate", resume_like_caffe=True)
    with prepare(folder / "resume_solver.prototxt", options) as training:
        trained, tested = Passes(training.net), Passes(training.tests[0].net)
        solve(training, [])
        expect_parameters(recorded, "last", training.net)
    expect_passes(recorded, "train", trained)
    expect_passes(recorded, "test0", tested)


@pytest.fixture(params=["cpm", "two"])
def killed(request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[Path, str]]:
    yield folder, request.param


def test_going_on_tests_as_the_uninterrupted_run(killed: tuple[Path, str]) -> None:
    folder, name = killed
    solver, state = folder / f"{name}_solver.prototxt", {"cpm": 4, "two": 3}[name]
    whole, rest = Means(), Means()
    with prepare(solver, Options(engine="exact")) as training:
        from_state = Passes(training.net)
        solve(training, [whole, Snapshotting(state)])
    with prepare(solver, Options(engine="exact", snapshot=folder / f"{name}_iter_{state}.solverstate")) as training:
        assert training.resumed_exactly
        passes = Passes(training.net)
        solve(training, [rest])
    assert from_state.losses[state:] == passes.losses
    for number, found in rest.found.items():
        assert_same_bits(np.array(whole.found[number][-len(found) :]), np.array(found))


class Snapshotting(Hook):
    """A snapshot after the iteration of that number."""

    def __init__(self, iteration: int) -> None:
        self._iteration = iteration

    def after_step(self, training: Training, *_: object) -> None:
        if training.solver.iteration == self._iteration:
            training.snapshot()
