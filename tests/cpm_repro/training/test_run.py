"""Training against the original's traces, and what stays when it is stopped, resumed or given wrong files."""

import contextlib
import os
import shutil
import signal
import threading
import time
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch.nn import functional

from cpm_repro.training.log import parse_log
from cpm_repro.training.run import train
from cpm_repro.training.setup import Options, prepare
from prototxt_import.files import InputError
from prototxt_import.formats.caffemodel import read_caffemodel
from prototxt_import.net import Net
from tests.bits import assert_same_bits
from tests.tool import writable_copy


def start_from(training, trace, iteration):
    """Puts the trace's parameters of that iteration into the net."""
    with torch.no_grad():
        for blob in training.net.learnable:
            blob.parameter.copy_(torch.from_numpy(trace[f"iter{iteration}/{blob.layer}/{blob.index}"]))


@pytest.mark.parametrize(("name", "iterations"), [("replay", 20), ("replay_itersize", 10)])
def test_losses_follow_the_originals(golden, name, iterations, device):
    """The same data, start and update rule: the fast engine stays at float32 accuracy of the original's trace."""
    trace = np.load(golden / f"solver/{name}_trace.npz")
    with prepare(golden / f"solver/{name}_solver.prototxt", Options(device=device)) as training:
        start_from(training, trace, 0)
        for iteration in range(iterations):
            outputs = training.step().outputs
            losses = [outputs[output] for output in sorted(outputs)]
            np.testing.assert_allclose(losses, trace["loss"][iteration], rtol=1e-4, err_msg=str(iteration))


@pytest.mark.parametrize("name", ["replay", "replay_itersize"])
def test_parameters_follow_the_originals(golden, name):
    """One update, to float32 accuracy, of all layers but those before a pooling that picked another maximum.

    That happens where two values of a window are so close that rounding decides (in both replays at one window), and
    then the gradient goes another way, in any engine whose bits are not Caffe's.
    """
    trace = np.load(golden / f"solver/{name}_trace.npz")
    exact, fast = (one_step(golden / f"solver/{name}_solver.prototxt", trace, engine) for engine in ("exact", "fast"))
    before_other_picks = set()
    for pooling, batches in exact.pooled.items():
        if any(picks_differ(*pair, pooling) for pair in zip(batches, fast.pooled[pooling], strict=True)):
            before_other_picks |= layers_before(fast.net, pooling)
    compared = [blob for blob in fast.net.learnable if blob.layer not in before_other_picks]
    assert len(compared) >= 0.75 * len(fast.net.learnable)
    for blob in compared:
        expected, where = trace[f"iter1/{blob.layer}/{blob.index}"], f"{blob.layer}/{blob.index}"
        scale = max(np.abs(expected).max(), 1e-6)
        np.testing.assert_allclose(blob.parameter.detach(), expected, rtol=0, atol=1e-5 * scale, err_msg=where)


class Step(NamedTuple):
    """A net after one update, and what came into its max poolings, by layer and batch."""

    net: Net
    pooled: dict[str, list[torch.Tensor]]


def one_step(solver, trace, engine):
    with prepare(solver, Options(engine=engine)) as training:
        start_from(training, trace, 0)
        pooled = {}
        for layer in training.net.layers.values():
            if layer.spec.type == "Pooling" and layer.spec.pooling_param.pool == layer.spec.pooling_param.MAX:
                inputs = pooled.setdefault(layer.spec.name, [])
                layer.register_forward_hook(
                    lambda _layer, given, _made, inputs=inputs: inputs.append(given[0].detach())
                )
        training.step()
        return Step(training.net, pooled)


def picks_differ(exact, fast, where):
    """Whether 3/2 max pooling picks other elements; asserts that those hold the same value but for rounding."""
    padded = [functional.pad(x, (0, 1, 0, 1), value=-1.0) for x in (exact, fast)]  # ReLU made all of them 0 or more
    one, other = (functional.max_pool2d(x, 3, 2, return_indices=True)[1] for x in padded)
    values = padded[0].flatten(2)
    apart = (values.gather(2, one.flatten(2)) - values.gather(2, other.flatten(2))).abs().max()
    assert apart <= 1e-6 * exact.max(), f"{where}: picks of values {apart} apart"
    return bool((one != other).any())


def layers_before(net, name):
    """The layers whose gradients come through the layer `name`."""
    found, waiting = set(), [name]
    while waiting:
        bottoms = set(net.layer(waiting.pop()).spec.bottom)
        makers = {layer.name for layer in net.param.layer if bottoms & set(layer.top)} - found
        found |= makers
        waiting += makers
    return found


def write_solver(golden, folder, **fields):
    """A solver of the replay net in `folder`, whose LMDB is the golden one."""
    text = (golden / "solver/replay_train.prototxt").read_text()
    lmdb = (golden / "transform/mpi16_lmdb").resolve()
    (folder / "train.prototxt").write_text(text.replace("../transform/mpi16_lmdb", str(lmdb)))
    fields = {"max_iter": 4, "snapshot": 2, "display": 1, **fields}
    (folder / "solver.prototxt").write_text(
        'net: "train.prototxt" base_lr: 0.00001 momentum: 0.9 weight_decay: 0.0005 lr_policy: "step" gamma: 0.333 '
        'stepsize: 3 snapshot_prefix: "out/s" solver_mode: CPU random_seed: 7 '
        + " ".join(f"{name}: {value}" for name, value in fields.items())
    )
    return folder / "solver.prototxt"


def weights_of(path):
    return read_caffemodel(path).SerializeToString()


def test_a_run_leaves_log_and_snapshots_and_repeats_to_the_bit(golden, tmp_path, capsys, device):
    solver = write_solver(golden, tmp_path)
    assert train(solver, Options(device=device)) == tmp_path / "out/s_iter_4.caffemodel"
    suffixes = (".caffemodel", ".solverstate", ".solverstate.npz")
    files = {f"s_iter_{n}{suffix}" for n in (2, 4) for suffix in suffixes}
    assert {path.name for path in (tmp_path / "out").iterdir()} == files | {"s.log", "s.csv"}
    log = parse_log(tmp_path / "out/s.log")
    assert list(log.iterations) == [0, 1, 2, 3, 4] and list(log.losses) == ["loss_stage1", "loss_stage2", "loss_stage3"]
    assert log.rates[3] == pytest.approx(0.333e-5)
    np.testing.assert_allclose(log.loss[:4], sum(log.losses.values())[:4], rtol=1e-4)
    assert np.isnan(log.rates[4])  # one more pass, to be displayed only
    assert "Optimization Done." in capsys.readouterr().out
    first = weights_of(tmp_path / "out/s_iter_4.caffemodel")
    train(solver, Options(device=device, threads=1, overwrite=True))
    assert weights_of(tmp_path / "out/s_iter_4.caffemodel") == first


def test_another_srand_gives_other_samples(golden, tmp_path):
    solver = write_solver(golden, tmp_path)
    with prepare(solver, Options()) as one, prepare(solver, Options(srand=2)) as two:
        assert one.step().loss != two.step().loss


def test_resuming_continues_weights_history_and_rate(golden, tmp_path):
    solver = write_solver(golden, tmp_path)
    train(solver, Options())
    state = tmp_path / "out/s_iter_2.solverstate"
    with prepare(solver, Options(snapshot=state)) as resumed:
        assert resumed.solver.iteration == 2
        for blob in resumed.net.learnable:
            (stored,) = (b for b in read_caffemodel(tmp_path / "out/s_iter_2.caffemodel").layer if b.name == blob.layer)
            expected = np.array(stored.blobs[blob.index].data, np.float32).reshape(blob.parameter.shape)
            assert_same_bits(blob.parameter.detach().numpy(), expected, blob.layer)
    train(solver, Options(snapshot=state))
    assert list(parse_log(tmp_path / "out/s.log").iterations) == [0, 1, 2, 3, 4]


@contextlib.contextmanager
def sending(folder, *signals):
    """Signals to this process: the first when the log tells of an iteration, each other after one more snapshot."""

    def send():
        log = folder / "s.log"
        while not (log.exists() and "Iteration 0, loss" in log.read_text()):
            time.sleep(0.02)
        for snapshots, number in enumerate(signals):
            while len(list(folder.glob("*.solverstate"))) < snapshots:
                time.sleep(0.02)
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    yield
    thread.join()


def test_ctrl_c_snapshots_and_stops(golden, tmp_path):
    solver = write_solver(golden, tmp_path, max_iter=100000, snapshot=100000)
    with sending(tmp_path / "out", signal.SIGINT):
        model = train(solver, Options())
    assert model.is_file() and model.with_suffix(".solverstate").is_file()
    assert "stopped early" in (tmp_path / "out/s.log").read_text()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_starting_anew_needs_a_word_and_keeps_the_old_log(golden, tmp_path):
    solver = write_solver(golden, tmp_path, max_iter=2)
    train(solver, Options())
    before = (tmp_path / "out/s.log").read_text()
    with pytest.raises(InputError, match=r"found s_iter_2\.caffemodel; s_iter_2\.solverstate: --snapshot goes on"):
        train(solver, Options())
    train(solver, Options(snapshot=tmp_path / "out/s_iter_2.solverstate"))
    train(solver, Options(overwrite=True))
    log = (tmp_path / "out/s.log").read_text()
    assert log.startswith(before) and log.count("Log file created") == 1 and log.count("] Solving ") == 3


def test_sighup_snapshots_and_the_run_goes_on(golden, tmp_path):
    solver = write_solver(golden, tmp_path, max_iter=100000, snapshot=100000)
    with sending(tmp_path / "out", signal.SIGHUP, signal.SIGTERM):
        last = train(solver, Options())
    assert len(list((tmp_path / "out").glob("s_iter_*.solverstate"))) == 2 and last.is_file()


def test_files_of_two_runs_are_told_apart(golden, tmp_path):
    """A state with another run's weights, however the run is to go on; a snapshot that was copied has its own."""
    for seed in (7, 8):
        (tmp_path / str(seed)).mkdir()
        train(write_solver(golden, tmp_path / str(seed), max_iter=2), Options(srand=seed))
    shutil.copytree(tmp_path / "7/out", tmp_path / "copy")
    state = tmp_path / "copy/s_iter_2.solverstate"
    with prepare(tmp_path / "8/solver.prototxt", Options(snapshot=state)) as resumed:
        assert resumed.resumed_exactly
    shutil.copy(tmp_path / "8/out/s_iter_2.caffemodel", tmp_path / "copy")
    for like_caffe in (False, True):
        with pytest.raises(InputError, match="the three files are not of one run"):
            prepare(tmp_path / "7/solver.prototxt", Options(snapshot=state, resume_like_caffe=like_caffe))


def test_an_lmdb_that_is_cut_short_meanwhile_is_told(golden, tmp_path):
    solver = write_solver(golden, tmp_path)
    writable_copy(golden / "transform/mpi16_lmdb", tmp_path / "lmdb")
    net = tmp_path / "train.prototxt"
    net.write_text(net.read_text().replace(str((golden / "transform/mpi16_lmdb").resolve()), "lmdb"))
    with prepare(solver, Options(threads=1)) as training:
        training.step()
        os.truncate(tmp_path / "lmdb/data.mdb", 100_000)
        with pytest.raises(InputError, match=r"data.mdb: expected \d+ bytes as when it was opened, found 100000"):
            for _ in range(10):
                training.step()


def test_finetuning_starts_from_weights(golden, tmp_path):
    solver = write_solver(golden, tmp_path)
    with prepare(solver, Options(weights=golden / "solver/replay_iter_20.caffemodel")) as training:
        trace = np.load(golden / "solver/replay_trace.npz")
        blob = training.net.learnable[0]
        assert_same_bits(blob.parameter.detach().numpy(), trace["iter20/conv1_stage1/0"], "conv1_stage1/0")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('base_lr: 1 max_iter: 1 lr_policy: "fixed"', "expected one of net, train_net"),
        (
            'net: "nowhere.prototxt" base_lr: 1 max_iter: 1 lr_policy: "fixed"',
            r"net: expected the file 'nowhere\.prototxt'",
        ),
        (
            'net: "deploy.prototxt" base_lr: 1 max_iter: 1 lr_policy: "fixed"',
            "expected data layers in the TRAIN phase .* found Input",
        ),
        ('net: "broken.prototxt" base_lr: 1 max_iter: 1 lr_policy: "fixed"', r"broken\.prototxt: layer 'a'"),
        ('net: "train.prototxt" base_lr: 1 max_iter: 1 lr_polcy: "fixed"', r"solver\.prototxt:1:.*lr_polcy"),
    ],
)
def test_wrong_solvers_are_told_in_one_sentence(tmp_path, text, said):
    (tmp_path / "deploy.prototxt").write_text(
        'layer { name: "i" type: "Input" top: "i" input_param { shape { dim: 1 } } }'
    )
    (tmp_path / "broken.prototxt").write_text('layer { name: "a" type: "ReLU" bottom: "b" top: "a" }')
    (tmp_path / "solver.prototxt").write_text(text)
    with pytest.raises(InputError, match=said):
        train(tmp_path / "solver.prototxt", Options())


def test_a_missing_lmdb_is_named(golden, tmp_path):
    solver = write_solver(golden, tmp_path)
    net = tmp_path / "train.prototxt"
    net.write_text(net.read_text().replace("mpi16_lmdb", "no_lmdb"))
    with pytest.raises(InputError, match="no_lmdb"):
        train(solver, Options())
