"""glibc_expf and glibc_powf against this machine's libm: a sample quickly, all arguments slowly."""

import ctypes
import ctypes.util
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cpm_kernels.exact.elementary import expf
from tests.bits import assert_same_bits

SOURCES = Path(__file__).resolve().parents[3] / "kernels" / "src"
needs_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or platform.machine() != "x86_64",
    reason="the expf meant is glibc's on x86-64",
)


def _libm_expf(x: np.ndarray) -> np.ndarray:
    function = ctypes.CDLL(ctypes.util.find_library("m")).expf
    function.argtypes, function.restype = [ctypes.c_float], ctypes.c_float
    return np.array([function(value) for value in x.tolist()], np.float32)


@needs_glibc
def test_same_bits_as_libm() -> None:
    random = np.random.default_rng(0)
    bits = random.integers(0x80000000, np.float32(-4.6052).view(np.uint32), 20000, endpoint=True)
    x = np.concatenate([bits.astype(np.uint32).view(np.float32), random.uniform(-4.6052, 0, 20000).astype(np.float32)])
    x = np.concatenate([x, random.uniform(-87, 88, 5000).astype(np.float32), np.float32([0.0, -0.0, -4.6052])])
    assert_same_bits(expf(x), _libm_expf(x), "expf")


def differing(name: str, folder: Path, *words: str) -> str:
    """What the exhaustive comparison tests/kernels/<name>.cpp prints: how many values differ from libm's."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not installed")
    source = Path(__file__).parents[1] / f"{name}.cpp"
    flags = ["-O2", "-mfma", "-fno-builtin", "-ffp-contract=off", f"-I{SOURCES}"]
    subprocess.run([compiler, *flags, str(source), "-o", str(folder / name), "-lm"], check=True)
    return subprocess.run([folder / name, *words], capture_output=True, text=True, check=True).stdout


@needs_glibc
@pytest.mark.slow
def test_expf_has_the_bits_of_libm_everywhere(tmp_path: Path) -> None:
    assert differing("expf_exhaustive", tmp_path) == "0\n"


@needs_glibc
@pytest.mark.parametrize("step", ["1009", pytest.param("1", marks=pytest.mark.slow)])
def test_powf_has_the_bits_of_libm(tmp_path: Path, step: str) -> None:
    """Four million squares and two million roots, subnormal ones too; slowly all of them."""
    assert differing("powf_exhaustive", tmp_path, step) == "0\n"


@pytest.mark.parametrize("x", [-88.0, 89.0, np.nan, np.inf])
def test_outside_the_normal_range_is_refused(x: float) -> None:
    with pytest.raises(ValueError, match="between"):
        expf(np.float32([0, x]))
