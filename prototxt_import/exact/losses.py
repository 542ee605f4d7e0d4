"""Losses of the exact engine: every sum one after the other, as Caffe's loops add, or by BLAS where Caffe asks it.

A loss is a 0-axis tensor; the gradient that reaches it is its loss_weight (times what the net is weighted with).
"""

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from cpm_kernels.exact.blas import asum, dot
from cpm_kernels.exact.elementary import exp, log
from cpm_kernels.exact.profiles import Profile
from prototxt_import.function import Context, Function
from prototxt_import.operations import Normalization
from prototxt_import.share import Share
from prototxt_import.tensors import array, tensor

from .normalization import softmax

LOWEST = np.finfo(np.float32).tiny  # FLT_MIN, below which SoftmaxWithLoss takes no logarithm
LOG_THRESHOLD = np.float32(1e-20)  # the others' (kLOG_THRESHOLD)
Arrays = tuple[np.ndarray, ...]


def loss_of(value: np.float32, like: Tensor) -> Tensor:
    """A 0-axis tensor where `like` is."""
    return torch.tensor(value, device=like.device)


def one_by_one(terms: np.ndarray) -> np.float32:
    """0 plus each term in the array's order, each sum rounded."""
    return np.float32(0) + (np.add.accumulate(terms.ravel(), dtype=np.float32)[-1] if terms.size else np.float32(0))


def scaled(values: np.ndarray, factor: np.float32) -> np.ndarray:
    """cblas_sscal: values · factor, plain zeros for a factor of 0."""
    return values * factor if factor != 0 else np.zeros_like(values)


def axpby_onto_nothing(factor: np.float32, values: np.ndarray) -> np.ndarray:
    """cblas_saxpby with b = 0: factor · values added to zeros, which leaves no −0."""
    return values * factor + np.float32(0)


def _rows(x: Tensor) -> np.ndarray:
    """(images, values)."""
    return array(x).reshape(len(x), -1)


class EuclideanLoss(Function[Tensor]):
    """(x, y, share, profile) -> Σ (x − y)² / N / 2 of the whole batch; N counts all its images."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, y: Tensor, share: Share, profile: Profile) -> Tensor:
        difference = x - y
        ctx.save_for_backward(difference)
        values = array(share.whole(difference))
        ctx.images = len(values)
        loss = dot(values, values, profile) / np.float32(len(values)) / np.float32(2)
        return torch.tensor(loss, device=x.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, loss_weight: Tensor) -> tuple[Tensor | None, ...]:
        (difference,) = ctx.saved_tensors
        factor = loss_weight / torch.full_like(loss_weight, ctx.images)  # a card multiplies by the inverse of a number
        of_x, of_y, *_ = ctx.needs_input_grad
        # axpby onto zeros, which leaves no −0 where both are equal
        return difference * factor + 0.0 if of_x else None, difference * -factor + 0.0 if of_y else None, None, None


class SoftmaxLoss(Function[Tensor]):
    """(x, labels, axis, normalization, profile) -> −Σ log softmax(x)[label] / divisor."""

    @staticmethod
    def forward(
        ctx: Context, x: Tensor, labels: Tensor, axis: int, normalization: Normalization, profile: Profile
    ) -> Tensor:
        images = int(np.prod(x.shape[:axis], dtype=np.int64))
        probability = softmax(array(x).reshape(images, x.shape[axis], -1), profile)
        wanted = labels.cpu().numpy().reshape(images, -1)
        counts = wanted != (np.iinfo(np.int64).min if normalization.ignored is None else normalization.ignored)
        of_label = _at(probability, np.where(counts, wanted, 0))[counts]
        ctx.divisor = normalization.divisor(images, wanted.shape[1], int(counts.sum()))
        ctx.of, ctx.shape, ctx.like = (probability, wanted, counts), tuple(x.shape), x.new_empty(0)
        total = np.float32(0) - one_by_one(log(np.maximum(of_label, LOWEST)))
        return loss_of(total / ctx.divisor, x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, loss_weight: Tensor) -> tuple[Tensor | None, ...]:
        probability, wanted, counts = ctx.of
        dx = probability.copy()
        image, place = np.nonzero(counts)
        dx[image, wanted[counts], place] -= 1
        dx[np.broadcast_to(~counts[:, None], dx.shape)] = 0
        dx = scaled(dx, np.float32(array(loss_weight) / ctx.divisor))
        return tensor(dx.reshape(ctx.shape), ctx.like), None, None, None, None


def _at(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """values (images, channels, places) in the channel that labels (images, places) name, for each place."""
    return np.take_along_axis(values, labels[:, None], axis=1)[:, 0]


class SigmoidCrossEntropyLoss(Function[Tensor]):
    """(x, y, normalization) -> −Σ [x · (y − [x ≥ 0]) − log(1 + exp(x − 2 x [x ≥ 0]))] / divisor."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, y: Tensor, normalization: Normalization) -> Tensor:
        values, targets = _rows(x), array(y).reshape(len(x), -1)
        counts = np.ones(values.shape, bool)
        if normalization.ignored is not None:
            counts = np.trunc(targets) != normalization.ignored
        positive = (values >= 0).astype(np.float32)
        terms = values * (targets - positive) - log(exp(values - 2 * values * positive) + np.float32(1))
        images, places = values.shape
        ctx.divisor = normalization.divisor(images, places, int(counts.sum()))
        ctx.of, ctx.shape, ctx.like = (values, targets, counts), tuple(x.shape), x.new_empty(0)
        return loss_of((np.float32(0) - one_by_one(terms[counts])) / ctx.divisor, x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, loss_weight: Tensor) -> tuple[Tensor | None, ...]:
        values, targets, counts = ctx.of
        sigmoid = (1 / (1 + exp(-values).astype(np.float64))).astype(np.float32)
        dx = np.where(counts, sigmoid - targets, np.float32(0))
        dx = scaled(dx, np.float32(array(loss_weight) / ctx.divisor))
        return tensor(dx.reshape(ctx.shape), ctx.like), None, None


class HingeLoss(Function[Tensor]):
    """(x, labels (N,), squared, profile) -> Σ max(0, 1 ∓ x) or its squares / N; minus for the label's own value."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, labels: Tensor, squared: bool, profile: Profile) -> Tensor:
        margins, own = _rows(x).copy(), (np.arange(len(x)), labels.cpu().numpy())
        margins[own] *= -1
        margins = np.maximum(margins + np.float32(1), np.float32(0))
        ctx.of, ctx.squared, ctx.shape, ctx.like = (margins, own), squared, tuple(x.shape), x.new_empty(0)
        total = dot(margins, margins, profile) if squared else asum(margins, profile)
        return loss_of(np.float32(total / np.float32(len(x))), x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, loss_weight: Tensor) -> tuple[Tensor | None, ...]:
        margins, own = ctx.of
        dx, weight = margins.copy(), np.float32(array(loss_weight))
        dx[own] *= -1
        if ctx.squared:
            dx = scaled(dx, weight * np.float32(2) / np.float32(len(dx)))
        else:
            dx = scaled(np.sign(dx) + np.float32(0), weight / np.float32(len(dx)))
        return tensor(dx.reshape(ctx.shape), ctx.like), None, None, None


class MultinomialLogisticLoss(Function[Tensor]):
    """(probabilities, labels (N,)) -> −Σ log(probability of the label) / N."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, labels: Tensor) -> Tensor:
        own = np.arange(len(x)), labels.cpu().numpy()
        of_label = np.maximum(_rows(x)[own], LOG_THRESHOLD)
        ctx.of, ctx.shape, ctx.like = (of_label, own), tuple(x.shape), x.new_empty(0)
        return loss_of((np.float32(0) - one_by_one(log(of_label))) / np.float32(len(x)), x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, loss_weight: Tensor) -> tuple[Tensor | None, ...]:
        of_label, own = ctx.of
        dx = np.zeros((len(of_label), int(np.prod(ctx.shape[1:]))), np.float32)
        dx[own] = -np.float32(array(loss_weight)) / np.float32(len(of_label)) / of_label
        return tensor(dx.reshape(ctx.shape), ctx.like), None


class InfogainLoss(Function[Tensor]):
    """(probabilities (N, K), labels (N,), gains (K, K)) -> −Σ gains[label, k] · log(probability k) / N."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, labels: Tensor, gains: Tensor) -> Tensor:
        probability = np.maximum(_rows(x), LOG_THRESHOLD)
        of_label = array(gains)[labels.cpu().numpy()]
        ctx.of, ctx.shape, ctx.like = (probability, of_label), tuple(x.shape), x.new_empty(0)
        return loss_of((np.float32(0) - one_by_one(of_label * log(probability))) / np.float32(len(x)), x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, loss_weight: Tensor) -> tuple[Tensor | None, ...]:
        probability, of_label = ctx.of
        scale = -np.float32(array(loss_weight)) / np.float32(len(probability))
        return tensor((scale * of_label / probability).reshape(ctx.shape), ctx.like), None, None


class ContrastiveLoss(Function[Tensor]):
    """(x, y, similar (N,), margin, legacy, profile) -> Σ over pairs of d² if similar, else max(margin − d, 0)², or
    with `legacy` max(margin − d², 0), / N / 2; d is the distance of the pair."""

    @staticmethod
    def forward(
        ctx: Context, x: Tensor, y: Tensor, similar: Tensor, margin: float, legacy: bool, profile: Profile
    ) -> Tensor:
        difference = _rows(x - y)
        squares = np.array([dot(row, row, profile) for row in difference], np.float32)
        pairs = array(similar).astype(np.int64).reshape(-1) != 0
        distance = np.sqrt(squares)
        left = np.maximum(np.float32(margin) - (squares if legacy else distance), np.float32(0))
        terms = np.where(pairs, squares, left if legacy else left * left)
        ctx.of, ctx.shape, ctx.like = (difference, pairs, squares, distance), tuple(x.shape), x.new_empty(0)
        ctx.margin, ctx.legacy = np.float32(margin), legacy
        return loss_of(one_by_one(terms) / np.float32(len(x)) / np.float32(2), x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, loss_weight: Tensor) -> tuple[Tensor | None, ...]:
        alpha = np.float32(array(loss_weight)) / np.float32(len(ctx.of[0]))
        sides = zip((alpha, -alpha), ctx.needs_input_grad[:2], strict=True)
        gradients = (_pairs_gradient(ctx, alpha) if needed else None for alpha, needed in sides)
        return *gradients, None, None, None, None


def _pairs_gradient(ctx: Context, alpha: np.float32) -> Tensor:
    """Of one side: alpha · difference for a similar pair; a pair that is not is pushed apart within the margin."""
    difference, pairs, squares, distance = ctx.of
    gradient = np.zeros_like(difference)
    for row, similar in enumerate(pairs):
        left = ctx.margin - (squares if ctx.legacy else distance)[row]
        if similar:
            gradient[row] = axpby_onto_nothing(alpha, difference[row])
        elif left > 0:
            factor = -alpha if ctx.legacy else -alpha * left / (distance[row] + np.float32(1e-4))
            gradient[row] = axpby_onto_nothing(factor, difference[row])
    return tensor(gradient, ctx.like).reshape(ctx.shape)
