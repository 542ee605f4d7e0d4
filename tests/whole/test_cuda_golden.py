"""The CUDA twin against the original: nets and training of the golden files, computed by its kernels.

The exact engine runs with its products, pooling, ReLU and update taken from cpm_kernels.cuda, whose kernels run on
the host, tile by tile, or, marked `gpu`, on a CUDA device.
"""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from cpm_kernels import cuda_module
from cpm_kernels.exact import cuda
from cpm_kernels.exact.profiles import Profile
from cpm_kernels.exact.solvers import SolverStep
from cpm_repro.training import update
from cpm_repro.training.loop import Training
from cpm_repro.training.setup import Options, prepare
from cpm_repro.training.trace import BlobRecorder
from prototxt_import.exact import kernels
from prototxt_import.net import load_net
from tests.bits import assert_same_bits
from tests.golden_cores import CoreRecord
from tests.kernels.cuda_on_host import HostLauncher


def through(function: Callable, device: str) -> Callable:
    """`function` of tensors on the device, called with arrays; arrays that it adds to are changed in place.

    The arrays' functions take a number of threads besides, which a card has no use for.
    """
    count = len(inspect.signature(function).parameters)

    def called(*arguments: object, **named: object) -> object:
        arguments = (*arguments, *named.values())[:count]
        tensors = [torch.from_numpy(a).to(device) if isinstance(a, np.ndarray) else a for a in arguments]
        results = function(*tensors)
        for before, after in zip(arguments, tensors, strict=True):
            if isinstance(before, np.ndarray) and device != "cpu":
                before[...] = after.cpu().numpy()
        if isinstance(results, tuple):
            return tuple(result.cpu().numpy() for result in results)
        return results.cpu().numpy() if isinstance(results, Tensor) else None

    return called


def add_row_sums(image: Tensor, sums: Tensor, profile: Profile) -> None:
    cuda.add_bias_gradient(image.reshape(1, *image.shape, 1), sums, profile)


def solver_update(
    weight: Tensor, gradient: Tensor, history: Tensor, step: SolverStep, second: Tensor | None, threads: int
) -> None:
    cuda.solver_update([weight], [gradient], [history], [step], [second])


@pytest.fixture(params=["host", pytest.param("cuda", marks=pytest.mark.gpu)])
def twin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The exact engine on the twin's kernels; the names of those that were launched."""
    launch, launched = cuda_module.launch, set()
    if request.param == "host":
        launch = HostLauncher(*request.getfixturevalue("kernels_on_host"))
    elif not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    else:
        pytest.importorskip("cupy", reason="CuPy is not installed")

    def recorded(name: str, *arguments: object, source: str = "exact/exact.cu") -> None:
        launched.add(name.rsplit("_", 1)[0] if name.endswith(tuple(cuda.TILES)) else name)
        launch(name, *arguments, source=source)

    monkeypatch.setattr(cuda_module, "launch", recorded)
    device = "cpu" if request.param == "host" else "cuda"

    def namespace(*functions: Callable) -> SimpleNamespace:
        return SimpleNamespace(**{function.__name__: through(function, device) for function in functions})

    products = namespace(cuda.convolve, cuda.convolve_transposed, cuda.add_weight_gradient)
    pools = namespace(cuda.max_pool, cuda.max_pool_gradient, cuda.ave_pool, cuda.ave_pool_gradient)
    monkeypatch.setattr(kernels, "convolution", products)
    monkeypatch.setattr(kernels, "blas", namespace(add_row_sums))
    monkeypatch.setattr(kernels, "pooling", pools)
    monkeypatch.setattr(kernels, "elementary", namespace(cuda.relu, cuda.relu_gradient))
    monkeypatch.setattr(update, "solver_update", through(solver_update, device))
    yield launched


def test_every_blob_of_a_cpm(twin: set[str], golden: Path) -> None:
    name = golden / "net/mini_cpm_deploy"
    net = load_net(name.with_suffix(".prototxt"), name.with_suffix(".caffemodel"), engine="exact")
    expected = np.load(f"{name}_blobs.npz")
    with torch.no_grad():
        blobs = net({blob: torch.from_numpy(expected[blob]) for blob in net.input_shapes})
    compared = [blob for blob in expected.files if blob in blobs]
    assert len(compared) == 40
    for blob in compared:
        assert_same_bits(blobs[blob].numpy(), expected[blob], blob)
    assert {"convolution", "convolution_lanes", "product_nn", "max_pool", "ave_pool", "relu"} <= twin


@pytest.mark.parametrize("core", ["haswell", "haswell_threads2", "cooperlake_threads2", "nehalem"])
def test_every_blob_of_other_machines(twin: set[str], golden: Path, golden2: Path, core: str) -> None:
    name, record = golden / "net/mini_cpm_deploy", CoreRecord(golden2.parent, core)
    engine = f"exact:{core.replace('_', '-')}"
    net = load_net(name.with_suffix(".prototxt"), name.with_suffix(".caffemodel"), engine=engine)
    with torch.no_grad():
        blobs = net({"data": torch.from_numpy(np.load(f"{name}_blobs.npz")["data"])})
    found = {blob: blobs[blob.removeprefix("mini/")].numpy() for blob in record.names("mini/")}
    assert len(found) == 40 and not record.wrong(found)
    assert core.startswith("cooperlake") or any(kernel.startswith(("fused_", "rounded_")) for kernel in twin)


def test_the_first_iterations_of_training(twin: set[str], golden: Path) -> None:
    """Blobs, their gradients and the update of iteration 1; parameters after 1 and 5; losses of all five."""
    trace = np.load(golden / "solver/replay_trace.npz")
    with prepare(golden / "solver/replay_solver.prototxt", Options(engine="exact")) as training:
        for iteration in range(5):
            with BlobRecorder(training.net) as recorder:
                outputs = _step(training, recorder if iteration == 0 else None)
            losses = np.array([outputs[name] for name in sorted(outputs)], np.float32)
            assert_same_bits(losses, trace["loss"][iteration], f"losses of iteration {iteration}")
            if iteration == 0:
                _compare_first(training, recorder, trace)
        _compare_parameters(training, trace, 5)
    assert {"data_gradient", "weight_gradient", "max_pool_backward", "relu_backward", "solver_update"} <= twin
    assert {"block_sums", "add_block_sums"} <= twin


def _step(training: Training, recorder: BlobRecorder | None) -> dict[str, float]:
    training.solver.clear_gradients()
    outputs = training.forward_backward([recorder] if recorder else [])
    training.solver.apply_update()
    return outputs


def _compare_first(training: Training, recorder: BlobRecorder, trace: np.lib.npyio.NpzFile) -> None:
    compared = 0
    for kind, arrays in (("blob1", recorder.values()), ("blobdiff1", recorder.gradients())):
        for name, array in arrays.items():
            if f"{kind}/{name}" in trace.files:
                assert_same_bits(array, trace[f"{kind}/{name}"], f"{kind}/{name}")
                compared += 1
    assert compared > 50
    for blob, history in zip(training.net.learnable, training.solver.history, strict=True):
        name = f"update1/{blob.layer}/{blob.index}"
        assert_same_bits(history.numpy(), trace[name], name)
    _compare_parameters(training, trace, 1)


def _compare_parameters(training: Training, trace: np.lib.npyio.NpzFile, iteration: int) -> None:
    for blob in training.net.learnable:
        name = f"iter{iteration}/{blob.layer}/{blob.index}"
        assert_same_bits(blob.parameter.detach().numpy(), trace[name], name)
