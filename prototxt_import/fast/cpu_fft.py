"""Convolution by FFT on tensors in the CPU's memory: `cpm_kernels.fft_convolution` with torch's threads."""

import numpy as np
import torch
from torch import Tensor

from cpm_kernels.fft import convolution
from cpm_kernels.fft.plan import FftPlan
from prototxt_import.exact.gradients import array

from .memory import as_array, as_tensor, recycled


def transform_weights(weight: Tensor, plan: FftPlan, turned: bool = False) -> np.ndarray:
    """Spectra of a weight (C_out, C, kernel height, kernel width) for `convolve`; opaque.

    `turned`: for the gradient by the input, `plan` being the forward plan's `input_gradient()`.
    """
    return convolution.transform_weights(array(weight), plan, turned=turned, threads=torch.get_num_threads())


def convolve(x: Tensor, spectra: np.ndarray, bias: Tensor | None, plan: FftPlan, relu: bool = False) -> Tensor:
    """x (N, C, H, W) with these weights, plus bias (C_out,), then ReLU if asked: (N, C_out, H', W'), channels last."""
    bias = None if bias is None else array(bias)
    out = recycled.empty((plan.images, *plan.out_size, plan.outputs))
    convolution.convolve(as_array(x), spectra, bias, plan, relu, out, torch.get_num_threads())
    return as_tensor(out)


def weight_gradient(x: Tensor, dy: Tensor, plan: FftPlan) -> Tensor:
    """The gradient by the weight, of the weight's shape, from x (N, C, H, W) and the output's gradient."""
    gradient = convolution.weight_gradient(as_array(x), as_array(dy), plan, torch.get_num_threads())
    return torch.from_numpy(gradient)
