"""How tensors meet arrays: the same memory where they may share it."""

import numpy as np
import torch
from torch import Tensor, nn


def array(x: Tensor) -> np.ndarray:
    """The values of a tensor as a contiguous array: those of the tensor itself, or from its device; floats of 16 bits,
    some of which NumPy has not, as float32."""
    short = x.dtype in (torch.bfloat16, torch.float16)
    return (x.float() if short else x).detach().cpu().contiguous().numpy()


def tensor(values: np.ndarray, like: Tensor) -> Tensor:
    """The tensor of an array, where `like` is; on the CPU without a copy."""
    return torch.from_numpy(values).to(like.device)


def numbers(places: Tensor, like: Tensor) -> Tensor:
    """Whole numbers as a blob beside `like`: float32 where that has floats of 16 bits, which do not count so far."""
    return places.to(torch.promote_types(like.dtype, torch.float32))


def channels_last_array(x: Tensor) -> np.ndarray:
    """(N, C, H, W) on the CPU as an array (N, H, W, C), without a copy where its channels are last in memory."""
    x = x.detach()
    return (x if x.stride(1) == 1 else x.contiguous(memory_format=torch.channels_last)).permute(0, 2, 3, 1).numpy()


def channels_last_tensor(values: np.ndarray) -> Tensor:
    """(N, H, W, C) as a tensor (N, C, H, W) of the same memory."""
    return torch.from_numpy(values).permute(0, 3, 1, 2)


def total(x: Tensor) -> Tensor:
    """The sum of all values, a 0-axis tensor. torch's own, of many, has other bits with other numbers of threads."""
    values = x.flatten()
    if len(values) <= _SHARED:
        return values.sum()
    rows = len(values) // _ROW
    return torch.cat([values[: rows * _ROW].reshape(rows, _ROW).sum(1), values[rows * _ROW :]]).sum()


_SHARED = 1 << 15
"""So many values torch adds on one thread; of more than one sum each is one thread's, too."""
_ROW = 1 << 13


def gradient_of(parameter: nn.Parameter) -> Tensor:
    """The parameter's `.grad`, which becomes zeros if no gradient has reached it."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad
