"""Convolution, Deconvolution and InnerProduct by torch's own kernels, forward and backward with the engine's precision.

cuDNN and cuBLAS go by settings of the whole process, which they read when a kernel is launched, in backward too. So
each launch has its own, and leaves the process's as they were.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from cpm_kernels.window import Window
from prototxt_import.function import Context, Function, Gradients

_settings = RLock()


@contextmanager
def precision(x: Tensor, tf32: bool) -> Iterator[None]:
    """On a card: factors of products keep float32's mantissa, or with `tf32` 10 bits of it (cuDNN's own default), and
    cuDNN's kernels add in the same order every time. Elsewhere nothing changes."""
    if not x.is_cuda:
        yield
        return
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    with _settings:
        before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic
        try:
            cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic = tf32, tf32, True
            yield
        finally:
            cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic = before


class Convolution(Function[Tensor]):
    """(x, weight, bias, window, group, transposed, tf32) -> y; `transposed`: Deconvolution's."""

    @staticmethod
    def forward(
        ctx: Context,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        window: Window,
        group: int,
        transposed: bool,
        tf32: bool,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.biases, ctx.tf32 = None if bias is None else list(bias.shape), tf32
        ctx.how = window.stride, window.pad, window.dilation, transposed, (0,) * len(window.kernel), group
        with precision(x, tf32):
            return torch.convolution(x, weight, bias, *ctx.how)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        with precision(x, ctx.tf32):
            gradients = torch.ops.aten.convolution_backward(dy, x, weight, ctx.biases, *ctx.how, wanted)
        return *gradients, None, None, None, None


class InnerProduct(Function[Tensor]):
    """(x (M, K), weight (N, K) or transposed (K, N), bias (N,), transposed, tf32) -> (M, N)."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool, tf32: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.transposed, ctx.tf32 = transposed, tf32
        with precision(x, tf32):
            return F.linear(x, weight.t() if transposed else weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias, *_ = ctx.needs_input_grad
        dx = dweight = None
        with precision(x, ctx.tf32):
            if of_x:
                dx = dy @ (weight.t() if ctx.transposed else weight)
            if of_weight:
                dweight = x.t() @ dy if ctx.transposed else dy.t() @ x
        return dx, dweight, dy.sum(0) if of_bias else None, None, None
