"""Caffe's SGD update of all learnable blobs, the same bits on the CPU and, in one launch, on a card."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cpm_kernels.exact.sgd import SgdStep, sgd_update


def update_blobs(
    weights: Sequence[Tensor], gradients: Sequence[Tensor], histories: Sequence[Tensor], steps: Sequence[SgdStep]
) -> None:
    """Updates every history, which is also the update's value, and subtracts it from its weight, in place.

    A blob's weight and history are float32, dense and alike in shape and memory order.
    """
    gradients = [_in_order_of(weight, gradient) for weight, gradient in zip(weights, gradients, strict=True)]
    blobs = [[_values(tensor) for tensor in tensors] for tensors in (weights, gradients, histories)]
    if weights and weights[0].is_cuda:
        from cpm_kernels.exact import cuda  # CuPy, only where there is a card

        cuda.sgd_update(*blobs, steps)
        return
    for *arrays, step in zip(*blobs, steps, strict=True):
        sgd_update(*(array.numpy() for array in arrays), step, torch.get_num_threads())


def _in_order_of(weight: Tensor, gradient: Tensor) -> Tensor:
    """The gradient in the weight's memory order."""
    return gradient if gradient.stride() == weight.stride() else torch.empty_like(weight).copy_(gradient)


def _values(tensor: Tensor) -> Tensor:
    """All values as they lie in memory."""
    return tensor.detach().as_strided((tensor.numel(),), (1,))
