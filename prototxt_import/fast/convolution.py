"""How the fast engine convolves: by FFT where that is cheaper, else with torch's own kernels.

A cost model says what is cheaper (`cpm_kernels.fft.plan` on a CPU, `cuda_fft` on a card), or what was measured once
(`measured_plans`). The spectra of weights that are not being trained are kept until the weights change or go.

`torch.ops.cpm_repro.convolution` and `.convolution_backward` are all this as operators of torch's dispatcher: one node
in what torch.export, torch.compile and jit.trace make of a net.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from types import ModuleType
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.weak import WeakTensorKeyDictionary

from cpm_kernels.fft import plan as cpu_plan
from cpm_kernels.fft.plan import FftPlan, PlainConvolution
from cpm_kernels.window import Window
from prototxt_import.function import Context

from . import cpu_fft, cuda_fft, products
from .cuda_fft import CudaFftPlan
from .measured_plans import MeasuredPlans
from .memory import Recycled
from .operators import LIBRARY, operator
from .products import NUMBERS, OfOperands, Product, Wanted

Plan = FftPlan | CudaFftPlan


class Convolutions:
    """The convolutions of one engine, and what it keeps for them: plans, spectra of weights, memory of results.

    measured: plans to go by instead of the cost model's.
    """

    def __init__(self, measured: MeasuredPlans[Plan] | None, memory: Recycled) -> None:
        self.measured, self.memory = measured, memory
        self.processes = 1  # among which a batch that is trained on is shared
        self.number = next(_numbers)
        _by_number[self.number] = self
        self.kept_spectra = WeakTensorKeyDictionary()  # weight -> (its state and the tile size, spectra)
        self._plans: dict[tuple[PlainConvolution, bool, torch.device], Plan | None] = {}

    def __call__(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, product: Product, rectified: bool = False
    ) -> Tensor:
        """x (N, C, H, W) with weight (C_out, C / group, kernel height, kernel width), or transposed (C, C_out / group,
        …), plus bias (C_out,): (N, C_out, H', W'), channels last.

        `rectified`: then ReLU, which has no gradient here.
        """
        trained = torch.is_grad_enabled() and weight.requires_grad
        y: Tensor = convolution(x, weight, bias, *product.numbers, trained, rectified, self.number)
        return y

    def plan_of(self, x: Tensor, weight: Tensor, product: Product, trained: bool = False) -> Plan | None:
        """The plan of a convolution by FFT; None where it does not apply or pay. `trained`: the weight."""
        window = product.window
        plain = product.group == 1 and not product.transposed and window.stride == window.dilation == (1, 1)
        float32 = x.dtype == weight.dtype == torch.float32
        if not (plain and float32 and x.device == weight.device and x.device.type in ("cpu", "cuda")):
            return None
        if x.is_cuda and product.tf32:
            return None  # tensor cores are faster still
        outputs, channels = weight.shape[:2]
        images, _, height, width = x.shape
        convolution = PlainConvolution(channels, outputs, window, (height, width), images, bfloat16=product.rounds(x))
        case = convolution, trained, x.device
        if case not in self._plans:
            self._plans[case] = self._plan(*case)
        return self._plans[case]

    def _plan(self, convolution: PlainConvolution, training: bool, device: torch.device) -> Plan | None:
        """By the images of the whole batch: several processes then round as one does."""
        planning = cuda_fft if device.type == "cuda" else cpu_plan
        whole = replace(convolution, images=convolution.images * (self.processes if training else 1))
        if self.measured is None:
            plan: Plan | None = planning.fft_plan(whole, training)
            return plan and planning.for_images(plan, convolution.images)
        tried = planning.planned(whole, training)
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
        product = Product(window, bfloat16=convolution.bfloat16)

        def run(plan: Plan | None) -> None:
            y = self.forward(x, weight, None, product, plan, training)
            if training:
                self.backward(y, x, weight, product, plan, (True, True, False))

        return run

    def forward(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        product: Product,
        plan: Plan | None,
        trained: bool,
        rectified: bool = False,
        pooling: Window | None = None,
    ) -> Tensor:
        """The convolution by that plan, or with None by torch's own kernels; without gradient. `pooling`: then, by a
        plan for a CPU of a weight that is not trained, max pooling."""
        if trained:
            self.kept_spectra.pop(weight, None)
        if plan is not None:
            return self._by_fft(x, weight, bias, plan, relu=rectified, once=trained, pooling=pooling)
        y = product.convolution(x, weight, bias).contiguous(memory_format=_order(x))
        return y.relu_() if rectified else y

    def backward(
        self, dy: Tensor, x: Tensor, weight: Tensor, product: Product, plan: Plan | None, wanted: Wanted
    ) -> OfOperands:
        """The gradients by x, weight and bias, those that are wanted, by the plan of `forward`."""
        if plan is None:
            return product.gradients(dy, x, weight, wanted)
        dx = dweight = None
        fft = _by(plan)
        if wanted[0]:
            turned = plan.input_gradient()
            dx = self._by_fft(dy, weight, None, turned, once=True, turned=True)
        if wanted[1]:
            with products.precision(x, tf32=False):
                dweight = fft.weight_gradient(x, dy, plan)
        return dx, dweight, products.sum_of_maps(dy) if wanted[2] else None

    def _by_fft(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        plan: Plan,
        relu: bool = False,
        once: bool = False,
        turned: bool = False,
        pooling: Window | None = None,
    ) -> Tensor:
        """x (N, C, H, W) with the weight, plus bias, then ReLU if asked. `once`: no spectra are kept; `turned`: for the
        gradient by the input, `plan` being that one's."""
        if isinstance(plan, FftPlan):
            if once:
                return cpu_fft.convolve_once(x, weight, bias, plan, self.memory, relu, turned)
            return cpu_fft.convolve(x, self._spectra(weight, plan), bias, plan, self.memory, relu, pooling)
        spectra = cuda_fft.transform_weights(weight, plan, turned) if once else self._spectra(weight, plan)
        with products.precision(x, tf32=False):
            return cuda_fft.convolve(x, spectra, bias, plan, relu)

    def _spectra(self, weight: Tensor, plan: Plan) -> Any:
        """The weight's spectra, kept ones if there are any of this state of the weight."""
        fft = _by(plan)
        state = (weight.data_ptr(), None if weight.is_inference() else weight._version, plan.tile)
        kept = self.kept_spectra.get(weight)
        if kept is None or kept[0] != state:
            kept = (state, fft.transform_weights(weight, plan))
            self.kept_spectra[weight] = kept
        return kept[1]


def _name(convolution: PlainConvolution, training: bool) -> str:
    """In the file of measured plans."""
    window, how = convolution.window, ", training" * training + ", bfloat16" * convolution.bfloat16
    kernel, size, pad = (f"{rows} x {columns}" for rows, columns in (window.kernel, convolution.size, window.pad))
    blobs = f"{convolution.channels} -> {convolution.outputs}"
    return f"{blobs}, {kernel} on {size}, pad {pad}, images {convolution.images}{how}"


def _order(x: Tensor) -> torch.memory_format:
    """Of a result's values in memory; torch has channels last for two axes."""
    return torch.channels_last if x.dim() == 4 else torch.contiguous_format


def _by(plan: Plan) -> ModuleType:
    """The functions that follow the plan."""
    return cpu_fft if isinstance(plan, FftPlan) else cuda_fft


_numbers = count()
_by_number: WeakValueDictionary[int, Convolutions] = WeakValueDictionary()
_of_other_processes: list[Convolutions] = []


def convolutions_of(number: int) -> Convolutions:
    """Those of the engine of that number: whose plans, spectra and memory an operator uses. A program that another
    process exported brings the number of an engine that this one lacks, and gets one by default."""
    found = _by_number.get(number)
    if found is None:
        if not _of_other_processes:
            _of_other_processes.append(Convolutions(None, Recycled()))
        found = _of_other_processes[0]
    return found


def _convolution(x: Tensor, weight: Tensor, bias: Tensor | None, *numbers: Any) -> Tensor:
    """`Convolutions.__call__` of the engine of that number; the plan is chosen when it runs, for the sizes of then."""
    *of_product, trained, rectified, engine = numbers
    product, own = Product.of(weight, *of_product), convolutions_of(engine)
    return own.forward(x, weight, bias, product, own.plan_of(x, weight, product, trained), trained, rectified)


def _convolution_backward(dy: Tensor, x: Tensor, weight: Tensor, *numbers: Any) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients by x, weight and bias; empty ones of those that are not wanted."""
    *of_product, trained, wanted, engine = numbers
    product, own = Product.of(weight, *of_product), convolutions_of(engine)
    gradients = own.backward(dy, x, weight, product, own.plan_of(x, weight, product, trained), tuple(wanted))
    dx, dweight, dbias = (x.new_empty(0) if gradient is None else gradient for gradient in gradients)
    return dx, dweight, dbias


def _convolutions_shape(x: Tensor, weight: Tensor, bias: Tensor | None, *numbers: Any) -> Tensor:
    *of_product, _trained, _rectified, _engine = numbers
    product = Product.of(weight, *of_product)
    shape = (x.shape[0], product.outputs(weight), *product.size(tuple(x.shape[2:])))
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=_order(x))


def _gradients_shapes(dy: Tensor, x: Tensor, weight: Tensor, *numbers: Any) -> tuple[Tensor, ...]:
    of_x, of_weight, of_bias = numbers[-2]
    return (
        torch.empty_like(x) if of_x else x.new_empty(0),
        torch.empty_like(weight) if of_weight else x.new_empty(0),
        dy.new_empty(dy.shape[1]) if of_bias else x.new_empty(0),
    )


def _save(ctx: Context, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, weight, _, *numbers, _rectified, engine = inputs
    ctx.save_for_backward(x, weight)
    ctx.numbers, ctx.engine = numbers, engine


@once_differentiable
def _gradients(ctx: Context, dy: Tensor) -> tuple[Tensor | None, ...]:
    wanted = ctx.needs_input_grad[:3]
    made = convolution_backward(dy, *ctx.saved_tensors, *ctx.numbers, wanted, ctx.engine)
    of_operands = (gradient if of else None for gradient, of in zip(made, wanted, strict=True))
    return *of_operands, *(None,) * (len(ctx.numbers) + 2)  # rectified and engine


convolution = operator(
    f"convolution(Tensor x, Tensor weight, Tensor? bias, {NUMBERS}, bool trained, bool rectified, SymInt engine)"
    " -> Tensor",
    _convolution,
    _convolutions_shape,
)
convolution_backward = operator(
    f"convolution_backward(Tensor dy, Tensor x, Tensor weight, {NUMBERS}, bool trained, bool[] wanted, SymInt engine)"
    " -> (Tensor, Tensor, Tensor)",
    _convolution_backward,
    _gradients_shapes,
)
torch.library.register_autograd("cpm_repro::convolution", _gradients, setup_context=_save, lib=LIBRARY)
