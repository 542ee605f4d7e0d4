"""Filter and BatchReindex: images of a batch left out, repeated or in another order (Caffe: filter_layer.cpp,
batch_reindex_layer.cpp)."""

import math

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from prototxt_import.function import Context, Function

from .classification import check_labels
from .layer import Layer, Shape, register


@register("Filter")
class Filter(Layer):
    """Of each bottom but the last those images for which the last, (N,) or (N, 1, …), is not 0.

    How many these are is not known before: the tops' shapes that the net says are those of all images.
    """

    bottoms = range(2, 1 << 20)
    tops = range(1, 1 << 20)

    def setup(self, bottom_shapes: list[Shape]) -> None:
        *filtered, selector = bottom_shapes
        self.require(len(self.spec.top) == len(filtered), f"{len(filtered)} tops", str(len(self.spec.top)))
        self.require(math.prod(selector[1:]) == 1, "a last bottom of one value for each image", str(selector))
        same = all(shape[0] == selector[0] for shape in filtered)
        self.require(same, "bottoms of as many images", " and ".join(map(str, bottom_shapes)))

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return bottom_shapes[:-1]

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        *filtered, selector = bottoms
        chosen = selector.detach().reshape(-1) != 0
        return tuple(x[chosen] for x in filtered)


@register("BatchReindex")
class BatchReindex(Layer):
    """The first bottom's images in the order that the second, (M,), names; some may be left out, others repeated."""

    bottoms = range(2, 3)
    traceable = False

    def setup(self, bottom_shapes: list[Shape]) -> None:
        self.require(len(bottom_shapes[1]) == 1, "a second bottom of one axis", str(bottom_shapes[1]))

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        x, order = bottom_shapes
        return [(order[0], *x[1:])]

    def forward(self, x: Tensor, order: Tensor) -> Tensor:
        return _Reindexed.apply(x, check_labels(self, order, len(x), None))


class _Reindexed(Function[Tensor]):
    """(x, order) -> x's images in that order; gradients of repeated ones are added in it."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, order: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        ctx.images = len(x)
        return x[order]

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> tuple[Tensor, None]:
        (order,) = ctx.saved_tensors
        dx = torch.zeros((ctx.images, *dy.shape[1:]), dtype=dy.dtype, device=dy.device)
        for image, gradient in zip(order.tolist(), dy, strict=True):
            dx[image] += gradient
        return dx, None
