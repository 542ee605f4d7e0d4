"""Tensors whose channels are last in memory, as the CPU's kernels take them, and memory for such results."""

import math
import sys
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from cpm_kernels.host import LINE, from_cache_line

LEAST = 1 << 20  # bytes worth recycling
MOST = 512 << 20  # bytes kept for later


def as_array(x: Tensor) -> np.ndarray:
    """(N, C, H, W) as an array (N, H, W, C), without a copy where its channels are last in memory already."""
    x = x.detach()
    return (x if x.stride(1) == 1 else x.contiguous(memory_format=torch.channels_last)).permute(0, 2, 3, 1).numpy()


def as_tensor(x: np.ndarray) -> Tensor:
    """(N, H, W, C) as a tensor (N, C, H, W) of the same memory."""
    return torch.from_numpy(x).permute(0, 3, 1, 2)


def _references(arrays: list[np.ndarray]) -> list[int]:
    return [sys.getrefcount(array) for array in arrays]


_UNUSED = _references([np.empty(0)])[0]  # of an array in a list, as this version of Python counts


class Recycled:
    """Memory of large results that nobody has any more, for the next ones: fresh pages from the system took a third of
    the time of a forward pass. A buffer is free when no array or tensor refers to it."""

    def __init__(self) -> None:
        self._buffers: list[np.ndarray] = []
        self._lock = Lock()

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        """A float32 array of that shape, each value as it happens to be."""
        count = math.prod(shape)
        if 4 * count < LEAST:
            return np.empty(shape, np.float32)
        with self._lock:
            free = [memory for memory in self._free() if count + LINE <= memory.size <= 2 * count]
            memory = min(free, key=len) if free else self._new(count + LINE)
            return from_cache_line(memory, count).reshape(shape)

    def _free(self) -> list[np.ndarray]:
        """Those that no array and no tensor is made of: each would refer to it."""
        counts = _references(self._buffers)
        return [memory for memory, count in zip(self._buffers, counts, strict=True) if count == _UNUSED]

    def _new(self, count: int) -> np.ndarray:
        free = sorted(self._free(), key=len)
        while free and 4 * (count + sum(map(len, free))) > MOST:
            gone = free.pop()
            self._buffers = [memory for memory in self._buffers if memory is not gone]
        self._buffers.append(np.empty(count, np.float32))
        return self._buffers[-1]


recycled = Recycled()
