"""The fast engine: Caffe's operations at float32 accuracy by torch's own kernels.

Every method takes and returns torch tensors (N, C, H, W float32 unless said otherwise) and is differentiable.
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cpm_kernels.exact.pooling import Pooling, max_pool_channels_last
from cpm_kernels.exact.random import CaffeRandom
from prototxt_import.geometry import Window
from prototxt_import.share import Share

from . import convolution
from .memory import as_array, as_tensor, recycled


class FastOperations:
    """torch's kernels, with Caffe's rules for shapes, ties and divisors."""

    memory_format = torch.channels_last  # 1.3 to 1.6 times as fast as N, C, H, W order on a CPU
    adds_parameter_gradients = False  # autograd does
    dtype = torch.float32  # of the products' factors
    tf32 = False

    @classmethod
    def _factors(cls, x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """The operands of a product in the engine's precision."""
        if x.is_cuda:  # cuDNN's own default is TF32, with 10 bits of mantissa; the backward pass goes by this, too
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = cls.tf32
            torch.backends.cudnn.deterministic = True
        return x.to(cls.dtype), weight.to(cls.dtype), None if bias is None else bias.to(cls.dtype)

    @classmethod
    def convolution(
        cls, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int, rectified: bool = False
    ) -> Tensor:
        """Cross-correlation; weight (C_out, C_in / group, kernel height, kernel width). `rectified`: then ReLU."""
        return convolution.convolution(*cls._factors(x, weight, bias), window, group, rectified)

    @classmethod
    def deconvolution(cls, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int) -> Tensor:
        """Transposed convolution; weight (C_in, C_out / group, kernel height, kernel width)."""
        x, weight, bias = cls._factors(x, weight, bias)
        return F.conv_transpose2d(x, weight, bias, window.stride, window.pad, 0, group, window.dilation)

    @staticmethod
    def max_pool(x: Tensor, window: Window) -> Tensor:
        """Maximum over each window, clipped at the edge; the gradient goes to the first maximum."""
        if x.device.type == "cpu" and x.dtype == torch.float32 and not (torch.is_grad_enabled() and x.requires_grad):
            return _max_pool_without_gradient(x, window)
        if (
            window.ceil
            and window.pad == (0, 0)
            and all(s <= k for s, k in zip(window.stride, window.kernel, strict=True))
        ):
            return F.max_pool2d(x, window.kernel, window.stride, ceil_mode=True)
        bottom, right = _beyond(x, window)
        top, left = window.pad
        x = F.pad(x, (left, max(right, 0), top, max(bottom, 0)), value=torch.finfo(x.dtype).min)
        return F.max_pool2d(x, window.kernel, window.stride)

    @staticmethod
    def ave_pool(x: Tensor, window: Window) -> Tensor:
        """Mean over each window; the divisor counts padding, but nothing beyond it."""
        height, width = window.pooled(tuple(x.shape[-2:]))
        top, left = window.pad  # which torch itself takes up to half of the kernel only
        x = F.pad(x, (left, left, top, top))
        return F.avg_pool2d(x, window.kernel, window.stride, ceil_mode=window.ceil)[..., :height, :width]

    @classmethod
    def inner_product(cls, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
        """(M, K) times the transpose of weight (N, K), or, with `transposed`, times weight (K, N), plus (N,)."""
        x, weight, bias = cls._factors(x, weight, bias)
        return F.linear(x, weight.t() if transposed else weight, bias)

    @staticmethod
    def relu(x: Tensor, negative_slope: float) -> Tensor:
        """x where positive, else negative_slope · x."""
        return F.leaky_relu(x, negative_slope) if negative_slope else F.relu(x)

    @staticmethod
    def prelu(x: Tensor, slope: Tensor) -> Tensor:
        """As relu with a learnable slope per channel, (C,), or one for all, ()."""
        return F.prelu(x, slope.reshape(-1))

    @staticmethod
    def elu(x: Tensor, alpha: float) -> Tensor:
        """x where positive, else alpha · (exp(x) − 1)."""
        return F.elu(x, alpha)

    @staticmethod
    def sigmoid(x: Tensor) -> Tensor:
        """1 / (1 + exp(−x))."""
        return torch.sigmoid(x)

    @staticmethod
    def tanh(x: Tensor) -> Tensor:
        """Hyperbolic tangent."""
        return torch.tanh(x)

    @staticmethod
    def absval(x: Tensor) -> Tensor:
        """|x|."""
        return x.abs()

    @staticmethod
    def power(x: Tensor, power: float, scale: float, shift: float) -> Tensor:
        """(shift + scale · x) ^ power."""
        x = x * scale + shift
        return x if power == 1 else x.pow(power)

    @staticmethod
    def exp(x: Tensor, scale: float, shift: float) -> Tensor:
        """exp(shift + scale · x)."""
        return torch.exp(x * scale + shift)

    @staticmethod
    def log(x: Tensor, scale: float, shift: float, base_scale: float) -> Tensor:
        """base_scale · ln(shift + scale · x)."""
        return torch.log(x * scale + shift) * base_scale

    @staticmethod
    def bnll(x: Tensor) -> Tensor:
        """log(1 + exp(x))."""
        return F.softplus(x)

    @staticmethod
    def axpy(a: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """a · x + y."""
        return a * x + y

    @staticmethod
    def reduction(x: Tensor, operation: str, coefficient: float) -> Tensor:
        """coefficient · SUM, ASUM (of magnitudes), SUMSQ (of squares) or MEAN over the last axis."""
        values = {"ASUM": x.abs, "SUMSQ": x.square}.get(operation, lambda: x)()
        return (values.mean(-1) if operation == "MEAN" else values.sum(-1)) * coefficient

    @staticmethod
    def l2_normalize(x: Tensor, scale: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
        """scale · x / sqrt(Σ over the axes of x² + eps); scale per channel, (C,), or one for all, ()."""
        norm = ((x * x).sum(axes, keepdim=True) + eps).sqrt()
        return x / norm * (scale.reshape(-1, 1, 1) if scale.dim() else scale)

    @staticmethod
    def scale(x: Tensor, factor: Tensor, trailing: int) -> Tensor:
        """x times a factor that broadcasts over the last `trailing` axes of x."""
        return x * factor.reshape(factor.shape + (1,) * trailing)

    @staticmethod
    def bias(x: Tensor, bias: Tensor, trailing: int) -> Tensor:
        """x plus a bias that broadcasts over the last `trailing` axes of x."""
        return x + bias.reshape(bias.shape + (1,) * trailing)

    @staticmethod
    def batch_norm(x: Tensor, mean: Tensor, variance: Tensor, eps: float) -> Tensor:
        """(x − mean) / sqrt(variance + eps), statistics per channel, (C,)."""
        broadcast = (1, -1) + (1,) * (x.dim() - 2)
        return (x - mean.reshape(broadcast)) / (variance.reshape(broadcast) + eps).sqrt()

    @staticmethod
    def batch_norm_of_batch(x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        """The same with the batch's own statistics, and these: mean and (biased) variance, each (C,)."""
        axes = [axis for axis in range(x.dim()) if axis != 1]
        mean, variance = x.mean(axes), x.var(axes, unbiased=False)
        return FastOperations.batch_norm(x, mean, variance, eps), mean, variance

    @staticmethod
    def lrn_across(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        """x / (k + alpha/size · Σ over `size` neighbouring channels of x²) ^ beta."""
        most = 2 * x.shape[1] - 1  # a larger window sees no more channels, but torch pads for it
        if size > most:
            size, alpha = most, alpha * most / size
        return F.local_response_norm(x, size, alpha, beta, k)

    @staticmethod
    def lrn_within(x: Tensor, size: int, alpha: float, beta: float) -> Tensor:
        """x / (1 + alpha · mean over a size × size window of x²) ^ beta."""
        mean = F.avg_pool2d(x * x, size, 1, (size - 1) // 2, count_include_pad=True)
        return x * (1 + alpha * mean).pow(-beta)

    @staticmethod
    def mvn(x: Tensor, eps: float, normalize_variance: bool) -> Tensor:
        """Rows of (rows, values) with their mean removed and, if asked, divided by (deviation + eps)."""
        x = x - x.mean(1, keepdim=True)
        if not normalize_variance:
            return x
        return x / ((x * x).mean(1, keepdim=True).sqrt() + eps)

    @staticmethod
    def softmax(x: Tensor, axis: int) -> Tensor:
        """Softmax along an axis."""
        return torch.softmax(x, axis)

    @staticmethod
    def split(x: Tensor, count: int) -> tuple[Tensor, ...]:
        """x for each of `count` users, whose gradients add up."""
        return (x,) * count

    @staticmethod
    def eltwise_sum(bottoms: Sequence[Tensor], coefficients: list[float]) -> Tensor:
        """Σ coefficient · bottom."""
        terms = (x if c == 1 else x * c for c, x in zip(coefficients, bottoms, strict=True))
        return reduce(lambda x, y: x + y, terms)

    @staticmethod
    def eltwise_product(bottoms: Sequence[Tensor]) -> Tensor:
        """Product of all."""
        return reduce(lambda x, y: x * y, bottoms)

    @staticmethod
    def eltwise_max(x: Tensor, y: Tensor) -> Tensor:
        """Elementwise maximum; at a tie value and gradient are those of y, as in Caffe."""
        return torch.where(x > y, x, y)

    @staticmethod
    def dropout(x: Tensor, ratio: float, random: CaffeRandom, share: Share) -> Tensor:
        """Zeroes a share `ratio` of the values and scales the rest by 1 / (1 − ratio); draws from torch's generator
        of the tensor's device instead of the net's `random`."""
        images = x.shape[0] * share.count
        kept = x.new_empty((images, *x.shape[1:])).bernoulli_(1 - ratio)[share.rows(images)]
        return x * kept.div_(1 - ratio)

    @staticmethod
    def squared_norm(gradient: Tensor) -> np.float32:
        """Σ gradient²."""
        return np.float32((gradient * gradient).sum().item())

    @staticmethod
    def euclidean_loss(x: Tensor, y: Tensor, share: Share) -> Tensor:
        """Σ (x − y)² / N / 2, a 0-axis tensor (paper, equation 5, averaged over the batch)."""
        difference = x - y
        return share.total((difference * difference).sum() / (x.shape[0] * share.count) / 2)


class Tf32Operations(FastOperations):
    """The factors of products rounded to TF32 on a card that has it: 10 bits of mantissa instead of 23."""

    tf32 = True


class BFloat16Operations(FastOperations):
    """Products and what follows them in bfloat16: 7 bits of mantissa, the range of float32."""

    dtype = torch.bfloat16


class HalfOperations(FastOperations):
    """Products and what follows them in float16: 10 bits of mantissa; gradients would need scaling."""

    dtype = torch.float16


def _max_pool_without_gradient(x: Tensor, window: Window) -> Tensor:
    """On a CPU: torch would write down where the maxima are, in 8 bytes each."""
    size = tuple(x.shape[-2:])
    windows = Pooling(size, window.pooled(size), window.kernel, window.stride, window.pad)
    out = recycled.empty((x.shape[0], *windows.pooled, x.shape[1]))
    return as_tensor(max_pool_channels_last(as_array(x), windows, torch.get_num_threads(), out))


def _beyond(x: Tensor, window: Window) -> tuple[int, int]:
    """Rows and columns that the last windows need below and to the right of the blob."""
    size = tuple(x.shape[-2:])
    ends = zip(window.pooled(size), window.kernel, window.stride, window.pad, size, strict=True)
    bottom, right = ((count - 1) * s + k - p - n for count, k, s, p, n in ends)
    return bottom, right
