"""Where the golden files (what the original computed), the real photographs and a card are found, if they are there;
what undoes a command's hold on Ctrl-C; and each test's own random numbers.
"""

import ctypes
import shutil
import signal
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.kernels.cuda_on_host import compile_kernels
from tests.tool import ROOT, run_command

signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
DEMO_ITERATIONS = {20: 750, 40: 1500}  # of the tests' demo, and those that the examples name
SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared_folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"no golden files: ../shared/{name} is not beside the project")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """../shared/golden: blobs, samples and traces the original wrote."""
    return _shared_folder("golden")


@pytest.fixture(scope="session")
def golden2() -> Path:
    """../shared/golden2: the same of other solvers, machines, layers and data sources."""
    return _shared_folder("golden2")


@pytest.fixture(scope="session")
def release_annotations() -> Path:
    """../shared/annotations: MPII's whole JSON, the validation list's file, FLIC's examples; no photographs."""
    return _shared_folder("annotations")


@pytest.fixture(scope="session")
def lspet() -> Path:
    """../shared/lspet: 2,500 photographs of the LSP extended set, with joints.mat."""
    return _shared_folder("lspet")


@pytest.fixture(autouse=True)
def torch_as_it_was(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test draws from torch's generator, and torch's number of threads, do not depend on the tests before it."""
    torch.manual_seed(zlib.crc32(request.node.nodeid.encode()))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For nets that are so small that threads wait for each other most of the time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    """The CPU, and a card where there is one."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return request.param


@pytest.fixture(scope="session")
def demo_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tools/, the models, and what `make demo` leaves, after few iterations."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "tools", folder / "tools")
    shutil.copytree(ROOT / "cpm_repro/models", folder / "cpm_repro/models")
    last = max(DEMO_ITERATIONS)
    run_command(f"python tools/walkthrough.py --out build/demo --iterations {last}", folder)
    models = folder / "build/demo/models"
    for iteration, named in DEMO_ITERATIONS.items():
        for suffix in ("caffemodel", "solverstate", "solverstate.npz"):
            shutil.copy(models / f"people_iter_{iteration}.{suffix}", models / f"people_iter_{named}.{suffix}")
    return folder


@pytest.fixture(scope="session")
def kernels_on_host(tmp_path_factory: pytest.TempPathFactory) -> list[ctypes.CDLL]:
    """The kernels of exact.cu and families.cu as host functions."""
    folder = tmp_path_factory.mktemp("kernels")
    return [compile_kernels(f"exact/{name}.cu", folder) for name in ("exact", "families")]


@pytest.fixture(scope="session")
def sample_kernels_on_host(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The kernels of sample.cu as host functions."""
    return compile_kernels("samples/sample.cu", tmp_path_factory.mktemp("kernels"))


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """What a command does to Ctrl-C is undone."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)
