"""What is meant for GPUs compiles for them: NVRTC makes cubins, and reports registers, stack frames and spills."""

import ctypes
import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

from cpm_kernels.cuda_module import OPTIONS, expanded_source
from cpm_kernels.exact.cuda import TILES


@cache
def nvrtc() -> ctypes.CDLL:
    """The library from the package nvidia-cuda-nvrtc, wherever its version puts it; skips without it."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in spec.submodule_search_locations] if spec else []
    found = sorted(path for folder in folders for path in folder.glob("**/lib/libnvrtc.so*"))
    if not found:
        pytest.skip("NVRTC (package nvidia-cuda-nvrtc) is not installed")
    return ctypes.CDLL(str(found[0]))


def compile_cubin(source: str, options: list[str]) -> tuple[bytes, str]:
    """The cubin and the compiler's log."""
    library, program = nvrtc(), ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"source.cu", 0, None, None)
    arguments = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    result = library.nvrtcCompileProgram(program, len(options), arguments)
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    assert result == 0, log.value.decode()
    library.nvrtcGetCUBINSize(program, ctypes.byref(size))
    cubin = ctypes.create_string_buffer(size.value)
    library.nvrtcGetCUBIN(program, cubin)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return cubin.raw, log.value.decode()


_REPORT = re.compile(
    r"entry function '(?P<name>\w+)'.*?(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, "
    r"(?P<loads>\d+) bytes spill loads.*?Used (?P<registers>\d+) registers",
    re.DOTALL,
)
ARCHITECTURES = ["sm_80", "sm_90", "sm_100"]


def report_of(source: str, architecture: str) -> dict[str, dict[str, int]]:
    """Registers, stack frame and spills of each kernel of a source, which are printed too."""
    options = [f"--gpu-architecture={architecture}", *OPTIONS, "--ptxas-options=--verbose"]
    cubin, log = compile_cubin(expanded_source(source), options)
    assert cubin[:4] == b"\x7fELF"
    report = {}
    for found in _REPORT.finditer(log):
        name, *numbers = found.groups()
        report[name] = dict(zip(("stack", "stores", "loads", "registers"), map(int, numbers), strict=True))
    print(f"{architecture}: registers", {name: numbers["registers"] for name, numbers in report.items()})
    return report


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_exact_kernels_keep_their_sums_in_registers(architecture: str) -> None:
    report = report_of("exact/exact.cu", architecture)
    tiled = [name for name in report if name.endswith(tuple(TILES))]
    assert len(tiled) == 6 * len(TILES) and len(report) > len(tiled)
    for name, numbers in report.items():
        assert numbers["stores"] == numbers["loads"] == 0, f"{name} spills on {architecture}: {numbers}"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_sample_kernels_stay_in_registers(architecture: str) -> None:
    report = report_of("samples/sample.cu", architecture)
    assert set(report) == {"resize_regions", "fill_warp_weights", "rotate_and_crop", "label_maps"}
    for name, numbers in report.items():
        assert numbers["stack"] == numbers["stores"] == numbers["loads"] == 0, f"{name} on {architecture}: {numbers}"
