"""Compiles the `.cu` files of `src/` for a CUDA device at first use, by NVRTC, and launches their kernels by CuPy.

Tensors go to a kernel as addresses, without a copy, and kernels run on torch's current stream of their device. Compiled
files are kept beside CuPy's own. CuPy is imported only here and only when a kernel is launched.
"""

import hashlib
import os
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

SOURCES = Path(__file__).parent / "src"

OPTIONS = ("--std=c++17", "--fmad=false", "--ftz=false", "--device-as-default-execution-space")
"""Multiplications and additions are rounded one by one, as Caffe's are, and subnormal numbers stay what they are. NVRTC
before 13.5 takes a lambda for a host function if it is not told that everything is the device's."""


def expanded_source(name: str) -> str:
    """The source with its own headers put in, each once.

    One text is what CuPy's cache of compiled kernels goes by: a change in a header must change it.
    """
    seen: set[str] = set()

    def expand(name: str) -> str:
        if name in seen:
            return ""
        seen.add(name)
        text = (SOURCES / name).read_text(encoding="utf-8").replace("#pragma once\n", "")
        return re.sub(r'^#include "(.+)"$', lambda match: expand(match[1]), text, flags=re.MULTILINE)

    return expand(name)


@cache
def _kernel(source: str, name: str, device: int) -> Any:
    return _module(source, device).get_function(name)


@cache
def _module(source: str, device: int) -> Any:
    try:
        import cupy
    except ImportError:
        what = 'kernels on a CUDA device: expected CuPy (pip install -e ".[cuda]"), found none'
        raise ImportError(what, name="cupy") from None
    with cupy.cuda.Device(device):
        return cupy.RawModule(path=str(cubin_file(source, torch.cuda.get_device_capability(device))))


def cubin_file(source: str, capability: tuple[int, int]) -> Path:
    """The file of a source compiled for such a device, made at first use and kept in CuPy's cache folder."""
    from cupy.cuda import nvrtc

    text, architecture = expanded_source(source), "sm_{}{}".format(*capability)
    key = hashlib.sha256(repr((text, architecture, OPTIONS, nvrtc.getVersion())).encode()).hexdigest()
    folder = Path(os.environ.get("CUPY_CACHE_DIR", "~/.cupy/kernel_cache")).expanduser()
    path = folder / f"cpm-{key}.cubin"
    if not path.exists():
        code = compiled(text, architecture)
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(code)
        os.replace(temporary, path)
    return path


def compiled(text: str, architecture: str) -> bytes:
    """The machine code of a source for an architecture such as "sm_90"; RuntimeError with the compiler's words.

    Not by CuPy's own compilation: whatever it is asked for, that ends its options with -ftz=true.
    """
    from cupy.cuda import nvrtc

    program = nvrtc.createProgram(text, "source.cu", (), ())
    try:
        nvrtc.compileProgram(program, (f"--gpu-architecture={architecture}", *OPTIONS))
        code: bytes = nvrtc.getCUBIN(program)
        return code
    except nvrtc.NVRTCError:
        raise RuntimeError(f"kernels do not compile for {architecture}:\n{nvrtc.getProgramLog(program)}") from None
    finally:
        nvrtc.destroyProgram(program)


class _TorchStream:
    """torch's current stream of a device, under CUDA's protocol for streams."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.current_stream(device)

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self._stream.cuda_stream


def argument(value: Any) -> np.generic:
    """As the kernel takes it: a tensor is its address, None a null pointer, a number what `scalar` says."""
    if isinstance(value, torch.Tensor):
        return np.uint64(value.data_ptr())
    return np.uint64(0) if value is None else scalar(value)


def scalar(value: Any) -> np.generic:
    """A kernel's number: Python's int and bool become int32, its float float32, NumPy's scalars stay."""
    if isinstance(value, np.generic):
        return value
    return np.float32(value) if isinstance(value, float) else np.int32(value)


def launch(
    name: str, grid: tuple[int, int, int], threads: int, *arguments: Any, source: str = "exact/exact.cu"
) -> None:
    """Starts one kernel of a source; tensors must be contiguous and all on one CUDA device."""
    device = next(value.device for value in arguments if isinstance(value, torch.Tensor))
    if device.type != "cuda":
        raise ValueError(f"the tensors must be on a CUDA device, not on {device}")
    kernel = _kernel(source, name, device.index)
    import cupy

    with cupy.cuda.Device(device.index), cupy.cuda.Stream.from_external(_TorchStream(device)):
        kernel(grid, (threads, 1, 1), tuple(argument(value) for value in arguments))
