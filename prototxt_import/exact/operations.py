"""The exact engine: what the original Caffe computed on a CPU with OpenBLAS, to the last bit, forward and backward.

Every operation is a torch.autograd.Function over float32 tensors; gradients of a net's parameters are
added to their `.grad` image by image, as Caffe does. What comes from the C library (exp, log, tanh, pow) has the bits
of the C library at hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cpm_kernels.exact.blas import axpy, dot
from cpm_kernels.exact.profiles import DEFAULT_PROFILE, Profile
from cpm_kernels.exact.random import CaffeRandom
from cpm_kernels.window import Window
from prototxt_import.operations import Normalization, Operations
from prototxt_import.share import Share
from prototxt_import.tensors import array, tensor

from . import elementwise, losses, normalization, products, recurrent
from .kernels import kernels_of
from .reduction import Reduction


@dataclass(frozen=True)
class Exact(Operations):
    """Caffe's arithmetic; `profile` says with which OpenBLAS."""

    profile: Profile = DEFAULT_PROFILE

    memory_format = torch.contiguous_format
    adds_parameter_gradients = True
    only_launches = False

    def __str__(self) -> str:
        return "exact" if self.profile == DEFAULT_PROFILE else f"exact:{self.profile}"

    def convolution(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int, rectified: bool = False
    ) -> Tensor:
        y = products.Convolution.apply(x, weight, bias, window, group, self.profile)
        return kernels_of(y).relu(y, 0.0, in_place=True) if rectified else y

    def deconvolution(self, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int) -> Tensor:
        return products.Deconvolution.apply(x, weight, bias, window, group, self.profile)

    def inner_product(self, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
        return products.InnerProduct.apply(x, weight, bias, transposed, self.profile)

    def embed(self, indices: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return products.Embed.apply(indices, weight, bias, self.profile)

    def max_pool(self, x: Tensor, window: Window) -> Tensor:
        return elementwise.MaxPool.apply(x, window, False)[0]

    def max_pool_with_mask(self, x: Tensor, window: Window) -> tuple[Tensor, Tensor]:
        return elementwise.MaxPool.apply(x, window, True)

    def ave_pool(self, x: Tensor, window: Window) -> Tensor:
        return elementwise.AvePool.apply(x, window)

    def relu(self, x: Tensor, negative_slope: float) -> Tensor:
        return elementwise.ReLU.apply(x, negative_slope)

    def prelu(self, x: Tensor, slope: Tensor) -> Tensor:
        return elementwise.PReLU.apply(x, slope)

    def elu(self, x: Tensor, alpha: float) -> Tensor:
        return elementwise.ELU.apply(x, alpha)

    def sigmoid(self, x: Tensor) -> Tensor:
        return elementwise.Sigmoid.apply(x)

    def tanh(self, x: Tensor) -> Tensor:
        return elementwise.TanH.apply(x)

    def absval(self, x: Tensor) -> Tensor:
        return elementwise.AbsVal.apply(x)

    def power(self, x: Tensor, power: float, scale: float, shift: float) -> Tensor:
        return elementwise.Power.apply(x, power, scale, shift)

    def exp(self, x: Tensor, scale: float, factor: float) -> Tensor:
        return elementwise.Exp.apply(x, scale, factor)

    def log(self, x: Tensor, scale: float, shift: float, log_base: float) -> Tensor:
        return elementwise.Log.apply(x, scale, shift, log_base)

    def bnll(self, x: Tensor) -> Tensor:
        return elementwise.BNLL.apply(x)

    def reduction(self, x: Tensor, operation: str, coefficient: float) -> Tensor:
        return Reduction.apply(x, operation, coefficient, self.profile)

    def scale(self, x: Tensor, factor: Tensor, trailing: int) -> Tensor:
        return normalization.Scale.apply(x, factor, trailing, self.profile)

    def bias(self, x: Tensor, bias: Tensor, trailing: int) -> Tensor:
        return normalization.Bias.apply(x, bias, trailing, self.profile)

    def batch_norm(self, x: Tensor, mean: Tensor, variance: Tensor, eps: float) -> Tensor:
        return normalization.BatchNorm.apply(x, mean, variance, eps)

    def batch_norm_of_batch(self, x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        return normalization.BatchNormOfBatch.apply(x, eps, self.profile)

    def move_average(self, stored: Tensor, batch: Tensor, kept: float, share: float) -> None:
        values = array(elementwise.scaled(stored.detach(), kept))
        axpy(share, array(batch), values, self.profile)
        stored.copy_(tensor(values, stored))

    def lrn_across(self, x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        return normalization.LRNAcross.apply(x, size, alpha, beta, k, self.profile)

    def lrn_within(self, x: Tensor, size: int, alpha: float, beta: float) -> Tensor:
        # The layers that Caffe's layer holds inside.
        x, factor = self.split(x, 2)
        window = Window((size, size), pad=((size - 1) // 2,) * 2)
        mean = self.ave_pool(self.power(factor, 2.0, 1.0, 0.0), window)
        return self.eltwise_product((x, self.power(mean, -beta, alpha, 1.0)))

    def mvn(self, x: Tensor, eps: float, normalize_variance: bool) -> Tensor:
        return normalization.MVN.apply(x, eps, normalize_variance, self.profile)

    def softmax(self, x: Tensor, axis: int) -> Tensor:
        return normalization.Softmax.apply(x, axis, self.profile)

    def split(self, x: Tensor, count: int) -> tuple[Tensor, ...]:
        return elementwise.Split.apply(x, count)

    def eltwise_sum(self, bottoms: Sequence[Tensor], coefficients: list[float]) -> Tensor:
        return elementwise.EltwiseSum.apply(coefficients, self.profile, *bottoms)

    def eltwise_product(self, bottoms: Sequence[Tensor], by_division: bool = False) -> Tensor:
        return elementwise.EltwiseProduct.apply(by_division, *bottoms)

    def dropout(self, x: Tensor, ratio: float, random: CaffeRandom, share: Share) -> Tensor:
        p = 1.0 - float(np.float32(ratio))  # in double, as Caffe's `1. - threshold_`
        images = len(x) * share.count
        kept = random.bernoulli(p, x[0].numel() * images).reshape(images, *x.shape[1:])[share.rows(images)]
        return elementwise.Dropout.apply(x, tensor(kept.astype(np.float32), x), float(np.float32(1.0 / p)))

    def euclidean_loss(self, x: Tensor, y: Tensor, share: Share) -> Tensor:
        return losses.EuclideanLoss.apply(x, y, share, self.profile)

    def softmax_loss(self, x: Tensor, labels: Tensor, axis: int, normalization: Normalization) -> Tensor:
        return losses.SoftmaxLoss.apply(x, labels, axis, normalization, self.profile)

    def sigmoid_cross_entropy_loss(self, x: Tensor, y: Tensor, normalization: Normalization) -> Tensor:
        return losses.SigmoidCrossEntropyLoss.apply(x, y, normalization)

    def hinge_loss(self, x: Tensor, labels: Tensor, squared: bool) -> Tensor:
        return losses.HingeLoss.apply(x, labels, squared, self.profile)

    def multinomial_logistic_loss(self, x: Tensor, labels: Tensor) -> Tensor:
        return losses.MultinomialLogisticLoss.apply(x, labels)

    def infogain_loss(self, x: Tensor, labels: Tensor, gains: Tensor) -> Tensor:
        return losses.InfogainLoss.apply(x, labels, gains)

    def contrastive_loss(self, x: Tensor, y: Tensor, similar: Tensor, margin: float, legacy: bool) -> Tensor:
        return losses.ContrastiveLoss.apply(x, y, similar, margin, legacy, self.profile)

    def lstm_unit(self, cell: Tensor, gates: Tensor, carries_on: Tensor) -> tuple[Tensor, Tensor]:
        return recurrent.LSTMUnit.apply(cell, gates, carries_on)

    def squared_norm(self, gradient: Tensor) -> np.float32:
        values = array(gradient)
        return dot(values, values, self.profile)
