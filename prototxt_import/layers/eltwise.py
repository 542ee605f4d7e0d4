"""Eltwise: sum with coefficients, product or maximum of several blobs (Caffe: eltwise_layer.cpp)."""

from functools import reduce

from torch import Tensor

from .layer import ANY, POINT, Layer, Shape, register


@register("Eltwise")
class Eltwise(Layer):
    """Combines two or more bottoms of one shape; FlowNet's takes a single one, to multiply it by its coefficient."""

    bottoms = ANY
    image_by_image = True
    recordable = True
    receptive_window = POINT

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.eltwise_param
        self.operation, self.by_division = p.EltwiseOp.Name(p.operation), not p.stable_prod_grad
        self.coefficients = list(p.coeff) or [1.0] * len(bottom_shapes)
        same = all(shape == bottom_shapes[0] for shape in bottom_shapes)
        self.require(same, f"bottoms of one shape, {bottom_shapes[0]}", str(bottom_shapes))
        self.require(len(p.coeff) in (0, len(bottom_shapes)), f"{len(bottom_shapes)} coeff or none", str(len(p.coeff)))
        self.require(not p.coeff or p.operation == p.SUM, "coeff only for SUM", p.EltwiseOp.Name(p.operation))

    def forward(self, *bottoms: Tensor) -> Tensor:
        if len(bottoms) == 1 and self.operation != "SUM":
            return bottoms[0]
        if self.operation == "PROD":
            return self.ops.eltwise_product(bottoms, by_division=self.by_division)
        if self.operation == "MAX":
            later = bottoms[2:]
            return reduce(lambda most, x: self.ops.eltwise_max(x, most), later, self.ops.eltwise_max(*bottoms[:2]))
        return self.ops.eltwise_sum(bottoms, self.coefficients)
