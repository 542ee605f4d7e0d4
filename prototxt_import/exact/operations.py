"""The exact engine: what the original Caffe computed on a CPU with OpenBLAS, to the last bit, forward and backward.

Every operation is a torch.autograd.Function over float32 tensors; gradients of a net's parameters are
added to their `.grad` image by image, as Caffe does. What comes from the C library (exp, log, tanh, pow) has the bits
of the C library at hand.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from cpm_kernels.exact.blas import dot
from cpm_kernels.exact.convolution import Geometry
from cpm_kernels.exact.gemm import GEMM_PROFILES
from cpm_kernels.exact.pooling import Pooling
from cpm_kernels.exact.random import CaffeRandom
from prototxt_import.geometry import Window
from prototxt_import.share import Share

from . import elementwise, normalization, products
from .gradients import array, tensor
from .kernels import kernels_of


class ExactOperations:
    """Caffe's arithmetic; `profile` says which OpenBLAS cut the matrix products."""

    memory_format = torch.contiguous_format
    adds_parameter_gradients = True  # to `.grad` themselves, image by image; autograd gets none
    profile = GEMM_PROFILES["openblas-0.3.21"]

    @classmethod
    def _geometry(cls, window: Window, group: int) -> Geometry:
        return Geometry(window.kernel, window.stride, window.pad, window.dilation, group, cls.profile)

    @classmethod
    def convolution(
        cls, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int, rectified: bool = False
    ) -> Tensor:
        """Cross-correlation; weight (C_out, C_in / group, kernel height, kernel width). `rectified`: then ReLU."""
        y = products.Convolution.apply(x, weight, bias, cls._geometry(window, group))
        return kernels_of(y).relu(y, 0.0, in_place=True) if rectified else y

    @classmethod
    def deconvolution(cls, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int) -> Tensor:
        """Transposed convolution; weight (C_in, C_out / group, kernel height, kernel width)."""
        return products.Deconvolution.apply(x, weight, bias, cls._geometry(window, group))

    @classmethod
    def inner_product(cls, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
        """(M, K) times the transpose of weight (N, K), or, with `transposed`, times weight (K, N), plus (N,)."""
        return products.InnerProduct.apply(x, weight, bias, transposed, cls.profile)

    @staticmethod
    def max_pool(x: Tensor, window: Window) -> Tensor:
        """Maximum over each window, clipped at the edge; the gradient goes to the first maximum."""
        return elementwise.MaxPool.apply(x, _pooling(x, window))

    @staticmethod
    def ave_pool(x: Tensor, window: Window) -> Tensor:
        """Mean over each window; the divisor counts padding, but nothing beyond it."""
        return elementwise.AvePool.apply(x, _pooling(x, window))

    @staticmethod
    def relu(x: Tensor, negative_slope: float) -> Tensor:
        """x where positive, else negative_slope · x."""
        return elementwise.ReLU.apply(x, negative_slope)

    @staticmethod
    def prelu(x: Tensor, slope: Tensor) -> Tensor:
        """As relu with a learnable slope per channel, (C,), or one for all, ()."""
        return elementwise.PReLU.apply(x, slope)

    @staticmethod
    def elu(x: Tensor, alpha: float) -> Tensor:
        """x where positive, else alpha · (exp(x) − 1)."""
        return elementwise.ELU.apply(x, alpha)

    @staticmethod
    def sigmoid(x: Tensor) -> Tensor:
        """1 / (1 + exp(−x))."""
        return elementwise.Sigmoid.apply(x)

    @staticmethod
    def tanh(x: Tensor) -> Tensor:
        """Hyperbolic tangent."""
        return elementwise.TanH.apply(x)

    @staticmethod
    def absval(x: Tensor) -> Tensor:
        """|x|."""
        return elementwise.AbsVal.apply(x)

    @staticmethod
    def power(x: Tensor, power: float, scale: float, shift: float) -> Tensor:
        """(shift + scale · x) ^ power."""
        return elementwise.Power.apply(x, power, scale, shift)

    @staticmethod
    def exp(x: Tensor, scale: float, shift: float) -> Tensor:
        """exp(shift + scale · x)."""
        return elementwise.Exp.apply(x, scale, shift)

    @staticmethod
    def log(x: Tensor, scale: float, shift: float, base_scale: float) -> Tensor:
        """base_scale · ln(shift + scale · x)."""
        return elementwise.Log.apply(x, scale, shift, base_scale)

    @staticmethod
    def scale(x: Tensor, factor: Tensor, trailing: int) -> Tensor:
        """x times a factor that broadcasts over the last `trailing` axes of x."""
        return normalization.Scale.apply(x, factor, trailing)

    @staticmethod
    def bias(x: Tensor, bias: Tensor, trailing: int) -> Tensor:
        """x plus a bias that broadcasts over the last `trailing` axes of x."""
        return normalization.Bias.apply(x, bias, trailing)

    @staticmethod
    def batch_norm(x: Tensor, mean: Tensor, variance: Tensor, eps: float) -> Tensor:
        """(x − mean) / sqrt(variance + eps), statistics per channel, (C,)."""
        return normalization.BatchNorm.apply(x, mean, variance, eps)

    @staticmethod
    def batch_norm_of_batch(x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        """The same with the batch's own statistics, and these: mean and (biased) variance, each (C,)."""
        return normalization.BatchNormOfBatch.apply(x, eps)

    @staticmethod
    def lrn_across(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        """x / (k + alpha/size · Σ over `size` neighbouring channels of x²) ^ beta."""
        return normalization.LRNAcross.apply(x, size, alpha, beta, k)

    @classmethod
    def lrn_within(cls, x: Tensor, size: int, alpha: float, beta: float) -> Tensor:
        """x / (1 + alpha · mean over a size × size window of x²) ^ beta: the layers that Caffe's layer holds inside."""
        x, factor = cls.split(x, 2)
        window = Window((size, size), pad=((size - 1) // 2,) * 2)
        mean = cls.ave_pool(cls.power(factor, 2.0, 1.0, 0.0), window)
        return cls.eltwise_product((x, cls.power(mean, -beta, alpha, 1.0)))

    @staticmethod
    def mvn(x: Tensor, eps: float, normalize_variance: bool) -> Tensor:
        """Rows of (rows, values) with their mean removed and, if asked, divided by (deviation + eps)."""
        return normalization.MVN.apply(x, eps, normalize_variance)

    @staticmethod
    def softmax(x: Tensor, axis: int) -> Tensor:
        """Softmax along an axis."""
        return normalization.Softmax.apply(x, axis)

    @staticmethod
    def split(x: Tensor, count: int) -> tuple[Tensor, ...]:
        """x for each of `count` users, whose gradients add up in their order."""
        return elementwise.Split.apply(x, count)

    @staticmethod
    def eltwise_sum(bottoms: Sequence[Tensor], coefficients: list[float]) -> Tensor:
        """Σ coefficient · bottom."""
        return elementwise.EltwiseSum.apply(coefficients, *bottoms)

    @staticmethod
    def eltwise_product(bottoms: Sequence[Tensor]) -> Tensor:
        """Product of all."""
        return elementwise.EltwiseProduct.apply(*bottoms)

    @staticmethod
    def eltwise_max(x: Tensor, y: Tensor) -> Tensor:
        """Elementwise maximum; at a tie value and gradient are those of y, as in Caffe."""
        return torch.where(x > y, x, y)

    @staticmethod
    def dropout(x: Tensor, ratio: float, random: CaffeRandom, share: Share) -> Tensor:
        """Zeroes a share `ratio` of the values, drawn from the net's stream, and scales the rest by 1 / (1 − ratio)."""
        p = 1.0 - float(np.float32(ratio))  # in double, as Caffe's `1. - threshold_`
        images = len(x) * share.count
        kept = random.bernoulli(p, x[0].numel() * images).reshape(images, *x.shape[1:])[share.rows(images)]
        return elementwise.Dropout.apply(x, tensor(kept.astype(np.float32), x), float(np.float32(1.0 / p)))

    @staticmethod
    def euclidean_loss(x: Tensor, y: Tensor, share: Share) -> Tensor:
        """Σ (x − y)² / N / 2, a 0-axis tensor (paper, equation 5, averaged over the batch)."""
        return elementwise.EuclideanLoss.apply(x, y, share)

    @staticmethod
    def squared_norm(gradient: Tensor) -> np.float32:
        """Σ gradient², a dot product of one BLAS thread (Caffe: sgd_solver.cpp)."""
        values = array(gradient)
        return dot(values, values)


def _pooling(x: Tensor, window: Window) -> Pooling:
    size = tuple(x.shape[2:])
    return Pooling(size, window.pooled(size), window.kernel, window.stride, window.pad)


def exact_operations(profile: str) -> type[ExactOperations]:
    """The exact engine with the blocks of another OpenBLAS, by its name in GEMM_PROFILES."""
    return type("ExactOperations", (ExactOperations,), {"profile": GEMM_PROFILES[profile]})
