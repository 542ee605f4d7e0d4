"""Softmax (Caffe: softmax_layer.cpp)."""

from torch import Tensor

from cpm_kernels.window import Window

from .layer import POINT, Layer, Shape, register


@register("Softmax")
class Softmax(Layer):
    """exp(x) / Σ exp(x) along one axis."""

    reads_top = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        self.along = self.axis(self.spec.softmax_param.axis, len(bottom_shapes[0]))

    @property
    def receptive_window(self) -> Window | None:
        return POINT if self.along == 1 else None

    def forward(self, x: Tensor) -> Tensor:
        return self.ops.softmax(x, self.along)
