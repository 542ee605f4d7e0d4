"""A solver's update of all learnable blobs, the same bits on the CPU and, in one launch, on a card."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cpm_kernels.exact.solvers import SolverStep, solver_update


def update_blobs(
    weights: Sequence[Tensor],
    gradients: Sequence[Tensor],
    histories: Sequence[Tensor],
    steps: Sequence[SolverStep],
    second_histories: Sequence[Tensor | None],
) -> None:
    """Updates the histories, puts the updates' values where the gradients were and subtracts them from the weights.

    A blob's weight and histories are float32, dense and alike in shape and memory order.
    """
    ordered = [_in_order_of(weight, gradient) for weight, gradient in zip(weights, gradients, strict=True)]
    first, values, updates = ([_values(tensor) for tensor in tensors] for tensors in (histories, weights, ordered))
    second = [None if tensor is None else _values(tensor) for tensor in second_histories]
    if weights and weights[0].is_cuda:
        from cpm_kernels.exact import cuda  # CuPy, only where there is a card

        cuda.solver_update(values, updates, first, steps, second)
    else:
        for weight, gradient, history, step, other in zip(values, updates, first, steps, second, strict=True):
            arrays = (weight.numpy(), gradient.numpy(), history.numpy())
            solver_update(*arrays, step, None if other is None else other.numpy(), torch.get_num_threads())
    for gradient, value in zip(gradients, ordered, strict=True):
        if value is not gradient:
            gradient.copy_(value)


def _in_order_of(weight: Tensor, gradient: Tensor) -> Tensor:
    """The gradient in the weight's memory order."""
    return gradient if gradient.stride() == weight.stride() else torch.empty_like(weight).copy_(gradient)


def _values(tensor: Tensor) -> Tensor:
    """All values as they lie in memory."""
    return tensor.detach().as_strided((tensor.numel(),), (1,))
