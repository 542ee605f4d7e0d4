"""How the fast engine convolves: by FFT where that is cheaper, else with torch's own kernels.

A cost model says what is cheaper (`cpm_kernels.fft_plan` on a CPU, `cuda_fft` on a card), or what was measured once
(`measured_plans`). The spectra of weights that are not being trained are kept until the weights change or go.
"""

import os
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.utils.weak import WeakTensorKeyDictionary

from cpm_kernels.fft import plan as fft_plan
from cpm_kernels.fft.plan import FftPlan
from prototxt_import.geometry import Window

from . import cpu_fft, cuda_fft
from .cuda_fft import CudaFftPlan
from .measured_plans import MeasuredPlans

Plan = FftPlan | CudaFftPlan

_kept_spectra = WeakTensorKeyDictionary()  # weight -> (its state and the tile size, spectra)
_measured: MeasuredPlans[Plan] | None = None


def measure_into(path: str | os.PathLike | None) -> None:
    """From now on plans are those that were fastest here: as the file says, or else measured at the first use, which
    may take a second for each convolution, and written there. None: plans go by the cost model again."""
    global _measured
    _measured = None if path is None else MeasuredPlans(path)
    plan_of_case.cache_clear()


class Case(NamedTuple):
    """A convolution (stride 1, no dilation, no groups) that FFT could do; sizes are (height, width)."""

    channels: int
    outputs: int
    kernel: tuple[int, int]
    size: tuple[int, int]
    pad: tuple[int, int]
    images: int
    training: bool

    def __str__(self) -> str:
        sizes = (f"{rows} x {columns}" for rows, columns in (self.kernel, self.size, self.pad))
        kernel, size, pad = sizes
        how = ", training" if self.training else ""
        return f"{self.channels} -> {self.outputs}, {kernel} on {size}, pad {pad}, images {self.images}{how}"


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
        return _by(plan).convolve(x, _spectra(weight, plan), bias, plan, relu=True)
    return _FftConvolution.apply(x, weight, bias, _spectra(weight, plan), plan)


def plan_of(x: Tensor, weight: Tensor, window: Window, group: int) -> Plan | None:
    """The plan of a convolution by FFT; None where it does not apply or pay."""
    plain = group == 1 and tuple(window.stride) == (1, 1) and tuple(window.dilation) == (1, 1)
    float32 = x.dtype == weight.dtype == torch.float32
    if not (plain and float32 and x.device == weight.device and x.device.type in ("cpu", "cuda")):
        return None
    if x.is_cuda and torch.backends.cuda.matmul.allow_tf32:
        return None  # tensor cores are faster still
    outputs, channels, *kernel = weight.shape
    size, pad = tuple(x.shape[2:]), tuple(window.pad)
    return plan_of_case(Case(channels, outputs, tuple(kernel), size, pad, x.shape[0], _is_trained(weight)), x.device)


@cache
def plan_of_case(case: Case, device: torch.device) -> Plan | None:
    """`plan_of` for a case on a device."""
    planned = cuda_fft if device.type == "cuda" else fft_plan
    if _measured is None:
        return planned.fft_plan(*case)
    # On a CPU the choice goes by one number of images, so that an image's bits are the same in any batch.
    images = case.images if device.type == "cuda" else fft_plan.PLANNED_IMAGES[case.training]
    tried = case._replace(images=images)
    plans = planned.plans_of(*tried[:-1])
    if not plans or case.images < 1:
        return None
    found = _measured.fastest(device, str(tried), plans, _trial(tried, device))
    return found and planned.for_images(found, case.images)


def _trial(case: Case, device: torch.device) -> Callable[[Plan | None], None]:
    """Does the convolution once, with its gradients when training."""
    random = torch.Generator(device).manual_seed(1)  # torch's own goes on as if nothing had been measured
    shape = (case.images, case.channels, *case.size)
    x = torch.randn(shape, generator=random, device=device).to(memory_format=torch.channels_last)
    weight = torch.randn((case.outputs, case.channels, *case.kernel), generator=random, device=device)
    for operand in (x, weight):
        operand.requires_grad_(case.training)

    def run(plan: Plan | None) -> None:
        with torch.set_grad_enabled(case.training):
            if plan is None:
                y = F.conv2d(x, weight, None, 1, case.pad)
            else:
                y = _FftConvolution.apply(x, weight, None, _spectra(weight, plan), plan)
            if case.training:
                torch.autograd.grad(y, (x, weight), y.detach())

    return run


def _by(plan: Plan) -> ModuleType:
    """The functions that follow the plan."""
    return cpu_fft if isinstance(plan, FftPlan) else cuda_fft


class _FftConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None, spectra: object, plan: Plan) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.plan = plan
        return _by(plan).convolve(x, spectra, bias, plan)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        dx = dweight = dbias = None
        fft = _by(ctx.plan)
        if ctx.needs_input_grad[0]:
            turned = ctx.plan.input_gradient()
            dx = fft.convolve(dy, fft.transform_weights(weight, turned, turned=True), None, turned)
        if ctx.needs_input_grad[1]:
            dweight = fft.weight_gradient(x, dy, ctx.plan)
        if ctx.needs_input_grad[2]:
            dbias = dy.sum((0, 2, 3))
        return dx, dweight, dbias, None, None


def _spectra(weight: Tensor, plan: Plan) -> object:
    """The weight's spectra, kept ones if there are any of this state of the weight."""
    fft = _by(plan)
    if _is_trained(weight):
        _kept_spectra.pop(weight, None)
        return fft.transform_weights(weight, plan)
    state = (weight.data_ptr(), None if weight.is_inference() else weight._version, plan.tile)
    kept = _kept_spectra.get(weight)
    if kept is None or kept[0] != state:
        kept = (state, fft.transform_weights(weight, plan))
        _kept_spectra[weight] = kept
    return kept[1]


def _is_trained(weight: Tensor) -> bool:
    return torch.is_grad_enabled() and weight.requires_grad
