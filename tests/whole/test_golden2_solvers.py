"""The solvers beside the release's: the original's parameters, updates, histories, snapshots and rates to the bit."""

import hashlib
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from cpm_repro.training.loop import Training
from cpm_repro.training.rates import learning_rate
from cpm_repro.training.run import train
from cpm_repro.training.setup import Options, prepare
from prototxt_import.files import InputError
from prototxt_import.formats.caffemodel import read_caffemodel
from prototxt_import.formats.prototxt import read_solver
from prototxt_import.formats.solverstate import read_solverstate
from tests.bits import assert_same_bits
from tests.tool import writable_copy

WITH_STEPS = ["sgd_l1", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adam_clip_itersize"]
ALL = ["sgd_l2", "sgd_nomomentum", *WITH_STEPS]
BY_ENUM = ["sgd_nomomentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam"]
POLICIES = ["fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid"]


def solver_in(folder: Path, golden: Path, golden2: Path, name: str, **fields: object) -> Path:
    """The golden solver `name` and its net in a folder of its own, with some fields replaced."""
    text = (golden2 / "solver_types/types_train.prototxt").read_text()
    lmdb = (golden / "transform/mpi16_lmdb").resolve()
    (folder / "types_train.prototxt").write_text(text.replace("../transform/mpi16_lmdb", str(lmdb)))
    lines = (golden2 / f"solver_types/{name}_solver.prototxt").read_text().splitlines()
    kept = [line for line in lines if line.split(":")[0] not in fields]
    solver = folder / f"{name}_solver.prototxt"
    solver.write_text("\n".join([*kept, *(f"{field}: {value}" for field, value in fields.items())]))
    return solver


class Recorded:
    """A recorded run's arrays, some of which only have a SHA-256."""

    def __init__(self, *paths: Path) -> None:
        self._arrays = {key: array for path in paths for key, array in np.load(path).items()}
        self._hashes = json.loads(str(self._arrays.pop("sha256", "{}")))
        self.seen: set[str] = set()

    def compare(self, key: str, found: np.ndarray) -> None:
        """Fails unless the array, if it was recorded, has the same bits."""
        if key in self._arrays:
            assert_same_bits(found, self._arrays[key], key)
        elif key in self._hashes:
            assert hashlib.sha256(found.tobytes()).hexdigest() == self._hashes[key], key
        else:
            return
        self.seen.add(key)

    def missing(self) -> set[str]:
        """What was recorded and not compared."""
        return {*self._arrays, *self._hashes} - self.seen


def iterate(training: Training, recorded: Recorded) -> list[list[float]]:
    """One iteration, its gradients, updates, histories and parameters compared; the outputs of its passes."""
    solver, passes = training.solver, []
    solver.clear_gradients()
    for _ in range(training.param.iter_size):
        outputs = training.forward_backward()
        passes.append([outputs[name] for name in sorted(outputs)])
    number, blobs = solver.iteration + 1, training.net.learnable
    for blob in blobs:
        if blob.parameter.grad is not None:
            recorded.compare(f"gradient{number}/{blob.layer}/{blob.index}", blob.parameter.grad.numpy())
    solver.apply_update()
    for blob, update in zip(blobs, solver.updates, strict=True):
        recorded.compare(f"update{number}/{blob.layer}/{blob.index}", update.numpy())
        recorded.compare(f"iter{number}/{blob.layer}/{blob.index}", blob.parameter.detach().numpy())
    for index, history in enumerate(solver.history):
        recorded.compare(f"history{number}/{index}", history.numpy())
    return passes


@pytest.mark.parametrize("name", ALL)
def test_every_iteration(golden: Path, golden2: Path, tmp_path: Path, name: str) -> None:
    paths = [golden2 / f"solver_types/{name}_trace.npz"]
    if name in WITH_STEPS:
        paths.append(golden2 / f"solver_types/{name}_steps.npz")
    recorded, passes = Recorded(*paths), []
    with prepare(solver_in(tmp_path, golden, golden2, name), Options(engine="exact")) as training:
        for blob in training.net.learnable:
            recorded.compare(f"iter0/{blob.layer}/{blob.index}", blob.parameter.detach().numpy())
        for iteration in range(1, 9):
            passes += iterate(training, recorded)
            if iteration in (4, 8):
                training.snapshot()
        size = training.param.iter_size
    recorded.compare("loss", np.array(passes[size - 1 :: size], np.float32))
    recorded.compare("train_pass_outputs", np.array(passes, np.float32))
    assert recorded.missing() <= {"train_pass_loss"}
    for iteration in (4, 8):
        expect_snapshot(tmp_path, golden2, f"{name}_iter_{iteration}")


def expect_snapshot(folder: Path, golden2: Path, name: str) -> None:
    """Weights and solver state are those of `caffe train`."""
    state, expected = (read_solverstate(place / f"{name}.solverstate") for place in (folder, golden2 / "solver_types"))
    assert state == expected
    model, expected = (read_caffemodel(place / f"{name}.caffemodel") for place in (folder, golden2 / "solver_types"))
    model.layer[0].cpmdata_param.source = expected.layer[0].cpmdata_param.source
    assert model == expected


@pytest.mark.parametrize("name", ALL)
def test_going_on_from_a_snapshot(golden: Path, golden2: Path, tmp_path: Path, name: str) -> None:
    whole = solver_in(tmp_path, golden, golden2, name)
    with prepare(whole, Options(engine="exact")) as training:
        for _ in range(4):
            training.step()
        training.snapshot()
    expect_snapshot(tmp_path, golden2, f"{name}_iter_4")
    train(whole, Options(engine="exact", snapshot=tmp_path / f"{name}_iter_4.solverstate"))
    expect_snapshot(tmp_path, golden2, f"{name}_iter_8")


@pytest.mark.parametrize("name", BY_ENUM)
def test_the_old_enum_means_the_same(golden2: Path, name: str) -> None:
    old, new = (read_solver(golden2 / f"solver_types/{name}{kind}_solver.prototxt") for kind in ("_enum", ""))
    assert old.HasField("type")
    old.snapshot_prefix, new.type = new.snapshot_prefix, new.type  # SGD is the type of a solver that names none
    assert old == new


@pytest.mark.parametrize("name", ["hdf5_adam", "hdf5_adadelta"])
def test_snapshots_in_hdf5(golden: Path, golden2: Path, tmp_path: Path, name: str) -> None:
    train(solver_in(tmp_path, golden, golden2, name), Options(engine="exact"))
    for suffix in ("caffemodel", "solverstate"):
        file = f"{name}_iter_3.{suffix}.h5"
        found, expected = contents(tmp_path / file), contents(golden2 / "solver_types" / file)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            if isinstance(value, np.ndarray):
                assert_same_bits(found[key], value, f"{file}: {key}")
            else:
                assert found[key] == value, f"{file}: {key}"


def contents(path: Path) -> dict[str, object]:
    """Groups (None), texts with their type, and arrays of an HDF5 file by name."""
    found: dict[str, object] = {}

    def add(name: str, member: h5py.HLObject) -> None:
        if not isinstance(member, h5py.Dataset):
            found[name] = None
        else:
            found[name] = member[()] if member.shape else (member[()], member.dtype)

    with h5py.File(path) as file:
        file.visititems(add)
    return found


def test_snapshots_with_diffs(golden: Path, golden2: Path, tmp_path: Path) -> None:
    train(solver_in(tmp_path, golden, golden2, "diff_sgd"), Options(engine="exact"))
    expect_snapshot(tmp_path, golden2, "diff_sgd_iter_3")


@pytest.mark.parametrize("policy", POLICIES)
def test_rates(golden2: Path, policy: str) -> None:
    param = read_solver(golden2 / f"solver_types/rate_{policy}_solver.prototxt")
    rates = np.array([learning_rate(param, iteration) for iteration in range(20)], np.float32)
    assert_same_bits(rates, np.load(golden2 / "solver_types/rates.npz")[policy], policy)


def test_what_the_original_refuses_is_refused(golden: Path, golden2: Path, tmp_path: Path) -> None:
    cases = json.loads((golden2 / "caffe_tools/refusals.json").read_text())
    assert len(cases) == 22
    writable_copy(golden2 / "test_phase", tmp_path / "test_phase")
    (tmp_path / "transform").symlink_to((golden / "transform").resolve())
    accepted = {}
    for name, case in cases.items():
        path = tmp_path / "test_phase/solver.prototxt"
        path.write_text(case["solver"])
        try:
            train(path, Options(engine="exact", overwrite=True))
            accepted[name] = True
        except InputError:
            accepted[name] = False
    assert accepted == {name: case["rc"] == 0 for name, case in cases.items()}
