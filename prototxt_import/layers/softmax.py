"""Softmax (Caffe: softmax_layer.cpp)."""

from torch import Tensor

from .layer import Layer, Shape, register


@register("Softmax")
class Softmax(Layer):
    """exp(x) / Σ exp(x) along one axis."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        self.along = self.axis(self.spec.softmax_param.axis, len(bottom_shapes[0]))

    def forward(self, x: Tensor) -> Tensor:
        return self.ops.softmax(x, self.along)
