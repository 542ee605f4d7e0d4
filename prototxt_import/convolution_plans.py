"""The fast engine's convolutions on a CPU: by FFT where that is cheaper (cpm_kernels.fft_plan), else torch's own.

The spectra of weights that are not being trained are kept until the weights change or go.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.utils.weak import WeakTensorKeyDictionary

from cpm_kernels import fft_convolution
from cpm_kernels.fft_plan import FftPlan, fft_plan

from .geometry import Window

_plan = lru_cache(maxsize=None)(fft_plan)
_kept_spectra = WeakTensorKeyDictionary()  # weight -> (its state and the tile size, spectra)


def convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int, rectified: bool = False
) -> Tensor:
    """Cross-correlation of x (N, C, H, W) with weight (C_out, C / group, kernel height, kernel width) plus bias.

    `rectified`: then ReLU, which has no gradient here.
    """
    plan = plan_of(x, weight, window, group)
    if plan is None:
        y = F.conv2d(x, weight, bias, window.stride, window.pad, window.dilation, group)
        return y.relu_() if rectified else y
    if rectified:
        return _convolved(x, _spectra(weight, plan), bias, plan, relu=True)
    return _FftConvolution.apply(x, weight, bias, _spectra(weight, plan), plan)


def plan_of(x: Tensor, weight: Tensor, window: Window, group: int) -> FftPlan | None:
    """The plan of a convolution by FFT; None where it does not apply or pay."""
    plain = group == 1 and tuple(window.stride) == (1, 1) and tuple(window.dilation) == (1, 1)
    on_cpu = all(t.device.type == "cpu" and t.dtype == torch.float32 for t in (x, weight))
    if not (plain and on_cpu):
        return None
    outputs, channels, *kernel = weight.shape
    return _plan(
        channels, outputs, tuple(kernel), tuple(x.shape[2:]), tuple(window.pad), x.shape[0], _is_trained(weight)
    )


class _FftConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None, spectra: np.ndarray, plan: FftPlan) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.plan = plan
        return _convolved(x, spectra, bias, plan)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        dx = dweight = dbias = None
        if ctx.needs_input_grad[0]:
            turned = ctx.plan.input_gradient()
            spectra = fft_convolution.transform_weights(_array(weight), turned, turned=True, threads=_threads())
            dx = _convolved(dy, spectra, None, turned)
        if ctx.needs_input_grad[1]:
            gradient = fft_convolution.weight_gradient(_channels_last(x), _channels_last(dy), ctx.plan, _threads())
            dweight = torch.from_numpy(gradient)
        if ctx.needs_input_grad[2]:
            dbias = dy.sum((0, 2, 3))
        return dx, dweight, dbias, None, None


def _convolved(x: Tensor, spectra: np.ndarray, bias: Tensor | None, plan: FftPlan, relu: bool = False) -> Tensor:
    shape = (plan.images, plan.outputs, *plan.out_size)
    y = torch.empty(shape, memory_format=torch.channels_last)
    bias = None if bias is None else _array(bias)
    out = y.permute(0, 2, 3, 1).numpy()
    fft_convolution.convolve(_channels_last(x), spectra, bias, plan, relu, out, _threads())
    return y


def _spectra(weight: Tensor, plan: FftPlan) -> np.ndarray:
    """The weight's spectra, kept ones if there are any of this state of the weight."""
    if _is_trained(weight):
        _kept_spectra.pop(weight, None)
        return fft_convolution.transform_weights(_array(weight), plan, threads=_threads())
    state = (weight.data_ptr(), None if weight.is_inference() else weight._version, plan.tile)
    kept = _kept_spectra.get(weight)
    if kept is None or kept[0] != state:
        kept = (state, fft_convolution.transform_weights(_array(weight), plan, threads=_threads()))
        _kept_spectra[weight] = kept
    return kept[1]


def _is_trained(weight: Tensor) -> bool:
    return torch.is_grad_enabled() and weight.requires_grad


def _array(x: Tensor) -> np.ndarray:
    return x.detach().contiguous().numpy()


def _channels_last(x: Tensor) -> np.ndarray:
    """(N, C, H, W) as an array (N, H, W, C), without a copy where its channels are last in memory already."""
    x = x.detach()
    return (x if x.stride(1) == 1 else x.contiguous(memory_format=torch.channels_last)).permute(0, 2, 3, 1).numpy()


def _threads() -> int:
    return torch.get_num_threads()
