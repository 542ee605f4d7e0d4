"""Parameter: a learnable blob as a layer of its own (Caffe: parameter_layer.hpp)."""

from torch import Tensor
from torch.autograd.function import once_differentiable

from prototxt_import.function import Context, Function

from .layer import Layer, Shape, register


@register("Parameter")
class Parameter(Layer):
    """A top that is the layer's blob: value, of the shape in `parameter_param`, zero at first."""

    bottoms = range(0, 1)
    value: Tensor

    def setup(self, bottom_shapes: list[Shape]) -> None:
        self.add_blob("value", tuple(self.spec.parameter_param.shape.dim), None)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [tuple(self.value.shape)]

    def forward(self) -> Tensor:
        return Replacing.apply(self.value)  # Caffe's top and blob have one gradient


class Replacing(Function[Tensor]):
    """(parameter) -> its value. Its gradient takes the place of what was there, and is not added to it."""

    @staticmethod
    def forward(ctx: Context, parameter: Tensor) -> Tensor:
        ctx.parameter = parameter
        return parameter.view_as(parameter)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Tensor | None:
        if ctx.parameter.grad is None:
            return dy
        ctx.parameter.grad.copy_(dy)
        return None
