"""Training with the exact engine: the original's traces and snapshots to the bit, and runs that were killed."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from cpm_repro.npz import read_npz, write_npz
from cpm_repro.training.run import train
from cpm_repro.training.setup import Options, prepare
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.formats.caffemodel import read_caffemodel
from prototxt_import.formats.solverstate import read_solverstate
from tests.bits import assert_same_bits

TRAIN = Path(__file__).resolve().parents[2] / "tools/train.py"


def solver_of(golden, folder, name, **fields):
    """The golden run `name` in a folder of its own, with some solver fields replaced."""
    text = (golden / f"solver/{name}_train.prototxt").read_text()
    lmdb = (golden / "transform/mpi16_lmdb").resolve()
    (folder / f"{name}_train.prototxt").write_text(text.replace("../transform/mpi16_lmdb", str(lmdb)))
    lines = (golden / f"solver/{name}_solver.prototxt").read_text().splitlines()
    kept = [line for line in lines if line.split(":")[0] not in fields]
    solver = folder / f"{name}_solver.prototxt"
    solver.write_text("\n".join([*kept, *(f"{field}: {value}" for field, value in fields.items())]))
    return solver


def assert_same_trace(found, expected):
    for key in expected.files:
        assert_same_bits(found[key], expected[key], key)


def assert_same_weights(path, expected):
    """The weights of two caffemodels, blob by blob."""
    blobs = {(layer.name, i): blob for layer in read_caffemodel(expected).layer for i, blob in enumerate(layer.blobs)}
    found = {(layer.name, i): blob for layer in read_caffemodel(path).layer for i, blob in enumerate(layer.blobs)}
    assert found.keys() == blobs.keys()
    for name, blob in blobs.items():
        assert_same_bits(np.array(found[name].data, np.float32), np.array(blob.data, np.float32), str(name))


@pytest.mark.parametrize(("name", "recompute"), [("replay_dropout", True), ("replay_itersize", False)])
def test_runs_are_the_originals(golden, tmp_path, name, recompute, device):
    solver = solver_of(golden, tmp_path, name)
    train(solver, Options(engine="exact", device=device, trace=tmp_path / "trace.npz", recompute=recompute))
    assert_same_trace(read_npz(tmp_path / "trace.npz"), np.load(golden / f"solver/{name}_trace.npz"))


def test_the_replay_its_snapshots_and_its_resumption_are_the_originals(golden, tmp_path, device):
    solver = solver_of(golden, tmp_path, "replay")
    train(solver, Options(engine="exact", device=device, trace=tmp_path / "trace.npz"))
    assert_same_trace(read_npz(tmp_path / "trace.npz"), np.load(golden / "solver/replay_trace.npz"))
    for iteration in (10, 20):
        name = f"replay_iter_{iteration}"
        assert read_solverstate(tmp_path / f"{name}.solverstate") == read_solverstate(
            golden / f"solver/{name}.solverstate"
        )
        expected = read_caffemodel(golden / f"solver/{name}.caffemodel")
        found = read_caffemodel(tmp_path / f"{name}.caffemodel")
        found.layer[0].cpmdata_param.source = expected.layer[0].cpmdata_param.source
        assert found == expected
    (tmp_path / "replay_iter_20.caffemodel").unlink()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the uninterrupted run had as many as there are cores
    train(solver, Options(engine="exact", device=device, snapshot=tmp_path / "replay_iter_15.solverstate", threads=1))
    torch.set_num_threads(threads)
    assert_same_weights(tmp_path / "replay_iter_20.caffemodel", golden / "solver/replay_iter_20.caffemodel")


def test_the_rate_outside_of_the_history_is_another_run(golden, tmp_path):
    """torch.optim.SGD's placement gives the same bits until the rate changes, and others from then on."""
    trace = np.load(golden / "solver/replay_itersize_trace.npz")
    solver = solver_of(golden, tmp_path, "replay_itersize")
    with prepare(solver, Options(engine="exact")) as training:
        for iteration in range(10):
            if iteration == 8:  # the rate is multiplied by gamma here
                for history in training.solver.history:
                    history.mul_(0.333)
            same = np.float32(training.step().outputs["loss_stage1"]) == trace["loss"][iteration, 0]
            assert same == (iteration <= 8)


def test_resuming_like_caffe_starts_data_and_random_numbers_over(golden, tmp_path):
    solver = solver_of(golden, tmp_path, "replay_dropout", max_iter=2, snapshot=1)
    train(solver, Options(engine="exact"))
    state, model = tmp_path / "replay_dropout_iter_1.solverstate", tmp_path / "replay_dropout_iter_2.caffemodel"
    uninterrupted = model.read_bytes()
    train(solver, Options(engine="exact", snapshot=state))
    assert model.read_bytes() == uninterrupted
    assert "where the snapshot left them" in (tmp_path / "replay_dropout.log").read_text()
    train(solver, Options(engine="exact", snapshot=state, resume_like_caffe=True))
    like_caffe = model.read_bytes()
    state.with_name(f"{state.name}.npz").unlink()
    train(solver, Options(engine="exact", snapshot=state))
    assert model.read_bytes() == like_caffe != uninterrupted
    assert "as Caffe does" in (tmp_path / "replay_dropout.log").read_text()


@pytest.fixture(scope="module")
def snapshot_folder(golden, tmp_path_factory):
    """A folder with a run of one iteration."""
    folder = tmp_path_factory.mktemp("snapshot")
    train(solver_of(golden, folder, "replay_itersize", max_iter=1, snapshot=1, iter_size=1), Options())
    return folder


@pytest.fixture
def snapshot(snapshot_folder, tmp_path):
    """(solver, solver state) after one iteration, to be damaged."""
    shutil.copytree(snapshot_folder, tmp_path, dirs_exist_ok=True)
    return tmp_path / "replay_itersize_solver.prototxt", tmp_path / "replay_itersize_iter_1.solverstate"


def test_the_fast_engine_resumes_to_the_bit_too(golden, tmp_path):
    solver = solver_of(golden, tmp_path, "replay_dropout", max_iter=3, snapshot=1, average_loss=3)
    train(solver, Options())
    model = tmp_path / "replay_dropout_iter_3.caffemodel"
    uninterrupted, log = model.read_bytes(), (tmp_path / "replay_dropout.log").read_text()
    train(solver, Options(snapshot=tmp_path / "replay_dropout_iter_1.solverstate"))
    assert model.read_bytes() == uninterrupted
    shown = [line.split("] ")[1] for line in log.splitlines() if ", loss = " in line]
    again = (tmp_path / "replay_dropout.log").read_text()[len(log) :]
    assert [line.split("] ")[1] for line in again.splitlines() if ", loss = " in line] == shown[1:]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a.pop("data/data/rand"), "data/rand: expected int64 of 1 axes, found none"),
        (lambda a: a.update(mt19937=np.zeros(5, np.uint32)), "mt19937: expected 625 values of uint32, found 5"),
        (lambda a: a.update(mt19937=np.full(625, 700, np.uint32)), "mt19937: the state of mt19937 must be"),
        (lambda a: a["fingerprint"].__setitem__(0, a["fingerprint"][0] ^ 1), "found that of other weights or history"),
        (lambda a: a.update({"data/data/cursor": np.int64(10**9)}), "expected a cursor below the LMDB's 9 records"),
        (lambda a: a.update(torch_cpu=np.zeros(3, np.uint8)), "torch's generator"),
    ],
)
def test_a_run_state_that_does_not_fit_is_told(snapshot, change, said):
    solver, state = snapshot
    path = state.with_name(f"{state.name}.npz")
    arrays = read_npz(path)
    change(arrays)
    write_npz(path, arrays)
    with pytest.raises(InputError, match=said):
        prepare(solver, Options(snapshot=state))


def test_a_damaged_run_state_is_told(snapshot):
    solver, state = snapshot
    path = state.with_name(f"{state.name}.npz")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"solverstate\.npz: expected a \.npz file"):
        prepare(solver, Options(snapshot=state))


def kill_and_resume(solver, folder, prefix, moments):
    """Runs the solver in a process of its own that is killed after each of `moments` seconds and then resumed."""
    for moment in [*moments, None]:
        states = list(folder.glob(f"{prefix}_iter_*.solverstate"))
        newest = max(states, key=lambda path: int(path.stem.rsplit("_", 1)[1]), default=None)
        command = [sys.executable, str(TRAIN), "--solver", str(solver), "--engine", "exact"]
        command += ["--snapshot", str(newest)] if newest else ["--overwrite"]  # a kill may come within the first one
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if moment is None:
            _, errors = process.communicate(timeout=600)
            assert process.returncode == 0, errors
            return
        wait_for_training(process)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.communicate()


def wait_for_training(process):
    """Until the process shows its first line: importing torch is not what is to be killed."""
    process.stdout.readline()


@pytest.mark.slow
def test_five_kills_of_the_replay_do_not_change_a_bit(golden, tmp_path):
    solver = solver_of(golden, tmp_path, "replay", snapshot=1)
    moments = np.random.default_rng().uniform(0.1, 3, 5).tolist()
    print("killed after", moments)
    kill_and_resume(solver, tmp_path, "replay", moments)
    assert_same_weights(tmp_path / "replay_iter_20.caffemodel", golden / "solver/replay_iter_20.caffemodel")


def test_a_kill_does_not_change_a_bit(golden, tmp_path):
    solver = solver_of(golden, tmp_path, "replay_itersize", snapshot=1)
    kill_and_resume(solver, tmp_path, "replay_itersize", [1.0])
    trace = np.load(golden / "solver/replay_itersize_trace.npz")
    weights = read_caffemodel(tmp_path / "replay_itersize_iter_10.caffemodel")
    for layer in weights.layer:
        for index, blob in enumerate(layer.blobs):
            key = f"iter10/{layer.name}/{index}"
            assert_same_bits(np.array(blob.data, np.float32).reshape(trace[key].shape), trace[key], key)


def test_a_state_is_never_without_its_run_state(golden, tmp_path):
    """The order of writing: weights, run state, solver state."""
    solver = solver_of(golden, tmp_path, "replay_itersize", max_iter=1, iter_size=1)
    with prepare(solver, Options()) as training:
        training.step()
        seen = []
        training.solver.snapshot(lambda state: seen.append((state.exists(), state.with_suffix(".caffemodel").exists())))
    assert seen == [(False, True)]
    assert schema.SolverState.FromString((tmp_path / "replay_itersize_iter_1.solverstate").read_bytes()).iter == 1
