"""Compiles the `.cu` files of `src/` for a CUDA device at first use, by CuPy and NVRTC, and launches their kernels.

Tensors cross by DLPack without a copy, and kernels run on torch's current stream of their device. CuPy is imported
only here and only when a kernel is launched.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

SOURCES = Path(__file__).parent / "src"

OPTIONS = ("--std=c++17", "--fmad=false")
"""Without --fmad=false the compiler would fuse multiplications and additions that Caffe rounds one by one."""


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
        raise ImportError('kernels on a CUDA device need CuPy: pip install -e ".[cuda]"') from None
    with cupy.cuda.Device(device):
        return cupy.RawModule(code=expanded_source(source), options=OPTIONS, backend="nvrtc")


def _argument(value: Any) -> Any:
    """As the kernel takes it: Python's int is int32, its float float32, None a null pointer; NumPy's scalars stay."""
    import cupy

    if isinstance(value, torch.Tensor):
        return cupy.from_dlpack(value.detach())
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

    stream = torch.cuda.current_stream(device)
    with cupy.cuda.Device(device.index), cupy.cuda.ExternalStream(stream.cuda_stream, device.index):
        kernel(grid, (threads, 1, 1), tuple(_argument(value) for value in arguments))
