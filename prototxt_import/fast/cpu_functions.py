"""Functions of single values, and Softmax, on a CPU: the same bits with every number of threads.

torch's vector functions begin and end elsewhere with several threads, and what is left over they compute value by
value: pow, elu, softplus, softmax and sigmoid may then give another last bit. exp, expm1 and log1p do not.
"""

import torch
from torch import Tensor

from prototxt_import.function import Context, Function


def power(x: Tensor, exponent: float) -> Tensor:
    """In float64, whose last bits rounding to float32 drops."""
    return x.double().pow(exponent).to(x.dtype)


def elu(x: Tensor, alpha: float) -> Tensor:
    """x, below 0 alpha (exp(x) - 1)."""
    return torch.where(x > 0, x, alpha * x.clamp(max=0).expm1())


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return _Sigmoid.apply(x) if x.requires_grad and torch.is_grad_enabled() else _sigmoid(x)


def softmax(x: Tensor, axis: int) -> Tensor:
    """exp(x) by the sum of these along an axis."""
    powers = (x - x.amax(axis, keepdim=True).detach()).exp()
    return powers / powers.sum(axis, keepdim=True)


def _sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + (-x).exp())


class _Sigmoid(Function[Tensor]):
    """Its gradient, as Caffe's, is of what its top holds."""

    @staticmethod
    def forward(ctx: Context, x: Tensor) -> Tensor:
        y = _sigmoid(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Context, dy: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return dy * (1 - y) * y
