"""How the fast engine convolves: by FFT where that is cheaper, else with torch's own kernels.

A cost model says what is cheaper (`cpm_kernels.fft.plan` on a CPU, `cuda_fft` on a card), or what was measured once
(`measured_plans`). The spectra of weights that are not being trained are kept until the weights change or go.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.weak import WeakTensorKeyDictionary

from cpm_kernels.fft import plan as cpu_plan
from cpm_kernels.fft.plan import FftPlan, PlainConvolution
from cpm_kernels.window import Window
from prototxt_import.function import Context, Function, Gradients

from . import cpu_fft, cuda_fft, products
from .cuda_fft import CudaFftPlan
from .measured_plans import MeasuredPlans
from .memory import Recycled

Plan = FftPlan | CudaFftPlan


class Convolutions:
    """The convolutions of one engine, and what it keeps for them: plans, spectra of weights, memory of results.

    tf32: whether a card's products may round to it. measured: plans to go by instead of the cost model's.
    """

    def __init__(self, tf32: bool, measured: MeasuredPlans[Plan] | None, memory: Recycled) -> None:
        self.tf32, self.measured, self.memory = tf32, measured, memory
        self.kept_spectra = WeakTensorKeyDictionary()  # weight -> (its state and the tile size, spectra)
        self._plans: dict[tuple[PlainConvolution, bool, torch.device], Plan | None] = {}

    def __call__(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int, rectified: bool = False
    ) -> Tensor:
        """Cross-correlation of x (N, C, H, W) with weight (C_out, C / group, kernel height, kernel width) plus bias.

        `rectified`: then ReLU, which has no gradient here.
        """
        plan = self.plan_of(x, weight, window, group)
        if plan is None:
            y = products.Convolution.apply(x, weight, bias, window, group, False, self.tf32)
            return y.relu_() if rectified else y
        spectra = self._spectra(weight, plan)
        if rectified:
            return self.by_fft(x, spectra, bias, plan, relu=True)
        return _FftConvolution.apply(x, weight, bias, spectra, plan, self)

    def plan_of(self, x: Tensor, weight: Tensor, window: Window, group: int) -> Plan | None:
        """The plan of a convolution by FFT; None where it does not apply or pay."""
        plain = group == 1 and window.stride == window.dilation == (1, 1)
        float32 = x.dtype == weight.dtype == torch.float32
        if not (plain and float32 and x.device == weight.device and x.device.type in ("cpu", "cuda")):
            return None
        if x.is_cuda and self.tf32:
            return None  # tensor cores are faster still
        outputs, channels = weight.shape[:2]
        images, _, height, width = x.shape
        convolution = PlainConvolution(channels, outputs, window, (height, width), images)
        case = convolution, _is_trained(weight), x.device
        if case not in self._plans:
            self._plans[case] = self._plan(*case)
        return self._plans[case]

    def _plan(self, convolution: PlainConvolution, training: bool, device: torch.device) -> Plan | None:
        planning = cuda_fft if device.type == "cuda" else cpu_plan
        if self.measured is None:
            plan: Plan | None = planning.fft_plan(convolution, training)
            return plan
        tried = planning.planned(convolution, training)
        plans = planning.plans_of(tried)
        if not plans or convolution.images < 1:
            return None
        found = self.measured.fastest(device, _name(tried, training), plans, self._trial(tried, training, device))
        return found and planning.for_images(found, convolution.images)

    def _trial(
        self, convolution: PlainConvolution, training: bool, device: torch.device
    ) -> Callable[[Plan | None], None]:
        """Does the convolution once, with its gradients when training."""
        random = torch.Generator(device).manual_seed(1)  # torch's own goes on as if nothing had been measured
        channels, outputs, window = convolution.channels, convolution.outputs, convolution.window
        shape = (convolution.images, channels, *convolution.size)
        x = torch.randn(shape, generator=random, device=device).to(memory_format=torch.channels_last)
        weight = torch.randn((outputs, channels, *window.kernel), generator=random, device=device)
        for operand in (x, weight):
            operand.requires_grad_(training)

        def run(plan: Plan | None) -> None:
            with torch.set_grad_enabled(training):
                if plan is None:
                    y = products.Convolution.apply(x, weight, None, window, 1, False, self.tf32)
                else:
                    y = _FftConvolution.apply(x, weight, None, self._spectra(weight, plan), plan, self)
                if training:
                    torch.autograd.grad(y, (x, weight), y.detach())

        return run

    def by_fft(self, x: Tensor, spectra: Any, bias: Tensor | None, plan: Plan, relu: bool = False) -> Tensor:
        """x (N, C, H, W) with the weight of these spectra, plus bias, then ReLU if asked: without gradient."""
        if isinstance(plan, FftPlan):
            return cpu_fft.convolve(x, spectra, bias, plan, self.memory, relu)
        with products.precision(x, tf32=False):
            return cuda_fft.convolve(x, spectra, bias, plan, relu)

    def _spectra(self, weight: Tensor, plan: Plan) -> Any:
        """The weight's spectra, kept ones if there are any of this state of the weight."""
        fft = _by(plan)
        if _is_trained(weight):
            self.kept_spectra.pop(weight, None)
            return fft.transform_weights(weight, plan)
        state = (weight.data_ptr(), None if weight.is_inference() else weight._version, plan.tile)
        kept = self.kept_spectra.get(weight)
        if kept is None or kept[0] != state:
            kept = (state, fft.transform_weights(weight, plan))
            self.kept_spectra[weight] = kept
        return kept[1]


def _name(convolution: PlainConvolution, training: bool) -> str:
    """In the file of measured plans."""
    window, how = convolution.window, ", training" if training else ""
    kernel, size, pad = (f"{rows} x {columns}" for rows, columns in (window.kernel, convolution.size, window.pad))
    blobs = f"{convolution.channels} -> {convolution.outputs}"
    return f"{blobs}, {kernel} on {size}, pad {pad}, images {convolution.images}{how}"


def _by(plan: Plan) -> ModuleType:
    """The functions that follow the plan."""
    return cpu_fft if isinstance(plan, FftPlan) else cuda_fft


def _is_trained(weight: Tensor) -> bool:
    return torch.is_grad_enabled() and weight.requires_grad


class _FftConvolution(Function[Tensor]):
    """(x, weight, bias, the weight's spectra, plan, convolutions) -> y."""

    @staticmethod
    def forward(
        ctx: Context,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        spectra: Any,
        plan: Plan,
        convolutions: Convolutions,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.plan, ctx.convolutions = plan, convolutions
        return convolutions.by_fft(x, spectra, bias, plan)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        x, weight = ctx.saved_tensors
        dx = dweight = dbias = None
        fft = _by(ctx.plan)
        if ctx.needs_input_grad[0]:
            turned = ctx.plan.input_gradient()
            dx = ctx.convolutions.by_fft(dy, fft.transform_weights(weight, turned, turned=True), None, turned)
        if ctx.needs_input_grad[1]:
            with products.precision(x, tf32=False):
                dweight = fft.weight_gradient(x, dy, ctx.plan)
        if ctx.needs_input_grad[2]:
            dbias = dy.sum((0, 2, 3))
        return dx, dweight, dbias, None, None, None
