"""Every header of kernels/src compiles for GPUs: NVRTC makes a cubin of a kernel that calls all of them."""

import ctypes
import importlib.util
from functools import cache
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "kernels" / "src"


@cache
def nvrtc() -> ctypes.CDLL:
    """The library from the package nvidia-cuda-nvrtc, wherever its version puts it; skips without it."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in spec.submodule_search_locations] if spec else []
    found = sorted(path for folder in folders for path in folder.glob("**/lib/libnvrtc.so*"))
    if not found:
        pytest.skip("NVRTC (package nvidia-cuda-nvrtc) is not installed")
    return ctypes.CDLL(str(found[0]))


def compile_cubin(source: Path, options: list[str]) -> bytes:
    library, program = nvrtc(), ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), source.read_bytes(), source.name.encode(), 0, None, None)
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
    return cubin.raw


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100"])
def test_every_header_compiles(architecture: str) -> None:
    options = [f"--gpu-architecture={architecture}", "--fmad=false", "--std=c++17", f"--include-path={SOURCES}"]
    cubin = compile_cubin(Path(__file__).with_name("every_header.cu"), options)
    assert cubin[:4] == b"\x7fELF" and b"every_header" in cubin
