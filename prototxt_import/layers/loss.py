"""Losses of two blobs: EuclideanLoss, the L2 loss that every stage of a pose machine has, and ContrastiveLoss (Caffe:
loss_layer.cpp, euclidean_loss_layer.cpp, contrastive_loss_layer.cpp; paper, §3.3), Fast R-CNN's SmoothL1Loss, FlowNet's
and NVIDIA's L1Loss, and Caffe's example of a loss in Python.
"""

import math

import torch
from torch import Tensor

from prototxt_import.tensors import total

from .layer import Layer, Shape, register, register_python


class Loss(Layer):
    """A layer whose first top is a loss, a 0-axis blob: of weight 1 unless the prototxt says otherwise, whether it
    names it or not."""

    bottoms = range(2, 3)
    automatic_tops = 1

    def setup(self, bottom_shapes: list[Shape]) -> None:
        if not self.spec.loss_weight:
            self.spec.loss_weight.append(1)  # Caffe writes it into the net, and so into its snapshots

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [()]


@register("EuclideanLoss")
class EuclideanLoss(Loss):
    """Σ (x − y)² / N / 2 over both bottoms."""

    image_by_image = True
    repeatable = False  # it adds up over the processes

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        x, y = bottom_shapes
        same = x[0] == y[0] and math.prod(x) == math.prod(y)
        self.require(same, "two bottoms of as many images and values", f"{x} and {y}")

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.ops.euclidean_loss(x, y.reshape(x.shape), self.share)


@register_python("pyloss", "EuclideanLossLayer")
class PythonEuclideanLoss(Layer):
    """The layer in Python of Caffe's own example (examples/pycaffe): the same sum in a top (1), without a loss_weight
    that the prototxt does not give."""

    bottoms = range(2, 3)

    def setup(self, bottom_shapes: list[Shape]) -> None:
        x, y = bottom_shapes
        same = x[0] == y[0] and math.prod(x) == math.prod(y)
        self.require(same, "two bottoms of as many images and values", f"{x} and {y}")

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(1,)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.ops.euclidean_loss(x, y.reshape(x.shape), self.share).reshape(1)


def smooth_l1(difference: Tensor, square: float) -> Tensor:
    """σ² d² / 2 where |d| < 1 / σ², else |d| − 1 / (2 σ²), of each value d; square: σ²."""
    size = difference.abs()
    return torch.where(size < 1 / square, difference.square() * (square / 2), size - 0.5 / square)


@register("SmoothL1Loss")
class SmoothL1Loss(Loss):
    """Fast R-CNN's: Σ w₂ · f(w₁ · (x − y)) / N, with f(d) = (σ d)² / 2 where |d| < 1 / σ², else |d| − 1 / (2 σ²); a
    third bottom has the weights w₁, a fourth w₂."""

    of_a_fork = True
    bottoms = range(2, 5)

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        same = all(math.prod(shape) == math.prod(bottom_shapes[0]) for shape in bottom_shapes)
        self.require(same, "bottoms of as many values", " and ".join(map(str, bottom_shapes)))
        self.require(self.spec.smooth_l1_loss_param.sigma > 0, "a sigma above 0", "another")

    def forward(self, x: Tensor, y: Tensor, *weights: Tensor) -> Tensor:
        square = self.spec.smooth_l1_loss_param.sigma**2
        difference = x - y.reshape(x.shape)
        within, without = ([w.detach().reshape(x.shape)] for w in weights) if len(weights) == 2 else (weights, ())
        for weight in within:
            difference = difference * weight.detach().reshape(x.shape)
        terms = smooth_l1(difference, square)
        for weight in without:
            terms = terms * weight
        return total(terms) / len(x)


@register("L1Loss")
class L1Loss(Loss):
    """Σ |x − y| / N, or Σ |x| / N of one bottom; NaNs, which say that the ground truth is not known, count as 0.

    FlowNet's `l1_loss_param`: with `l2_per_location` Σ over the places of sqrt(Σ over the channels of d² + epsilon);
    what is less than `plateau` counts as 0; `normalize_by_num_entries` divides by how many places are known. Without
    an l1_loss_param the layer is NVIDIA's, whose slope at 0 is 0; FlowNet's is −1.
    """

    of_a_fork = True
    bottoms = range(1, 3)

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        same = all(shape == bottom_shapes[0] for shape in bottom_shapes)
        self.require(same and len(bottom_shapes[0]) >= 2, "bottoms of one shape", " and ".join(map(str, bottom_shapes)))
        p = self.spec.l1_loss_param
        self.require(p.plateau >= 0 and p.epsilon >= 0, "plateau and epsilon of 0 or more", "less")
        self.of_flownet = self.spec.HasField("l1_loss_param")

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        p = self.spec.l1_loss_param
        difference = x if y is None else x - y
        known = ~difference.detach().isnan()
        entries: float | Tensor = len(x)
        if p.normalize_by_num_entries:
            entries = known.sum() / x.shape[1]
        difference = difference.where(known, 0)
        return (self._of_places(difference) if p.l2_per_location else self._of_values(difference)) / entries

    def _of_values(self, difference: Tensor) -> Tensor:
        values = difference.detach()
        sign = torch.where(values > 0, 1.0, -1.0) if self.of_flownet else values.sign()
        return total(difference * torch.where(values.abs() >= self.spec.l1_loss_param.plateau, sign, 0))

    def _of_places(self, difference: Tensor) -> Tensor:
        p = self.spec.l1_loss_param
        squares = difference.square().sum(1) / (difference.shape[1] if p.l2_prescale_by_channels else 1)
        beyond = squares.detach() >= p.plateau**2
        return total((squares.where(beyond, 0) + p.epsilon).sqrt())


@register("ContrastiveLoss")
class ContrastiveLoss(Loss):
    """Σ over pairs of d² if they are similar, else max(margin − d, 0)², or max(margin − d², 0) in the `legacy_version`,
    / N / 2, where d is the distance of the pair's rows; bottoms x and y (N, C, 1, 1), similar (N, 1, 1, 1): 0 or 1."""

    bottoms = range(3, 4)

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        x, y, similar = bottom_shapes
        rows = math.prod(x[2:]) == math.prod(y[2:]) == 1 and x[:2] == y[:2] and math.prod(similar) == x[0]
        self.require(rows, "bottoms (N, C, 1, 1), (N, C, 1, 1) and (N, 1, 1, 1)", f"{x}, {y} and {similar}")

    def forward(self, x: Tensor, y: Tensor, similar: Tensor) -> Tensor:
        p = self.spec.contrastive_loss_param
        return self.ops.contrastive_loss(x.flatten(1), y.flatten(1), similar, p.margin, p.legacy_version)
