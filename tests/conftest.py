"""Where the golden files (what the original computed) and the real photographs are found, if they are there."""

from pathlib import Path

import pytest

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
