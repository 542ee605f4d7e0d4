"""Losses; EuclideanLoss is the L2 loss that every stage of a pose machine has (Caffe: loss_layer.cpp,
euclidean_loss_layer.cpp; paper, §3.3).
"""

import math

from torch import Tensor

from .layer import Layer, Shape, register


class Loss(Layer):
    """A layer whose first top is a loss: of weight 1 unless the prototxt says otherwise, whether it names it or not."""

    automatic_tops = 1

    def setup(self, bottom_shapes: list[Shape]) -> None:
        if not self.spec.loss_weight:
            self.spec.loss_weight.append(1)  # Caffe writes it into the net, and so into its snapshots


@register("EuclideanLoss")
class EuclideanLoss(Loss):
    """Σ (x − y)² / N / 2 over both bottoms, a 0-axis blob."""

    bottoms = range(2, 3)
    image_by_image = True
    repeatable = False  # it adds up over the processes

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        x, y = bottom_shapes
        same = x[0] == y[0] and math.prod(x) == math.prod(y)
        self.require(same, "two bottoms of as many images and values", f"{x} and {y}")

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [()]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.ops.euclidean_loss(x, y.reshape(x.shape), self.share)
