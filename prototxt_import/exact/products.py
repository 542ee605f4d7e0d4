"""The exact engine's Convolution, Deconvolution and InnerProduct (Caffe: base_conv_layer.cpp, inner_product_layer.cpp).

All are matrix products in OpenBLAS's order; biases add afterwards, and their gradients are sums by gemv. A convolution
over other than two axes goes by `volumes`.
"""

from typing import cast

import numpy as np
from torch import Tensor
from torch.autograd.function import once_differentiable

from cpm_kernels.exact.blas import add_column_sums
from cpm_kernels.exact.profiles import Profile
from cpm_kernels.window import Window
from prototxt_import.function import Context, Function, Gradients
from prototxt_import.tensors import array

from . import volumes
from .gradients import Gradient
from .kernels import HostKernels, kernels_of


def _convolving(x: Tensor) -> type[HostKernels]:
    """The functions for a convolution of x; `volumes` has those only."""
    return kernels_of(x) if x.dim() == 4 else cast(type[HostKernels], volumes)


def _plain(x: Tensor) -> Tensor:
    return x.detach().contiguous()


def _plain_bias(bias: Tensor | None) -> Tensor | None:
    return None if bias is None else _plain(bias)


def _add_parameter_gradients(
    ctx: Context, dy: Tensor, image: Tensor, maps: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of weight and bias, image by image; `image` and `maps` are what a convolution has below and above."""
    of_weight, of_bias = ctx.needs_input_grad[1:3]
    kernels, bias, weight = _convolving(dy), Gradient(ctx.bias, of_bias), Gradient(ctx.weight, of_weight)
    if bias.needed:
        kernels.add_bias_gradient(dy, bias.values, ctx.how[1])
    if weight.needed:
        kernels.add_weight_gradient(image, maps, weight.values, ctx.window, *ctx.how)
    return weight.done(), bias.done()


class Convolution(Function[Tensor]):
    """(x, weight, bias, window, group, profile) -> y."""

    @staticmethod
    def forward(
        ctx: Context, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int, profile: Profile
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.weight, ctx.bias, ctx.window, ctx.how = weight, bias, window, (group, profile)
        return _convolving(x).convolve(_plain(x), _plain(weight), _plain_bias(bias), window, group, profile)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        x, weight = (_plain(saved) for saved in ctx.saved_tensors)
        dy, dx = _plain(dy), None
        gradients = _add_parameter_gradients(ctx, dy, image=x, maps=dy)
        if ctx.needs_input_grad[0]:
            dx = _convolving(x).convolve_transposed(dy, weight, None, ctx.window, tuple(x.shape[2:]), *ctx.how)
        return dx, *gradients, None, None, None


class Deconvolution(Function[Tensor]):
    """(x, weight, bias, window, group, profile) -> y: Convolution's backward by x as forward, and the other way."""

    @staticmethod
    def forward(
        ctx: Context, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int, profile: Profile
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.weight, ctx.bias, ctx.window, ctx.how = weight, bias, window, (group, profile)
        size = window.deconvolved(tuple(x.shape[2:]))
        operands = _plain(x), _plain(weight), _plain_bias(bias)
        return _convolving(x).convolve_transposed(*operands, window, size, group, profile)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        x, weight = (_plain(saved) for saved in ctx.saved_tensors)
        dy, dx = _plain(dy), None
        gradients = _add_parameter_gradients(ctx, dy, image=dy, maps=x)
        if ctx.needs_input_grad[0]:
            dx = _convolving(x).convolve(dy, weight, None, ctx.window, *ctx.how)
        return dx, *gradients, None, None, None


class InnerProduct(Function[Tensor]):
    """(x (M, K), weight (N, K) or transposed (K, N), bias (N,), transposed, profile) -> (M, N)."""

    @staticmethod
    def forward(
        ctx: Context, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool, profile: Profile
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.weight, ctx.bias, ctx.transposed, ctx.profile = weight, bias, transposed, profile
        y = kernels_of(x).gemm(_plain(x), _plain(weight), None, False, not transposed, profile)
        return y if bias is None else y + bias

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        x, weight = (_plain(saved) for saved in ctx.saved_tensors)
        of_x, of_weight, of_bias, *_ = ctx.needs_input_grad
        weights, bias, dy, dx = Gradient(ctx.weight, of_weight), Gradient(ctx.bias, of_bias), _plain(dy), None
        if weights.needed:
            left, right = (x, dy) if ctx.transposed else (dy, x)
            kernels_of(x).gemm(left, right, weights.values, True, False, ctx.profile)
        if bias.needed:
            with bias.on_host() as sums:
                add_column_sums(array(dy), sums, ctx.profile)
        if of_x:
            dx = kernels_of(x).gemm(dy, weight, None, False, ctx.transposed, ctx.profile)
        return dx, weights.done(), bias.done(), None, None


class Embed(Function[Tensor]):
    """(indices, weight (rows, N), bias (N,), profile) -> the weight's rows (indices' shape, N), plus the bias;
    gradients of rows are added in the order of the indices."""

    @staticmethod
    def forward(ctx: Context, indices: Tensor, weight: Tensor, bias: Tensor | None, profile: Profile) -> Tensor:
        ctx.save_for_backward(indices)
        ctx.weight, ctx.bias, ctx.profile = weight, bias, profile
        y = weight.detach()[indices]
        return y if bias is None else y + bias

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        (indices,), rows = ctx.saved_tensors, array(dy).reshape(-1, dy.shape[-1])
        _, of_weight, of_bias, _ = ctx.needs_input_grad
        weight, bias = Gradient(ctx.weight, of_weight), Gradient(ctx.bias, of_bias)
        if weight.needed:
            with weight.on_host() as values:
                np.add.at(values, indices.reshape(-1).cpu().numpy(), rows)
        if bias.needed:
            with bias.on_host() as sums:
                add_column_sums(rows, sums, ctx.profile)
        return None, weight.done(), bias.done(), None
