"""Embed: a learned row for each index (Caffe: embed_layer.cpp)."""

from torch import Tensor

from .classification import check_labels
from .layer import Layer, Shape, register


@register("Embed")
class Embed(Layer):
    """Each value of the bottom, a whole number below `input_dim`, becomes a row of the weights.

    Blobs: weight (input_dim, N), bias (N,).
    """

    traceable = False
    weight: Tensor
    bias: Tensor | None

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.embed_param
        self.require(p.num_output > 0 and p.input_dim > 0, "num_output and input_dim above 0", f"{p}".strip() or "none")
        self.add_blob("weight", (p.input_dim, p.num_output), p.weight_filler)
        if p.bias_term:
            self.add_blob("bias", (p.num_output,), p.bias_filler)
        else:
            self.bias = None

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(*bottom_shapes[0], self.spec.embed_param.num_output)]

    def forward(self, x: Tensor) -> Tensor:
        return self.ops.embed(check_labels(self, x, self.spec.embed_param.input_dim, None), self.weight, self.bias)
