"""Scale and Bias: a factor or a summand per channel, learned or from a second bottom (Caffe: scale_layer.cpp,
bias_layer.cpp), and Axpy, the two at once in squeeze-and-excitation nets."""

import math

import torch
from torch import Tensor, nn

from prototxt_import.formats import schema

from .layer import POINT, Layer, Shape, register
from .parameter import Replacing


class _Broadcast(Layer):
    """A blob over axes [axis, axis + num_axes) of the first bottom, or the second bottom, starting at `axis`."""

    bottoms = range(1, 3)
    keeps_channels = True
    receptive_window = POINT

    def set_axes(
        self,
        param: "schema.ScaleParameter | schema.BiasParameter",
        name: str,
        bottom_shapes: list[Shape],
        default: float,
    ) -> None:
        shape = bottom_shapes[0]
        start = self.axis(param.axis, len(shape))
        if len(bottom_shapes) == 2:
            inner = bottom_shapes[1]
        else:
            inner = shape[start:] if param.num_axes == -1 else shape[start : start + param.num_axes]
            filler = param.filler if param.HasField("filler") else schema.FillerParameter(value=default)
            self.add_blob(name, inner, filler)
        start = start if inner else 0  # a single value is one for the whole blob, summed up in one row
        fits = shape[start : start + len(inner)] == tuple(inner)
        self.require(fits, f"dimensions of {shape} from axis {start} on", str(tuple(inner)))
        self.trailing = len(shape) - start - len(inner)


@register("Scale")
class Scale(_Broadcast):
    """x · factor, plus a bias with `bias_term`; blobs: factor (unless it is the second bottom), bias."""

    factor: nn.Parameter
    bias: nn.Parameter

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.scale_param
        self.set_axes(p, "factor", bottom_shapes, default=1)
        shape = bottom_shapes[1] if len(bottom_shapes) == 2 else tuple(self.factor.shape)
        if p.bias_term:
            self.add_blob("bias", shape, p.bias_filler)

    def forward(self, x: Tensor, factor: Tensor | None = None) -> Tensor:
        y = self.ops.scale(x, self._learned(x) if factor is None else factor, self.trailing)
        return self.ops.bias(y, self.bias, self.trailing) if self.spec.scale_param.bias_term else y

    def _learned(self, x: Tensor) -> Tensor:
        """The factor. With no outer axes to add up over, as with a batch of one image, its gradient takes the place of
        an earlier pass's (iter_size), unless it is the sum of more than one value for a single number: Caffe's layer
        writes it there."""
        if not torch.is_grad_enabled():
            return self.factor
        count, inner = self.factor.numel(), math.prod(x.shape[x.dim() - self.trailing :])
        alone = x.numel() == count * inner and (count > 1 or inner == 1)
        return Replacing.apply(self.factor) if alone else self.factor


@register("Bias")
class Bias(_Broadcast):
    """x + bias; blob: bias, unless it is the second bottom."""

    bias: nn.Parameter

    def setup(self, bottom_shapes: list[Shape]) -> None:
        self.set_axes(self.spec.bias_param, "bias", bottom_shapes, default=0)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        return self.ops.bias(x, self.bias if bias is None else bias, self.trailing)


@register("Axpy")
class Axpy(Layer):
    """a · x + y; bottoms a (N, C) or (N, C, 1, 1), x and y (N, C, H, W)."""

    of_a_fork = True
    bottoms = range(3, 4)
    receptive_window = POINT

    def setup(self, bottom_shapes: list[Shape]) -> None:
        a, x, y = bottom_shapes
        fits = len(x) == 4 and x == y and a[:2] == x[:2] and all(size == 1 for size in a[2:])
        self.require(fits, "bottoms (N, C, 1, 1), (N, C, H, W) and (N, C, H, W)", f"{a}, {x} and {y}")

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [bottom_shapes[1]]

    def forward(self, a: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return self.ops.axpy(a.reshape(*x.shape[:2], 1, 1), x, y)
