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
        return self.spec.phase != schema.TRAIN

    def setup(self, bottom_shapes: list[Shape]) -> None:
        ratio = self.spec.dropout_param.dropout_ratio
        self.require(0 < ratio < 1, "a dropout_ratio between 0 and 1", str(ratio))

    def forward(self, x: Tensor) -> Tensor:
        p = self.spec.dropout_param
        if self.spec.phase == schema.TRAIN:
            x = self.ops.dropout(x, p.dropout_ratio, self.random, self.share)
        return x if p.scale_train else x * (1 - p.dropout_ratio)
