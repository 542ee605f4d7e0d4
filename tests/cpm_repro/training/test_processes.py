"""Training in several processes: one process's bits in the exact engine, 1e-6 in the fast one, and clean ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from google.protobuf import text_format

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.npz import read_npz
from cpm_repro.samples.data_layer import CPMData, DataOptions
from cpm_repro.training import processes
from cpm_repro.training.processes import check_shareable, in_touch
from cpm_repro.training.run import train
from cpm_repro.training.setup import Options
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.formats.blobs import blob_to_array
from prototxt_import.formats.caffemodel import read_caffemodel
from prototxt_import.formats.prototxt import read_net
from prototxt_import.net import Net
from prototxt_import.share import Share
from tests.bits import assert_same_bits
from tests.tool import running
from tests.whole.test_golden_training import TRAIN, assert_same_trace, solver_of

PATIENCE = 600  # seconds, on a machine that has much else to do


def torchrun(processes: int, solver: Path, *arguments: object) -> list[str]:
    """The command line, on a free port."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [*launcher, str(TRAIN), "--solver", str(solver), *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess:
    """torchrun to its end, output as text."""
    return subprocess.run(torchrun(*arguments), capture_output=True, text=True, timeout=PATIENCE)


def test_the_exact_engine_gives_the_originals_bits(golden, tmp_path):
    """Dropout's draws, losses, parameters, the first iteration's blobs and their gradients."""
    solver = solver_of(golden, tmp_path, "replay_dropout")
    done = run(2, solver, "--engine", "exact", "--trace", tmp_path / "trace.npz")
    assert done.returncode == 0, done.stderr
    assert_same_trace(read_npz(tmp_path / "trace.npz"), np.load(golden / "solver/replay_dropout_trace.npz"))
    assert done.stdout.count("written: ") == 1 and done.stdout.count("Optimization Done.") == 2


def test_iter_size_clipping_and_going_on_alone(golden, tmp_path):
    """Two processes to iteration 5 and one from there on: the original's uninterrupted run."""
    done = run(2, solver_of(golden, tmp_path, "replay_itersize", max_iter=5), "--engine", "exact")
    assert done.returncode == 0, done.stderr
    state = tmp_path / "replay_itersize_iter_5.solverstate"
    model = train(solver_of(golden, tmp_path, "replay_itersize"), Options(engine="exact", snapshot=state))
    trace = np.load(golden / "solver/replay_itersize_trace.npz")
    for layer in read_caffemodel(model).layer:
        for index, blob in enumerate(layer.blobs):
            expected = trace[f"iter10/{layer.name}/{index}"]
            assert_same_bits(blob_to_array(blob, layer.name), expected, f"{layer.name}/{index}")


def test_the_fast_engine_is_within_a_millionth(golden, tmp_path):
    """Losses, and parameters after three iterations of two passes, of each blob's largest."""
    solver = solver_of(golden, tmp_path, "replay_itersize", max_iter=3)
    # As many threads as torchrun gives each: torch's own sums depend on them, and a tie in a pooling on those.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train(solver, Options(trace=tmp_path / "one.npz"))
    torch.set_num_threads(threads)
    done = run(2, solver, "--overwrite", "--trace", tmp_path / "two.npz")
    assert done.returncode == 0, done.stderr
    one, two = (read_npz(tmp_path / name) for name in ("one.npz", "two.npz"))
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=1e-6)
    for key in (key for key in one if key.startswith("iter3/")):
        np.testing.assert_allclose(two[key], one[key], rtol=0, atol=1e-6 * np.abs(one[key]).max(), err_msg=key)


@pytest.fixture
def endless(golden, tmp_path) -> Iterator[subprocess.Popen]:
    """Two processes that have begun to train and would go on."""
    solver = solver_of(golden, tmp_path, "replay_itersize", max_iter=100000, snapshot=100000)
    with subprocess.Popen(torchrun(2, solver), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while "Iteration 0, loss" not in process.stdout.readline():
            assert process.poll() is None, process.stderr.read()
        yield process
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_ctrl_c_snapshots_once_and_stops(endless, tmp_path):
    endless.send_signal(signal.SIGINT)
    stdout, _ = endless.communicate(timeout=PATIENCE)
    assert len(list(tmp_path.glob("*.solverstate"))) == 1 and "stopped early" in stdout
    assert "stopped early" in (tmp_path / "replay_itersize.log").read_text()


def test_a_killed_process_ends_the_others_with_a_sentence(endless):
    os.kill(int(workers_of(endless)[-1]), signal.SIGKILL)
    _, stderr = endless.communicate(timeout=PATIENCE)
    assert endless.returncode
    assert re.search(
        r"^train\.py: process \d of 2: expected the others to go on, found that one has ended", stderr, re.M
    )


def test_the_processes_end_when_torchrun_is_killed(endless, tmp_path):
    """And leave a snapshot."""
    workers = workers_of(endless)
    endless.kill()
    deadline = time.monotonic() + PATIENCE
    while any(running(child) for child in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(workers) == 2 and len(list(tmp_path.glob("*.solverstate"))) == 1


def workers_of(launcher: subprocess.Popen) -> list[str]:
    """The processes that torchrun started to train."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    return [child for child in children if "--solver" in Path(f"/proc/{child}/cmdline").read_text()]


@pytest.fixture
def alone() -> Iterator[None]:
    """A group of one process."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


LOST = "[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4242. Look there."


@pytest.mark.parametrize("error", [RuntimeError(LOST), dist.DistNetworkError("Connection closed by peer. Sorry.")])
def test_a_lost_connection_is_told_in_a_sentence(alone, error):
    said = r"process 0 of 1: expected the others to go on, found that one has ended \(Connection closed by peer"
    with pytest.raises(InputError, match=said), in_touch():
        raise error


def test_other_errors_keep_their_words(alone):
    with pytest.raises(RuntimeError, match="negative dimension"), in_touch():
        torch.empty(-1)


def test_a_torchrun_that_ended_before_its_process_began_is_told(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with socket.socket() as torchrun:
        torchrun.bind(("127.0.0.1", 0))  # nobody else gets the port; who does not listen refuses
        monkeypatch.setenv("MASTER_PORT", str(torchrun.getsockname()[1]))
        with pytest.raises(
            InputError, match=r"^127\.0\.0\.1:\d+: expected torchrun there, found nobody: it has ended$"
        ):
            processes._check_parent()
        torchrun.listen()
        processes._check_parent()


def part(rank: int, count: int) -> Share:
    """A share without processes, for what asks nothing of the others."""
    share = Share()
    share.rank, share.count = rank, count
    return share


def test_each_process_makes_its_rows_of_every_batch(golden):
    layer = read_net(golden / "solver/replay_train.prototxt").layer[0]

    def batches(share: Share) -> list[np.ndarray]:
        options = DataOptions(share=share)
        with CPMData(layer, golden / "solver", GlibcRand(), options=options) as data:
            taken = [data.next_batch()["data"].numpy().copy() for _ in range(3)]
            assert data.shapes["data"] == taken[0].shape
            return [*taken, np.array(data.state()["rand"])]

    whole, first, second = (batches(share) for share in (part(0, 1), part(0, 2), part(1, 2)))
    for one, *parts in zip(whole[:-1], first[:-1], second[:-1], strict=True):
        assert_same_bits(np.concatenate(parts), one, "data")
    assert np.array_equal(first[-1], whole[-1]) and np.array_equal(second[-1], whole[-1])


DATA = """layer { name: "d" type: "CPMData" top: "data" cpmdata_param { batch_size: 4 }
    transform_param { crop_size_x: 8 crop_size_y: 16 } }"""
BATCH_NORM = 'layer { name: "n" type: "BatchNorm" bottom: "data" top: "n" }'
AXIS_0 = 'layer { name: "n" type: "Concat" bottom: "data" bottom: "data" top: "n" concat_param { axis: 0 } }'


@pytest.mark.parametrize(
    ("count", "layer", "said"),
    [
        (3, "", "expected a batch_size that 3 processes share equally, found 4"),
        (2, BATCH_NORM, "layer 'n': expected a type that computes image by image, .*found BatchNorm"),
        (2, AXIS_0, r"blob 'n': expected 4 images along axis 0, found shape \(8, 4, 16, 8\)"),
    ],
)
def test_what_cannot_be_shared_is_told(count, layer, said):
    net = Net(text_format.Parse(DATA + layer, schema.NetParameter()), "TRAIN")
    check_shareable(net, part(0, 1), "x.prototxt")
    with pytest.raises(InputError, match=rf"x\.prototxt: {said}"):
        check_shareable(net, part(0, count), "x.prototxt")


@pytest.mark.parametrize("depthwise", ["DepthwiseConvolution", "ConvolutionDepthwise"])
def test_depthwise_convolutions_can_be_shared(depthwise):
    layer = f"""layer {{ name: "n" type: "{depthwise}" bottom: "data" top: "n"
        convolution_param {{ num_output: 4 group: 4 kernel_size: 3 }} }}"""
    check_shareable(Net(text_format.Parse(DATA + layer, schema.NetParameter()), "TRAIN"), part(0, 2), "x.prototxt")
