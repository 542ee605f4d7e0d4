"""Where the golden files (what the original computed), the real photographs and a card are found, if they are there."""

from pathlib import Path

import pytest
import torch

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
def lspet() -> Path:
    """../shared/lspet: 2,500 photographs of the LSP extended set, with joints.mat."""
    return _shared_folder("lspet")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    """The CPU, and a card where there is one."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return request.param
