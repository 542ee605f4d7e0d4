"""The plain engine: Caffe's operations by torch's own and nothing else, for nets that leave this project: torch.export,
jit.trace and torch.compile see torch only. The fast engine is this one with kernels of its own where they pay.

Caffe's rules for shapes, ties and divisors are spelt out here in torch's terms.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cpm_kernels.exact.random import CaffeRandom
from cpm_kernels.window import Sizes, Window
from prototxt_import.function import Context, Function
from prototxt_import.operations import Normalization, Operations
from prototxt_import.share import Share
from prototxt_import.tensors import numbers, total

from . import losses


@dataclass(frozen=True)
class Plain(Operations):
    """torch's own operations, in the blobs' type and by the process's settings of cuDNN and cuBLAS."""

    memory_format = torch.contiguous_format
    adds_parameter_gradients = False
    only_launches = True
    folds = False

    def __str__(self) -> str:
        return "plain"

    def convolution(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int, rectified: bool = False
    ) -> Tensor:
        y = torch.convolution(x, weight, bias, *_how(window, False, group))
        return F.relu(y) if rectified else y

    def deconvolution(self, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int) -> Tensor:
        return torch.convolution(x, weight, bias, *_how(window, True, group))

    def inner_product(self, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
        return F.linear(x, weight.t() if transposed else weight, bias)

    def embed(self, indices: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        y = F.embedding(indices, weight)
        return y if bias is None else y + bias

    def max_pool(self, x: Tensor, window: Window) -> Tensor:
        if isinstance(window.kernel[0], torch.SymInt):  # the whole map, of a size that a traced program leaves open
            return _largest_of_map(x)[0]
        if _rounds_like_torch(window) and not any(window.pad):
            return F.max_pool2d(x, window.kernel, window.stride, ceil_mode=window.ceil)
        return F.max_pool2d(_padded_for_maxima(x, window), window.kernel, window.stride)

    def max_pool_with_mask(self, x: Tensor, window: Window) -> tuple[Tensor, Tensor]:
        if isinstance(window.kernel[0], torch.SymInt):
            return _largest_of_map(x)
        padded = _padded_for_maxima(x, window)
        y, where = F.max_pool2d(padded, window.kernel, window.stride, return_indices=True)
        (height, width), (top, left) = x.shape[2:], window.pad
        row, column = where // padded.shape[3] - top, where % padded.shape[3] - left
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        return y, numbers(torch.where(inside, row * width + column, -1), x)

    def ave_pool(self, x: Tensor, window: Window) -> Tensor:
        if isinstance(window.kernel[0], torch.SymInt):
            return x.mean((2, 3), keepdim=True)
        if any(window.pad) and isinstance(x.shape[2], torch.SymInt):
            return _mean_of_inside(x, window)
        if _rounds_like_torch(window):
            return F.avg_pool2d(x, window.kernel, window.stride, window.pad, ceil_mode=window.ceil)
        height, width = window.pooled((x.shape[2], x.shape[3]))
        top, left = window.pad
        x = F.pad(x, (left, left, top, top))
        return F.avg_pool2d(x, window.kernel, window.stride, ceil_mode=window.ceil)[..., :height, :width]

    def relu(self, x: Tensor, negative_slope: float) -> Tensor:
        return F.leaky_relu(x, negative_slope) if negative_slope else F.relu(x)

    def prelu(self, x: Tensor, slope: Tensor) -> Tensor:
        return F.prelu(x, slope.reshape(-1))

    def elu(self, x: Tensor, alpha: float) -> Tensor:
        return F.elu(x, alpha)

    def sigmoid(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)

    def tanh(self, x: Tensor) -> Tensor:
        return torch.tanh(x)

    def absval(self, x: Tensor) -> Tensor:
        return x.abs()

    def power(self, x: Tensor, power: float, scale: float, shift: float) -> Tensor:
        x = x * scale + shift
        return x if power == 1 else x.pow(power)

    def exp(self, x: Tensor, scale: float, factor: float) -> Tensor:
        return torch.exp(x * scale) * factor

    def log(self, x: Tensor, scale: float, shift: float, log_base: float) -> Tensor:
        return torch.log(x * scale + shift) * float(1 / np.float32(log_base))

    def bnll(self, x: Tensor) -> Tensor:
        return F.softplus(x)

    def reduction(self, x: Tensor, operation: str, coefficient: float) -> Tensor:
        values = {"ASUM": x.abs, "SUMSQ": x.square}.get(operation, lambda: x)()
        traced = isinstance(values.shape[-1], torch.SymInt)  # which `total` would make a number
        one = not traced and values.numel() == values.shape[-1]
        sums = total(values).reshape(values.shape[:-1]) if one else values.sum(-1)
        return (sums / values.shape[-1] if operation == "MEAN" else sums) * coefficient

    def scale(self, x: Tensor, factor: Tensor, trailing: int) -> Tensor:
        return x * factor.reshape(factor.shape + (1,) * trailing)

    def bias(self, x: Tensor, bias: Tensor, trailing: int) -> Tensor:
        return x + bias.reshape(bias.shape + (1,) * trailing)

    def batch_norm(self, x: Tensor, mean: Tensor, variance: Tensor, eps: float) -> Tensor:
        broadcast = (1, -1) + (1,) * (x.dim() - 2)
        return (x - mean.reshape(broadcast)) / (variance.reshape(broadcast) + eps).sqrt()

    def batch_norm_of_batch(self, x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        axes = [axis for axis in range(x.dim()) if axis != 1]
        mean, variance = x.mean(axes), x.var(axes, unbiased=False)
        return self.batch_norm(x, mean, variance, eps), mean, variance

    def lrn_across(self, x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        most = 2 * x.shape[1] - 1  # a larger window sees no more channels, but torch pads for it
        if size > most:
            size, alpha = most, alpha * most / size
        squares = (x * x).reshape(x.shape[0], 1, *x.shape[1:3], math.prod(x.shape[3:]))
        mean = F.avg_pool3d(F.pad(squares, (0, 0, 0, 0, size // 2, (size - 1) // 2)), (size, 1, 1), 1)
        return x / self.power(mean.reshape(x.shape), beta, alpha, k)

    def lrn_within(self, x: Tensor, size: int, alpha: float, beta: float) -> Tensor:
        mean = F.avg_pool2d(x * x, size, 1, (size - 1) // 2, count_include_pad=True)
        return x * self.power(mean, -beta, alpha, 1)

    def mvn(self, x: Tensor, eps: float, normalize_variance: bool) -> Tensor:
        x = x - x.mean(1, keepdim=True)
        if not normalize_variance:
            return x
        return x / ((x * x).mean(1, keepdim=True).sqrt() + eps)

    def softmax(self, x: Tensor, axis: int) -> Tensor:
        return torch.softmax(x, axis)

    def split(self, x: Tensor, count: int) -> tuple[Tensor, ...]:
        return (x,) * count

    def eltwise_sum(self, bottoms: Sequence[Tensor], coefficients: list[float]) -> Tensor:
        terms = (x if c == 1 else x * c for c, x in zip(coefficients, bottoms, strict=True))
        return reduce(lambda x, y: x + y, terms)

    def eltwise_product(self, bottoms: Sequence[Tensor], by_division: bool = False) -> Tensor:
        return reduce(lambda x, y: x * y, bottoms)

    def dropout(self, x: Tensor, ratio: float, random: CaffeRandom, share: Share) -> Tensor:
        images = x.shape[0] * share.count
        kept = x.new_empty((images, *x.shape[1:])).bernoulli_(1 - ratio)[share.rows(images)]
        return x * kept.div_(1 - ratio)

    def squared_norm(self, gradient: Tensor) -> np.float32:
        return np.float32(total(gradient * gradient).item())

    def euclidean_loss(self, x: Tensor, y: Tensor, share: Share) -> Tensor:
        difference = x - y
        return share.total(total(difference * difference) / (x.shape[0] * share.count) / 2)

    def softmax_loss(self, x: Tensor, labels: Tensor, axis: int, normalization: Normalization) -> Tensor:
        return losses.softmax_loss(x, labels, axis, normalization)

    def sigmoid_cross_entropy_loss(self, x: Tensor, y: Tensor, normalization: Normalization) -> Tensor:
        return losses.sigmoid_cross_entropy_loss(x, y, normalization)

    def hinge_loss(self, x: Tensor, labels: Tensor, squared: bool) -> Tensor:
        return losses.hinge_loss(x, labels, squared)

    def multinomial_logistic_loss(self, x: Tensor, labels: Tensor) -> Tensor:
        return losses.multinomial_logistic_loss(x, labels)

    def infogain_loss(self, x: Tensor, labels: Tensor, gains: Tensor) -> Tensor:
        return losses.infogain_loss(x, labels, gains)

    def contrastive_loss(self, x: Tensor, y: Tensor, similar: Tensor, margin: float, legacy: bool) -> Tensor:
        return losses.contrastive_loss(x, y, similar, margin, legacy)

    def lstm_unit(self, cell: Tensor, gates: Tensor, carries_on: Tensor) -> tuple[Tensor, Tensor]:
        i, f, o, g = gates.chunk(4, -1)
        kept = _Kept.apply(f, self.sigmoid(f.detach()), carries_on[..., None])
        cell = kept * cell + self.sigmoid(i) * g.tanh()
        return cell, self.sigmoid(o) * cell.tanh()


class _Kept(Function[Tensor]):
    """(x, σ(x), going) -> going · σ(x), whose gradient by x is Caffe's: as if that were a σ itself."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, sigmoid: Tensor, going: Tensor) -> Tensor:
        kept = going * sigmoid
        ctx.save_for_backward(kept)
        return kept

    @staticmethod
    def backward(ctx: Context, d_kept: Tensor) -> tuple[Tensor, None, None]:
        (kept,) = ctx.saved_tensors
        return d_kept * kept * (1 - kept), None, None


def _how(window: Window, transposed: bool, group: int) -> tuple[Sizes, Sizes, Sizes, bool, Sizes, int]:
    """The window as torch.convolution takes it, over one, two or three axes."""
    return window.stride, window.pad, window.dilation, transposed, (0,) * len(window.kernel), group


def _rounds_like_torch(window: Window) -> bool:
    """Whether torch's `ceil_mode` has Caffe's number of windows: torch drops one that begins beyond the map always,
    Caffe if there is padding. And torch pads by half of the kernel at most."""
    drops = any(window.pad) or all(s <= k for s, k in zip(window.stride, window.kernel, strict=True))
    return drops and all(2 * p <= k for p, k in zip(window.pad, window.kernel, strict=True))


def _padded_for_maxima(x: Tensor, window: Window) -> Tensor:
    """With the lowest values around it, so that torch's windows, which round down, are Caffe's."""
    (top, left), (bottom, right) = window.pad, _beyond(window)
    return F.pad(x, (left, right, top, bottom), value=torch.finfo(x.dtype).min)


def _largest_of_map(x: Tensor) -> tuple[Tensor, Tensor]:
    """The largest value of each map, and where it is."""
    y, where = x.flatten(2).max(2, keepdim=True)
    return y[..., None], where[..., None].to(x.dtype)


def _mean_of_inside(x: Tensor, window: Window) -> Tensor:
    """AVE pooling of a map whose size a traced program leaves open: sums, and the part of each window that counts."""
    (top, left), (bottom, right) = window.pad, _beyond(window)
    sums = F.avg_pool2d(F.pad(x, (left, right, top, bottom)), window.kernel, window.stride, divisor_override=1)
    inside = F.pad(torch.ones_like(x[:1, :1]), (left, left, top, top), value=1)
    inside = F.pad(inside, (0, right - left, 0, bottom - top))
    return sums / F.avg_pool2d(inside, window.kernel, window.stride, divisor_override=1)


def _beyond(window: Window) -> tuple[int, ...]:
    """Rows and columns of padding at the end with which torch's number of windows, rounded down, is Caffe's for a blob
    of any size: a stride less one rounds it up; and with less than a kernel, where there is padding, no window begins
    beyond that."""
    drops = any(window.pad)
    axes = zip(window.kernel, window.stride, window.pad, strict=True)
    return tuple(p + (min(s - 1, k - 1 - p) if drops else s - 1) if window.ceil else p for k, s, p in axes)
