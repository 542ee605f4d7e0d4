"""Reduction and ArgMax: many values to few (Caffe: reduction_layer.cpp, argmax_layer.cpp)."""

import torch
from torch import Tensor

from prototxt_import.tensors import numbers

from .layer import Layer, Shape, register


@register("Reduction")
class Reduction(Layer):
    """coeff · the sum, sum of magnitudes, sum of squares or mean of all axes from `axis` on."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.reduction_param
        self.first = self.axis(p.axis, len(bottom_shapes[0]))
        self.operation = p.ReductionOp.Name(p.operation)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [bottom_shapes[0][: self.first]]

    def forward(self, x: Tensor) -> Tensor:
        return self.ops.reduction(x.flatten(self.first), self.operation, self.spec.reduction_param.coeff)


@register("ArgMax")
class ArgMax(Layer):
    """Where the `top_k` largest values are, as floats, along `axis`, or in each image as (N, 1, top_k); with
    `out_max_val` the values instead, or without an axis both, as (N, 2, top_k). Of equal values the last wins."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, shape = self.spec.argmax_param, bottom_shapes[0]
        self.along = self.axis(p.axis, len(shape)) if p.HasField("axis") else None
        values = 1
        for size in shape[1:] if self.along is None else shape[self.along : self.along + 1]:
            values *= size
        self.require(1 <= p.top_k <= values, f"top_k from 1 to {values}", str(p.top_k))

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        p, shape = self.spec.argmax_param, bottom_shapes[0]
        if self.along is not None:
            return [(*shape[: self.along], p.top_k, *shape[self.along + 1 :])]
        return [(shape[0], 2 if p.out_max_val else 1, p.top_k, *(1,) * (len(shape) - 3))]

    def forward(self, x: Tensor) -> Tensor:
        p = self.spec.argmax_param
        rows, along = (x.flatten(1), 1) if self.along is None else (x, self.along)
        values, places = rows.flip(along).sort(dim=along, descending=True, stable=True)
        values = values.narrow(along, 0, p.top_k)
        places = numbers(rows.shape[along] - 1 - places.narrow(along, 0, p.top_k), x)
        if self.along is not None:
            return values if p.out_max_val else places
        both = torch.stack([places, values], 1) if p.out_max_val else places[:, None]
        return both.reshape(*both.shape, *(1,) * (x.dim() - 3))
