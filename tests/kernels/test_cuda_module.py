"""What is meant for GPUs compiles for them: NVRTC makes cubins, and reports registers, stack frames and spills."""

import ctypes
import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

from cpm_kernels.cuda_module import OPTIONS, compiled, expanded_source
from cpm_kernels.exact.cuda import TILES


@cache
def nvrtc() -> ctypes.CDLL:
    """The library from the package nvidia-cuda-nvrtc, wherever its version puts it; skips without it."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in spec.submodule_search_locations] if spec else []
    found = sorted(path for folder in folders for path in folder.glob("**/lib/libnvrtc.so*"))
    if not found:
        pytest.skip("NVRTC (package nvidia-cuda-nvrtc) is not installed")
    for builtins in found[0].parent.glob("libnvrtc-builtins.so*"):
        ctypes.CDLL(str(builtins))  # NVRTC asks for it by name alone
    return ctypes.CDLL(str(found[0]))


def compile_source(source: str, options: list[str], result: str = "CUBIN") -> tuple[bytes, str]:
    """The cubin, or what else NVRTC calls `result`, and the compiler's log."""
    library, program = nvrtc(), ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"source.cu", 0, None, None)
    arguments = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    failed = library.nvrtcCompileProgram(program, len(options), arguments)
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    assert not failed, log.value.decode()
    getattr(library, f"nvrtcGet{result}Size")(program, ctypes.byref(size))
    code = ctypes.create_string_buffer(size.value)
    getattr(library, f"nvrtcGet{result}")(program, code)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return code.raw, log.value.decode()


def test_every_operation_is_rounded_and_subnormal_numbers_are_kept() -> None:
    source = 'extern "C" __global__ void f(float* x) { x[0] = x[1] * x[2] + x[3] / x[4]; }'
    ptx, _ = compile_source(source, ["--gpu-architecture=compute_90", *OPTIONS], "PTX")
    arithmetic = set(re.findall(rb"(?:add|mul|div|fma)[.\w]*f32", ptx))
    assert arithmetic == {b"mul.rn.f32", b"div.rn.f32", b"add.rn.f32"}


def test_cupy_compiles_like_this() -> None:
    """With CuPy's NVRTC, which needs no card."""
    pytest.importorskip("cupy", reason="CuPy is not installed")
    assert compiled('extern "C" __global__ void f(int* x) { x[0] = 1; }', "sm_90").startswith(b"\x7fELF")
    with pytest.raises(RuntimeError, match="do not compile for sm_90"):
        compiled("no code", "sm_90")


_REPORT = re.compile(
    r"entry function '(?P<name>\w+)'.*?(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, "
    r"(?P<loads>\d+) bytes spill loads.*?Used (?P<registers>\d+) registers",
    re.DOTALL,
)
ARCHITECTURES = ["sm_80", "sm_90", "sm_100"]
MOSTLY_SLOW = [pytest.param(name, marks=[] if name == "sm_90" else pytest.mark.slow) for name in ARCHITECTURES]


def report_of(source: str, architecture: str) -> dict[str, dict[str, int]]:
    """Registers, stack frame and spills of each kernel of a source, which are printed too."""
    options = [f"--gpu-architecture={architecture}", *OPTIONS, "--ptxas-options=--verbose"]
    cubin, log = compile_source(expanded_source(source), options)
    assert cubin[:4] == b"\x7fELF"
    report = {}
    for found in _REPORT.finditer(log):
        name, *numbers = found.groups()
        report[name] = dict(zip(("stack", "stores", "loads", "registers"), map(int, numbers), strict=True))
    print(f"{architecture}: registers", {name: numbers["registers"] for name, numbers in report.items()})
    return report


@pytest.mark.parametrize("architecture", MOSTLY_SLOW)
def test_the_exact_kernels_keep_their_sums_in_registers(architecture: str) -> None:
    report = report_of("exact/exact.cu", architecture)
    tiled = [name for name in report if name.endswith(tuple(TILES))]
    assert len(tiled) == 6 * len(TILES) and len(report) > len(tiled)
    for name, numbers in report.items():
        assert numbers["stores"] == numbers["loads"] == 0, f"{name} spills on {architecture}: {numbers}"


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_other_families_keep_their_sums_in_registers(architecture: str) -> None:
    report = report_of("exact/families.cu", architecture)
    tiled = [name for name in report if name.endswith(tuple(TILES))]
    assert len(tiled) == 10 * len(TILES) and len(report) == len(tiled) + 3
    for name, numbers in report.items():
        assert numbers["stores"] == numbers["loads"] == 0, f"{name} spills on {architecture}: {numbers}"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_sample_kernels_stay_in_registers(architecture: str) -> None:
    report = report_of("samples/sample.cu", architecture)
    assert set(report) == {"resize_regions", "fill_warp_weights", "rotate_and_crop", "label_maps"}
    for name, numbers in report.items():
        assert numbers["stack"] == numbers["stores"] == numbers["loads"] == 0, f"{name} on {architecture}: {numbers}"
