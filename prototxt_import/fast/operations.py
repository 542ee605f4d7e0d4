"""The fast engine: Caffe's operations at float32 accuracy, by torch's own kernels and by faster ones."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from cpm_kernels.fft.convolution import bfloat16_is_fast
from cpm_kernels.window import Window
from prototxt_import.plain.losses import softplus
from prototxt_import.plain.operations import Plain

from . import cpu_functions
from .convolution import Convolutions, Plan
from .measured_plans import MeasuredPlans
from .memory import Recycled
from .normalization import batch_norm
from .pooling import max_pool, numbers_of, pooled_convolution
from .products import InnerProduct, Product

_CUDNN = False
"""cuDNN's BatchNorm may add in another order every time."""
SHORT = {torch.bfloat16: "bf16", torch.float16: "fp16"}


@dataclass(frozen=True)
class Fast(Plain):
    """The plain engine, with convolution by FFT and pooling of its own, both at once where it can.

    dtype: of products and what follows them: float32, bfloat16 (7 bits of mantissa, float32's range) or float16 (10
    bits; gradients would need scaling). Where the CPU multiplies bfloat16 values fast, convolutions round no more than
    their factors, or the spectra of these, and results are float32. tf32: the factors of products rounded to TF32 on a
    card that has it, 10 bits of mantissa instead of 23. plans: how it convolves, as was measured; without them a cost
    model says how.
    """

    dtype: torch.dtype = torch.float32
    tf32: bool = False
    plans: MeasuredPlans[Plan] | None = None
    _memory: Recycled = field(default_factory=Recycled, init=False, repr=False, compare=False)

    memory_format = torch.channels_last  # 1.3 to 1.6 times as fast as N, C, H, W order on a CPU
    folds = True

    def __str__(self) -> str:
        return ":".join(filter(None, ("fast", SHORT.get(self.dtype), "tf32" if self.tf32 else None)))

    def __reduce__(self) -> tuple[type["Fast"], tuple[torch.dtype, bool, MeasuredPlans[Plan] | None]]:
        """A copy begins with no memory and no spectra of its own."""
        return Fast, (self.dtype, self.tf32, self.plans)

    @property
    def reduced(self) -> bool:
        return self.tf32 or self.dtype != torch.float32

    @property
    def trains(self) -> bool:
        return self.dtype != torch.float16

    @cached_property
    def convolutions(self) -> Convolutions:
        """How it convolves, with what is kept for that."""
        return Convolutions(self.plans, self._memory)

    @cached_property
    def _rounds_by_itself(self) -> bool:
        return self.dtype == torch.bfloat16 and bfloat16_is_fast()

    def _convolved(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """The operands of a convolution as it is to have them."""
        if self._rounds_by_itself and _on_cpu(x):
            return x.float(), weight, bias
        return self._factors(x, weight, bias)

    def _product(self, window: Window, group: int, transposed: bool = False) -> Product:
        return Product(window, group, transposed, self.tf32, self._rounds_by_itself)

    def share_batch(self, count: int) -> None:
        self.convolutions.processes = count

    def _factors(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """The operands of a product in the engine's precision."""
        return x.to(self.dtype), weight.to(self.dtype), None if bias is None else bias.to(self.dtype)

    def convolution(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int, rectified: bool = False
    ) -> Tensor:
        return self.convolutions(*self._convolved(x, weight, bias), self._product(window, group), rectified)

    def pooled_convolution(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        window: Window,
        group: int,
        rectified: bool,
        pooling: Window,
    ) -> Tensor:
        operands = self._convolved(x, weight, bias)
        if not _on_cpu(operands[0]) or operands[0].dtype != torch.float32:
            return super().pooled_convolution(x, weight, bias, window, group, rectified, pooling)
        how = *self._product(window, group).numbers, rectified, *numbers_of(pooling), self.convolutions.number
        y: Tensor = pooled_convolution(*operands, *how)
        return y

    def deconvolution(self, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int) -> Tensor:
        return self.convolutions(*self._convolved(x, weight, bias), self._product(window, group, transposed=True))

    def inner_product(self, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
        return InnerProduct.apply(*self._factors(x, weight, bias), transposed, self.tf32)

    def batch_norm(self, x: Tensor, mean: Tensor, variance: Tensor, eps: float) -> Tensor:
        if mean.requires_grad:
            return super().batch_norm(x, mean, variance, eps)
        return torch.batch_norm(x, None, None, mean, variance, False, 0.0, eps, _CUDNN)

    def batch_norm_of_batch(self, x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        """In one operation; torch's takes the moving averages' place for a way to give the statistics."""
        count = x.numel() // max(1, x.shape[1])
        if count < 2:
            return super().batch_norm_of_batch(x, eps)
        if _on_cpu(x) and x.dtype == torch.float32:
            own: tuple[Tensor, Tensor, Tensor] = batch_norm(x, eps)[:3]
            return own
        mean, variance = x.new_zeros((2, x.shape[1]), dtype=torch.float32)
        y = torch.batch_norm(x, None, None, mean, variance, True, 1.0, eps, _CUDNN)
        return y, mean, variance * ((count - 1) / count)

    def power(self, x: Tensor, power: float, scale: float, shift: float) -> Tensor:
        if power == 1 or not _on_cpu(x):
            return super().power(x, power, scale, shift)
        return cpu_functions.power(x * scale + shift, power)

    def lrn_across(self, x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        """In float32, as torch's means over channels are on a CPU, and float16's squares would run over."""
        return super().lrn_across(_widened(x), size, alpha, beta, k).to(x.dtype)

    def lrn_within(self, x: Tensor, size: int, alpha: float, beta: float) -> Tensor:
        return super().lrn_within(_widened(x), size, alpha, beta).to(x.dtype)

    def prelu(self, x: Tensor, slope: Tensor) -> Tensor:
        slope = slope.to(x.dtype)
        return cpu_functions.prelu(x, slope) if _on_cpu(x) and slope.numel() == 1 else super().prelu(x, slope)

    def scale(self, x: Tensor, factor: Tensor, trailing: int) -> Tensor:
        one = _on_cpu(x) and factor.numel() == 1
        return x * cpu_functions.spread(factor, x) if one else super().scale(x, factor, trailing)

    def bias(self, x: Tensor, bias: Tensor, trailing: int) -> Tensor:
        one = _on_cpu(x) and bias.numel() == 1
        return x + cpu_functions.spread(bias, x) if one else super().bias(x, bias, trailing)

    def mvn(self, x: Tensor, eps: float, normalize_variance: bool) -> Tensor:
        one = _on_cpu(x) and x.shape[0] == 1
        return (cpu_functions.mvn if one else super().mvn)(x, eps, normalize_variance)

    def l2_normalize(self, x: Tensor, scale: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
        return (cpu_functions.l2_normalize if _on_cpu(x) else super().l2_normalize)(x, scale, axes, eps)

    def elu(self, x: Tensor, alpha: float) -> Tensor:
        return cpu_functions.elu(x, alpha) if _on_cpu(x) else super().elu(x, alpha)

    def sigmoid(self, x: Tensor) -> Tensor:
        return cpu_functions.sigmoid(x) if _on_cpu(x) else super().sigmoid(x)

    def bnll(self, x: Tensor) -> Tensor:
        return softplus(x) if _on_cpu(x) else super().bnll(x)

    def mish(self, x: Tensor) -> Tensor:
        return x * softplus(x).tanh() if _on_cpu(x) else super().mish(x)

    def softmax(self, x: Tensor, axis: int) -> Tensor:
        return cpu_functions.softmax(x, axis) if _on_cpu(x) else super().softmax(x, axis)

    def max_pool(self, x: Tensor, window: Window) -> Tensor:
        if _on_cpu(x) and x.dtype == torch.float32 and not (torch.is_grad_enabled() and x.requires_grad):
            y: Tensor = max_pool(x, *numbers_of(window), self.convolutions.number)
            return y
        return super().max_pool(x, window)


def _on_cpu(x: Tensor) -> bool:
    return x.device.type == "cpu"


def _widened(x: Tensor) -> Tensor:
    return x.float() if x.dtype in SHORT else x
