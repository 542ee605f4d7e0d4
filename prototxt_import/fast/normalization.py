"""Batch normalisation with a batch's own statistics on a CPU: torch's has other bits with other numbers of threads.

`torch.ops.cpm_repro.batch_norm` and `.batch_norm_backward` are operators of torch's dispatcher.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cpm_kernels.training import batch_norm as kernels
from prototxt_import.function import Context

from .operators import LIBRARY, operator

Normalized = tuple[Tensor, Tensor, Tensor, Tensor]


def _rows(x: Tensor) -> np.ndarray:
    """(N, C, ...) as (rows, C), without a copy where its channels are last in memory."""
    return x.detach().movedim(1, -1).contiguous().numpy().reshape(-1, x.shape[1])


def _blob(rows: np.ndarray, like: Tensor) -> Tensor:
    """(rows, C) as a blob of that shape, its channels last in memory."""
    return torch.from_numpy(rows).reshape(like.shape[0], *like.shape[2:], like.shape[1]).movedim(-1, 1)


def _batch_norm(x: Tensor, eps: float) -> Normalized:
    """x (N, C, ...) float32 normalised; mean, variance and 1 / sqrt(variance + eps) of each channel."""
    y, *of_channels = kernels.batch_norm(_rows(x), eps, torch.get_num_threads())
    mean, variance, scale = map(torch.from_numpy, of_channels)
    return _blob(y, x), mean, variance, scale


def _batch_norm_backward(dy: Tensor, y: Tensor, scale: Tensor) -> Tensor:
    rows = kernels.batch_norm_gradient(_rows(dy), _rows(y), scale.numpy(), torch.get_num_threads())
    return _blob(rows, y)


def _empty_blob(like: Tensor) -> Tensor:
    return like.new_empty((like.shape[0], *like.shape[2:], like.shape[1])).movedim(-1, 1)


def _normalized_shapes(x: Tensor, eps: float) -> Normalized:
    mean, variance, scale = (x.new_empty(x.shape[1]) for _ in range(3))
    return _empty_blob(x), mean, variance, scale


def _gradients_shape(dy: Tensor, y: Tensor, scale: Tensor) -> Tensor:
    return _empty_blob(y)


def _save(ctx: Context, inputs: tuple[Any, ...], output: Normalized) -> None:
    ctx.save_for_backward(output[0], output[3])


def _gradients(ctx: Context, dy: Tensor, *of_statistics: Tensor) -> tuple[Tensor, None]:
    """Through y; nobody asks for the statistics' own."""
    return batch_norm_backward(dy, *ctx.saved_tensors), None


batch_norm = operator(
    "batch_norm(Tensor x, float eps) -> (Tensor, Tensor, Tensor, Tensor)", _batch_norm, _normalized_shapes
)
batch_norm_backward = operator(
    "batch_norm_backward(Tensor dy, Tensor y, Tensor scale) -> Tensor", _batch_norm_backward, _gradients_shape
)
torch.library.register_autograd("cpm_repro::batch_norm", _gradients, setup_context=_save, lib=LIBRARY)
