"""Convolution by FFT on tensors in the CPU's memory: `cpm_kernels.fft.convolution` with torch's threads."""

import numpy as np
import torch
from torch import Tensor

from cpm_kernels.fft import convolution
from cpm_kernels.fft.plan import FftPlan
from cpm_kernels.window import Window
from prototxt_import.tensors import array, channels_last_array, channels_last_tensor

from .memory import Recycled


def transform_weights(weight: Tensor, plan: FftPlan, turned: bool = False) -> np.ndarray:
    """Spectra of a weight (C_out, C, kernel height, kernel width) for `convolve`; opaque.

    `turned`: for the gradient by the input, `plan` being the forward plan's `input_gradient()`.
    """
    return convolution.transform_weights(array(weight), plan, turned=turned, threads=torch.get_num_threads())


def convolve(
    x: Tensor,
    spectra: np.ndarray,
    bias: Tensor | None,
    plan: FftPlan,
    memory: Recycled,
    relu: bool = False,
    pooling: Window | None = None,
) -> Tensor:
    """x (N, C, H, W) with these weights, plus bias (C_out,), then ReLU and max pooling if asked: (N, C_out, H', W'),
    channels last, in that memory."""
    biases = None if bias is None else array(bias)
    out = memory.empty((plan.images, *plan.result_size(pooling), plan.outputs))
    threads = torch.get_num_threads()
    convolution.convolve(channels_last_array(x), spectra, biases, plan, relu, out, threads, pooling=pooling)
    return channels_last_tensor(out)


def convolve_once(
    x: Tensor, weight: Tensor, bias: Tensor | None, plan: FftPlan, memory: Recycled, relu: bool, turned: bool
) -> Tensor:
    """`convolve` with `transform_weights` of the weight, which is used only once."""
    biases = None if bias is None else array(bias)
    out = memory.empty((plan.images, *plan.out_size, plan.outputs))
    operands = channels_last_array(x), array(weight), biases
    convolution.convolve_once(*operands, plan, turned, relu, out, torch.get_num_threads())
    return channels_last_tensor(out)


def weight_gradient(x: Tensor, dy: Tensor, plan: FftPlan) -> Tensor:
    """The gradient by the weight, of the weight's shape, from x (N, C, H, W) and the output's gradient."""
    images = channels_last_array(x), channels_last_array(dy)
    gradient = convolution.weight_gradient(*images, plan, torch.get_num_threads())
    return torch.from_numpy(gradient)
