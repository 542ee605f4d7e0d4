"""Tensors whose channels are last in memory, as the CPU's kernels take them."""

import numpy as np
import torch
from torch import Tensor


def as_array(x: Tensor) -> np.ndarray:
    """(N, C, H, W) as an array (N, H, W, C), without a copy where its channels are last in memory already."""
    x = x.detach()
    return (x if x.stride(1) == 1 else x.contiguous(memory_format=torch.channels_last)).permute(0, 2, 3, 1).numpy()


def as_tensor(x: np.ndarray) -> Tensor:
    """(N, H, W, C) as a tensor (N, C, H, W) of the same memory."""
    return torch.from_numpy(x).permute(0, 3, 1, 2)
