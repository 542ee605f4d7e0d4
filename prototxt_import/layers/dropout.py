"""Dropout (Caffe: dropout_layer.cpp)."""

from torch import Tensor

from prototxt_import.formats import schema

from .layer import Layer, Shape, register


@register("Dropout")
class Dropout(Layer):
    """In the TRAIN phase zeroes a share of the values and scales the rest; in TEST passes them on."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        ratio = self.spec.dropout_param.dropout_ratio
        self.require(0 < ratio < 1, "a dropout_ratio between 0 and 1", str(ratio))

    def forward(self, x: Tensor) -> Tensor:
        if self.spec.phase == schema.TEST:
            return x
        return self.ops.dropout(x, self.spec.dropout_param.dropout_ratio, self.random, self.share)
