"""InnerProduct, the fully connected layer (Caffe: inner_product_layer.cpp)."""

import math

from torch import Tensor, nn

from .layer import Layer, Shape, register


@register("InnerProduct")
class InnerProduct(Layer):
    """All axes from `axis` on, flattened, times the weights.

    Blobs: weight (N, K), or (K, N) with `transpose`; bias (N,).
    """

    weight: nn.Parameter
    bias: nn.Parameter | None
    short_name = "fc"

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.inner_product_param
        self.outputs, self.transposed = p.num_output, p.transpose
        self.require(p.num_output > 0, "num_output above 0", str(p.num_output))
        self.first = self.axis(p.axis, len(bottom_shapes[0]))
        self.inputs = inputs = math.prod(bottom_shapes[0][self.first :])
        self.add_blob("weight", (inputs, p.num_output) if p.transpose else (p.num_output, inputs), p.weight_filler)
        if p.bias_term:
            self.add_blob("bias", (p.num_output,), p.bias_filler)
        else:
            self.bias = None

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(*bottom_shapes[0][: self.first], self.spec.inner_product_param.num_output)]

    def flop(self, bottom_shapes: list[Shape]) -> int:
        return 2 * self.weight.numel() * math.prod(bottom_shapes[0][: self.first])

    def forward(self, x: Tensor) -> Tensor:
        outer = x.shape[: self.first]
        y = self.ops.inner_product(x.reshape(math.prod(outer), self.inputs), self.weight, self.bias, self.transposed)
        return y.reshape(*outer, self.outputs)
