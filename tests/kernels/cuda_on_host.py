"""Launches the kernels of a .cu file on the host, compiled by the C++ compiler: what the tests put in CuPy's place."""

import ctypes
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cpm_kernels.cuda_module import SOURCES, scalar


def compile_kernels(source: str, folder: Path) -> ctypes.CDLL:
    """The kernels of `source`, such as exact/exact.cu, as a library for the host; skips without a compiler.

    What is compiled is <name>_on_host.cpp beside this file, which includes the source and lists its kernels.
    """
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not installed")
    stem = Path(source).stem
    library = folder / f"{stem}_on_host.so"
    flags = ["-O2", "-std=c++17", "-ffp-contract=off", "-shared", "-fPIC", f"-I{SOURCES}"]
    if platform.machine() == "x86_64" and " fma " in Path("/proc/cpuinfo").read_text():
        flags.append("-mfma")  # else fmaf is a function of the C library: the same bits, slowly
    program = Path(__file__).with_name(f"{stem}_on_host.cpp")
    subprocess.run([compiler, *flags, str(program), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


class HostLauncher:
    """Has cuda_module.launch's arguments, for the kernels of some sources; threads run in ascending or, if
    `reversed_threads`, descending order."""

    def __init__(self, *libraries: ctypes.CDLL, reversed_threads: bool = False) -> None:
        self.libraries, self.reversed_threads = libraries, reversed_threads

    def __call__(
        self, name: str, grid: tuple[int, int, int], threads: int, *arguments: Any, source: str = "exact/exact.cu"
    ) -> None:
        held = [_as_ctypes(value) for value in arguments]
        addresses = (ctypes.c_void_p * len(held))(*(ctypes.addressof(value) for value in held))
        how = (name.encode(), (ctypes.c_int * 3)(*grid), threads, int(self.reversed_threads), addresses)
        known = any(library.launch_on_host(*how) == 0 for library in self.libraries)
        assert known, f"{name} of {source} is not listed among the kernels compiled for the host"


def _as_ctypes(value: Any) -> Any:
    if value is None:
        return ctypes.c_void_p(None)
    if isinstance(value, torch.Tensor):
        assert value.is_contiguous()
        return ctypes.c_void_p(value.data_ptr())
    number = scalar(value)
    return np.ctypeslib.as_ctypes_type(number.dtype)(number.item())
