"""Functions of single values, Softmax, and what one value has to do with all of a blob, on a CPU: the same bits with
every number of threads.

torch's vector functions begin and end elsewhere with several threads, and what is left over they compute value by
value: pow, elu, softplus, softmax and sigmoid may then give another last bit. exp, expm1 and log1p do not. And a sum
over everything, as the gradient of one value is, they share among the threads.
"""

import torch
from torch import Tensor

from prototxt_import.function import Context, Function
from prototxt_import.tensors import total


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


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """Of one slope: x, below 0 slope · x."""
    return torch.where(x > 0, x, x * spread(slope, x))


def mvn(x: Tensor, eps: float, normalize_variance: bool) -> Tensor:
    """Of one row (1, values): less its mean, by its deviation + eps."""
    x = x - spread(total(x) / x.numel(), x)
    return x / spread((total(x * x) / x.numel()).sqrt() + eps, x) if normalize_variance else x


def l2_normalize(x: Tensor, scale: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    """scale · x / sqrt(Σ x² + eps) over the axes of x (N, C, H, W); a scale of (C,) or one."""
    one = x.shape[0] == 1 and len(axes) == 3
    norm = ((total(x * x) if one else (x * x).sum(axes, keepdim=True)) + eps).sqrt()
    return x / spread(norm, x) * (spread(scale, x) if scale.numel() == 1 else scale.reshape(-1, 1, 1))


def spread(value: Tensor, like: Tensor) -> Tensor:
    """One value at all places of a blob; more than one as they are."""
    if value.numel() != 1 or not (value.requires_grad and torch.is_grad_enabled()):
        return value
    return _Spread.apply(value, like.shape)


class _Spread(Function[Tensor]):
    @staticmethod
    def forward(ctx: Context, value: Tensor, shape: torch.Size) -> Tensor:
        ctx.shape = value.shape
        return value.reshape(()).expand(shape)

    @staticmethod
    def backward(ctx: Context, dy: Tensor) -> tuple[Tensor, None]:
        return total(dy).reshape(ctx.shape), None


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
