"""Elementwise layers and pooling of the exact engine, each with Caffe's own backward.

torch's elementwise kernels round every operation once, as Caffe's loops do, so most of these are torch expressions in
Caffe's order; what needs the C library's functions, one rounding for a · x + y, or an order of sums, asks cpm_kernels.
"""

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from cpm_kernels.exact import elementary
from cpm_kernels.exact.blas import axpy
from cpm_kernels.exact.profiles import Profile
from cpm_kernels.window import Window
from prototxt_import.function import Context, Function, Gradients
from prototxt_import.tensors import array, tensor

from .gradients import Gradient
from .kernels import kernels_of


class MaxPool(Function[tuple[Tensor, Tensor]]):
    """(x, window, with mask) -> maxima, and where in its plane each is, as floats (nothing if not asked)."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, window: Window, with_mask: bool) -> tuple[Tensor, Tensor]:
        y, where = kernels_of(x).max_pool(x.contiguous(), window)
        ctx.save_for_backward(where)
        ctx.window, ctx.size = window, tuple(x.shape[2:])
        mask = where.float() if with_mask else y.new_empty(0)
        ctx.mark_non_differentiable(mask)
        return y, mask

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor, _: Tensor) -> Gradients:
        (where,) = ctx.saved_tensors
        return kernels_of(dy).max_pool_gradient(dy.contiguous(), where, ctx.window, ctx.size), None, None


class AvePool(Function[Tensor]):
    """(x, window) -> means."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, window: Window) -> Tensor:
        ctx.window, ctx.size = window, tuple(x.shape[2:])
        return kernels_of(x).ave_pool(x.contiguous(), window)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        return kernels_of(dy).ave_pool_gradient(dy.contiguous(), ctx.window, ctx.size), None


class ReLU(Function[Tensor]):
    """(x, slope) -> y; the gradient asks the sign of y, which is x's: Caffe's layer may run in place."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, slope: float) -> Tensor:
        y = kernels_of(x).relu(x.contiguous(), slope)
        ctx.save_for_backward(x if slope < 0 else y)
        ctx.slope = slope
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        (y,) = ctx.saved_tensors
        return kernels_of(y).relu_gradient(y.contiguous(), dy.contiguous(), ctx.slope), None


class PReLU(Function[Tensor]):
    """(x, slope (C,) or ()) -> y."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        ctx.slope = slope
        return x.clamp(min=0) + _per_channel(slope, x) * x.clamp(max=0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        x, slope = ctx.saved_tensors
        gradient = Gradient(ctx.slope, ctx.needs_input_grad[1])
        if gradient.needed:
            with gradient.on_host() as values:
                elementary.add_slope_gradient(array(x), array(dy), values)
        return dy * ((x > 0).float() + _per_channel(slope, x) * (x <= 0)), gradient.done()


def _per_channel(values: Tensor, x: Tensor) -> Tensor:
    return values.reshape((1, -1) + (1,) * (x.dim() - 2)) if values.dim() else values


class ELU(Function[Tensor]):
    """(x, alpha) -> y."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, alpha: float) -> Tensor:
        y = x.clamp(min=0) + alpha * (tensor(elementary.exp(array(x.clamp(max=0))), x) - 1)
        ctx.save_for_backward(x, y)
        ctx.alpha = alpha
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        x, y = ctx.saved_tensors
        return dy * ((x > 0).float() + (ctx.alpha + y) * (x <= 0)), None


class Sigmoid(Function[Tensor]):
    """x -> 1 / (1 + exp(−x)), the quotient in double."""

    @staticmethod
    def forward(ctx: Context, x: Tensor) -> Tensor:
        y = (1 / (1 + tensor(elementary.exp(array(-x)), x).double())).float()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return ((dy * y).double() * (1 - y.double())).float()


class TanH(Function[Tensor]):
    """x -> tanh(x)."""

    @staticmethod
    def forward(ctx: Context, x: Tensor) -> Tensor:
        y = tensor(elementary.tanh(array(x)), x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return dy * (1 - y * y)


class AbsVal(Function[Tensor]):
    """x -> |x|."""

    @staticmethod
    def forward(ctx: Context, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.abs()

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Tensor:
        return ctx.saved_tensors[0].sign() * dy


def raised(x: Tensor, power: float) -> Tensor:
    """libm's powf (caffe_powx)."""
    return tensor(elementary.power(array(x), power), x)


class Power(Function[Tensor]):
    """(x, power, scale, shift) -> (shift + scale · x) ^ power; backward takes Caffe's shortcuts."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, power: float, scale: float, shift: float) -> Tensor:
        if power * scale == 0:
            y = torch.full_like(x, float(np.float32(shift) ** np.float32(power)) if power else 1.0)
        else:
            y = Power.base(x, scale, shift)
            y = y if power == 1 else raised(y, power)
        ctx.save_for_backward(x, y)
        ctx.parameters = power, scale, shift
        return y

    @staticmethod
    def base(x: Tensor, scale: float, shift: float) -> Tensor:
        """scale · x + shift in two roundings."""
        x = scaled(x, scale) if scale != 1 else x.clone()
        return x + shift if shift != 0 else x

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        x, y = ctx.saved_tensors
        power, scale, shift = ctx.parameters
        slope = float(np.float32(power) * np.float32(scale))
        if slope == 0 or power == 1:
            gradient = torch.full_like(x, slope)
        elif power == 2:
            gradient = x * float(np.float32(slope) * np.float32(scale)) + 0.0  # axpy onto zeros, which leaves no −0
            gradient = gradient + float(np.float32(slope) * np.float32(shift)) if shift != 0 else gradient
        elif shift == 0:
            gradient = (y / x) * power
        else:
            gradient = (y / Power.base(x, scale, shift)) * slope
        return dy * gradient if slope != 0 else gradient, None, None, None


class Exp(Function[Tensor]):
    """(x, scale, factor) -> exp(scale · x) · factor."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, scale: float, factor: float) -> Tensor:
        y = tensor(elementary.exp(array(scaled(x, scale))), x)
        y = y * factor if factor != 1 else y
        ctx.save_for_backward(y)
        ctx.scale = scale
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        return scaled(ctx.saved_tensors[0] * dy, ctx.scale), None, None


class Log(Function[Tensor]):
    """(x, scale, shift, ln of the base) -> ln(scale · x + shift) · (1 / ln of the base)."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, scale: float, shift: float, log_base: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.parameters = scale, shift, log_base
        return tensor(elementary.log(array(Power.base(x, scale, shift))), x) * float(1 / np.float32(log_base))

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        scale, shift, log_base = ctx.parameters
        inverse = raised(Power.base(ctx.saved_tensors[0], scale, shift), -1.0)
        slope = float(np.float32(scale) / np.float32(log_base))
        return dy * scaled(inverse, slope), None, None, None


BNLL_LIMIT = 50.0
"""Above it the gradient is that at it."""


class BNLL(Function[Tensor]):
    """x -> log(1 + exp(x)), from the side where exp does not overflow; sums in double, as `1.` makes them."""

    @staticmethod
    def forward(ctx: Context, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        sums = 1 + tensor(elementary.exp(array(-x.abs())), x).double()
        return (x.clamp(min=0).double() + sums.log()).float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        e = tensor(elementary.exp(array(x.clamp(max=BNLL_LIMIT))), x)
        return ((dy * e).double() / (e.double() + 1)).float()


def scaled(x: Tensor, factor: float) -> Tensor:
    """factor · x (cblas_sscal), plain zeros for a factor of 0."""
    return x * factor if factor else torch.zeros_like(x)


def scaled_each(x: Tensor, factors: Tensor) -> Tensor:
    """The same with a factor of its own for each part of x, to which `factors` broadcast."""
    return (x * factors).masked_fill_(factors == 0, 0.0)


class EltwiseSum(Function[Tensor]):
    """(coefficients, profile, *bottoms) -> their sum, from 0 on, each term added with one rounding."""

    @staticmethod
    def forward(ctx: Context, coefficients: list[float], profile: Profile, *bottoms: Tensor) -> Tensor:
        ctx.coefficients = coefficients
        out = np.zeros(tuple(bottoms[0].shape), np.float32)
        for coefficient, x in zip(coefficients, bottoms, strict=True):
            axpy(coefficient, array(x), out, profile)
        return tensor(out, bottoms[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        return None, None, *(scaled(dy, coefficient) for coefficient in ctx.coefficients)


class EltwiseProduct(Function[Tensor]):
    """(by division, *bottoms) -> their product; a gradient is the product of the others, or the whole product divided
    by its own bottom (`stable_prod_grad: false`), then dy."""

    @staticmethod
    def forward(ctx: Context, by_division: bool, *bottoms: Tensor) -> Tensor:
        y = _product(bottoms)
        ctx.by_division = by_division
        ctx.save_for_backward(y, *bottoms)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        y, *bottoms = ctx.saved_tensors
        if ctx.by_division:
            return None, *(y / x * dy for x in bottoms)
        return None, *(_product((*bottoms[:i], *bottoms[i + 1 :])) * dy for i in range(len(bottoms)))


def _product(factors: tuple[Tensor, ...]) -> Tensor:
    product = factors[0].clone()
    for factor in factors[1:]:
        product = product * factor
    return product


class Split(Function[tuple[Tensor, ...]]):
    """(x, count) -> x for each user; gradients: the first two added, then the others in order (split_layer.cpp)."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, count: int) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        return tuple(x.view_as(x) for _ in range(count))

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, *dys: Tensor | None) -> Gradients:
        total = None
        for dy in dys:
            if dy is not None:
                total = dy if total is None else total + dy
        return total, None


class Dropout(Function[Tensor]):
    """(x, kept (1 or 0), scale) -> x · kept · scale."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, kept: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(kept)
        ctx.scale = scale
        return x * kept * scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        return dy * ctx.saved_tensors[0] * ctx.scale, None, None
