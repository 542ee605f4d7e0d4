"""What the tests of the CUDA twin share: its kernels, compiled once for the host."""

import ctypes

import pytest
from cuda_on_host import compile_kernels


@pytest.fixture(scope="session")
def kernels_on_host(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The kernels of exact.cu as host functions."""
    return compile_kernels(tmp_path_factory.mktemp("kernels"))
