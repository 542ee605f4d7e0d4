"""Losses of the plain engine and the fast one, as expressions that torch differentiates; where Caffe's gradient is not
that of its value (a logarithm's limit, for instance) the gradient is Caffe's.
"""

import math

import numpy as np
import torch
from torch import Tensor

from prototxt_import.operations import Normalization
from prototxt_import.tensors import total

LOG_LOWEST = math.log(float(np.finfo(np.float32).tiny))
"""SoftmaxWithLoss's lowest logarithm of a probability; its gradient does not know of it."""
LOG_THRESHOLD = 1e-20
"""The others' lowest probability, which divides the gradient, too."""


def softmax_loss(x: Tensor, labels: Tensor, axis: int, normalization: Normalization) -> Tensor:
    """Over all places whose label counts."""
    counts = _counting(labels, normalization)
    wanted = torch.where(counts, labels, 0).reshape(x.shape[:axis] + (1,) + x.shape[axis + 1 :])
    of_label = torch.log_softmax(x, axis).gather(axis, wanted)
    of_label = of_label + (of_label.clamp(min=LOG_LOWEST) - of_label).detach()
    images = math.prod(x.shape[:axis])
    places = math.prod(x.shape[axis + 1 :])
    return -total(torch.where(counts.reshape(wanted.shape), of_label, 0)) / _divisor(
        normalization, images, places, counts
    )


def weighted_softmax_loss(
    x: Tensor, labels: Tensor, axis: int, normalization: Normalization, weights: Tensor
) -> Tensor:
    """The same with each place times its label's weight; the divisor is not."""
    counts = _counting(labels, normalization)
    wanted = torch.where(counts, labels, 0)
    of_label = torch.log_softmax(x, axis).gather(axis, wanted.unsqueeze(axis)).squeeze(axis).clamp(min=LOG_LOWEST)
    images, places = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    return -total(torch.where(counts, of_label * weights[wanted], 0)) / _divisor(normalization, images, places, counts)


def _counting(labels: Tensor, normalization: Normalization) -> Tensor:
    return (
        torch.ones_like(labels, dtype=torch.bool) if normalization.ignored is None else labels != normalization.ignored
    )


def _divisor(normalization: Normalization, images: int, places: int, counts: Tensor) -> float | Tensor:
    """Of labels that count a tensor, whose value a compiler need not see."""
    if normalization.mode == "VALID":
        return counts.sum().clamp(min=1)
    return float(normalization.divisor(images, places, 0))


def sigmoid_cross_entropy_loss(x: Tensor, y: Tensor, normalization: Normalization) -> Tensor:
    """Over all values whose target counts."""
    targets = y.reshape(x.shape)
    counts = _counting(targets.trunc(), normalization)
    terms = softplus(x) - x * targets
    return total(torch.where(counts, terms, 0)) / _divisor(normalization, len(x), x[0].numel(), counts)


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), by functions whose bits do not depend on the number of threads (as those of torch's own do)."""
    same = 20.0  # from there on it is x in float32
    return torch.where(x > same, x, x.clamp(max=same).exp().log1p())


def hinge_loss(x: Tensor, labels: Tensor, squared: bool) -> Tensor:
    """The label's own value has the other sign."""
    sign = torch.ones_like(x).scatter(1, labels[:, None], -1.0)
    margins = (1 + sign * x).clamp(min=0)
    return total(margins.square() if squared else margins) / len(x)


def multinomial_logistic_loss(x: Tensor, labels: Tensor) -> Tensor:
    """Of probabilities."""
    return -total(_limited_log(x.gather(1, labels[:, None]))) / len(x)


def infogain_loss(x: Tensor, labels: Tensor, gains: Tensor) -> Tensor:
    """Of probabilities."""
    return -total(gains[labels] * _limited_log(x)) / len(x)


def _limited_log(x: Tensor) -> Tensor:
    """log of at least the threshold, whose gradient goes on below it."""
    return (x.clamp(min=LOG_THRESHOLD).detach() + (x - x.detach())).log()  # to the bit, of x below 0, too


def contrastive_loss(x: Tensor, y: Tensor, similar: Tensor, margin: float, legacy: bool) -> Tensor:
    """Of pairs of rows. Caffe's gradient divides by the distance and 1e-4."""
    difference = x - y
    squares = difference.square().sum(1)
    pairs = similar.reshape(-1).long() != 0
    if legacy:
        apart = (margin - squares).clamp(min=0) / 2
    else:
        distance = squares.detach().sqrt()
        pulled = -(margin - distance).clamp(min=0) / (distance + 1e-4) * squares / 2
        apart = (margin - distance).clamp(min=0).square() / 2 + pulled - pulled.detach()
    return total(torch.where(pairs, squares / 2, apart)) / len(x)
