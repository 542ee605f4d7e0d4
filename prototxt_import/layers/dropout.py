"""Dropout (Caffe: dropout_layer.cpp)."""

from torch import Tensor

from prototxt_import.formats import schema

from .layer import NeuronLayer, Shape, register


@register("Dropout")
class Dropout(NeuronLayer):
    """In the TRAIN phase zeroes a share of the values and scales the rest by 1 / (1 − ratio); in TEST passes them on.

    DeepLab's `scale_train: false` leaves the rest alone in TRAIN, and scales by 1 − ratio in TEST.
    """

    repeatable = False  # it draws random numbers
    keeps_signs = True

    @property
    def recordable(self) -> bool:
        return not self.drops

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.dropout_param
        self.ratio, self.drops, self.scale_train = p.dropout_ratio, self.spec.phase == schema.TRAIN, p.scale_train
        self.require(0 < self.ratio < 1, "a dropout_ratio between 0 and 1", str(self.ratio))

    def forward(self, x: Tensor) -> Tensor:
        if self.drops:
            x = self.ops.dropout(x, self.ratio, self.random, self.share)
        return x if self.scale_train else x * (1 - self.ratio)
