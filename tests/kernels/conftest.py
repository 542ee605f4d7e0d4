"""What the tests of the CUDA twin share: its kernels, each source compiled once for the host."""

import ctypes

import pytest

from tests.kernels.cuda_on_host import compile_kernels


@pytest.fixture(scope="session")
def kernels_on_host(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The kernels of exact.cu as host functions."""
    return compile_kernels("exact/exact.cu", tmp_path_factory.mktemp("kernels"))


@pytest.fixture(scope="session")
def sample_kernels_on_host(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The kernels of sample.cu as host functions."""
    return compile_kernels("samples/sample.cu", tmp_path_factory.mktemp("kernels"))
