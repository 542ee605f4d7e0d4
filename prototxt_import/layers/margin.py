"""What face recognition learns by: SphereFace's and L-Softmax' inner products with an angular margin, and the centre
loss."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from prototxt_import.formats import schema
from prototxt_import.function import Context, Function
from prototxt_import.tensors import total

from .classification import check_labels
from .layer import Layer, Shape, register
from .loss import Loss

Margin = Callable[[Tensor], tuple[Tensor, Tensor]]
"""cos θ -> ψ(θ), which falls from 1 on as cos(m θ) begins to, and its slope by cos θ."""


def _double(c: Tensor) -> tuple[Tensor, Tensor]:
    sign = c.sign()
    return 2 * sign * c**2 - 1, 4 * sign * c


def _triple(c: Tensor) -> tuple[Tensor, Tensor]:
    sign = (c.abs() - 0.5).sign()
    return sign * (4 * c**3 - 3 * c) + c.sign() * (1 + sign) - 2, sign * (12 * c**2 - 3)


def _quadruple(c: Tensor) -> tuple[Tensor, Tensor]:
    sign = c.sign() * (2 * c**2 - 1).sign()
    return sign * (8 * c**4 - 8 * c**2 + 1) + 2 * c.sign() + sign - 3, sign * (32 * c**3 - 16 * c)


MARGINS: dict[str, Margin] = {"DOUBLE": _double, "TRIPLE": _triple, "QUADRUPLE": _quadruple}


class _MarginProduct(Layer):
    """x · w of rows x and w, in place of the label's own (|x| |w| ψ(θ) + λ x · w) / (1 + λ), θ the angle between them;
    blob: weight (N, K). λ = max(base / (1 + gamma · passes) ^ power, lambda_min), which a second top has, gets smaller
    with each forward pass."""

    of_a_fork = True
    bottoms = range(2, 3)
    tops = range(1, 3)
    traceable = False
    repeatable = False
    param_name: str
    """Of the message that says all this."""
    weight: nn.Parameter

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, (x, labels) = self.param, bottom_shapes
        self.require(p.num_output > 0, "num_output above 0", str(p.num_output))
        self.require(self.axis(p.axis, len(x)) == 1, "axis 1", str(p.axis))
        self.require(math.prod(labels) == x[0], f"{x[0]} labels", f"shape {labels}")
        self.inputs = math.prod(x[1:])
        self.passes = p.iteration
        self.margin = MARGINS.get(p.MarginType.Name(p.type))
        self.add_blob("weight", (p.num_output, self.inputs), p.weight_filler)

    @property
    def param(self) -> "schema.MarginInnerProductParameter":
        param: schema.MarginInnerProductParameter = getattr(self.spec, self.param_name)
        return param

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(bottom_shapes[0][0], self.param.num_output), (1,)][: len(self.spec.top)]

    def forget(self) -> None:
        self.passes = self.param.iteration

    def forward(self, x: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        p = self.param
        wanted = check_labels(self, labels, p.num_output, None).reshape(-1, 1)
        self.passes += 1
        weight = max(p.base * (1 + p.gamma * self.passes) ** -p.power, p.lambda_min)
        y = self.product(x.reshape(len(x), self.inputs), wanted, weight)
        return (y, y.new_tensor([weight]))[: len(self.top_names)]

    def product(self, x: Tensor, labels: Tensor, weight: float) -> Tensor:
        """The first top of rows x (M, K) and their labels (M, 1)."""
        raise NotImplementedError


@register("MarginInnerProduct")
class MarginInnerProduct(_MarginProduct):
    """SphereFace's, whose forward pass makes the rows w 1 long. The gradient is its own: of the weights an
    InnerProduct's, of x the true one with the label's own term scaled so that its factors of w and x have length 1."""

    param_name = "margin_inner_product_param"

    def product(self, x: Tensor, labels: Tensor, weight: float) -> Tensor:
        with torch.no_grad():
            self.weight.div_(torch.linalg.vector_norm(self.weight, dim=1, keepdim=True))
        y = self.ops.inner_product(x, self.weight, None, False)
        if self.margin is None:
            return y
        return _Margin.apply(y, x, self.weight.detach(), labels, weight, self.margin)


@register("LargeMarginInnerProduct")
class LargeMarginInnerProduct(_MarginProduct):
    """L-Softmax's."""

    param_name = "largemargin_inner_product_param"

    def product(self, x: Tensor, labels: Tensor, weight: float) -> Tensor:
        y = self.ops.inner_product(x, self.weight, None, False)
        if self.margin is None:
            return y
        own = y.gather(1, labels)
        of_rows = torch.linalg.vector_norm(self.weight, dim=1).expand(len(x), -1).gather(1, labels)
        lengths = torch.linalg.vector_norm(x, dim=1, keepdim=True) * of_rows
        value, _ = self.margin(own / (lengths + 1e-9))
        return y.scatter(1, labels, (lengths * value + weight * own) / (1 + weight))


class _Margin(Function[Tensor]):
    """(x · w, x, w, labels (M, 1), λ, ψ) -> the same with the label's own value: see MarginInnerProduct."""

    @staticmethod
    def forward(
        ctx: Context, y: Tensor, x: Tensor, rows: Tensor, labels: Tensor, weight: float, margin: Margin
    ) -> Tensor:
        own = y.gather(1, labels)
        length = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        cosine = own / length
        value, slope = margin(cosine)
        of_row, of_x = slope, (value - cosine * slope) / length
        norm = (of_row.square() + of_x.square()).sqrt()
        ctx.save_for_backward(x, rows, labels, of_row / norm, of_x / norm)
        ctx.weight = weight
        return y.scatter(1, labels, (length * value + weight * own) / (1 + weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        x, rows, labels, of_row, of_x = ctx.saved_tensors
        own = dy.gather(1, labels) / (1 + ctx.weight)
        return dy, own * ((of_row - 1) * rows[labels[:, 0]] + of_x * x), None, None, None, None


@register("CenterLoss")
class CenterLoss(Loss):
    """Σ |x − c|² / N / 2 of rows x and the centres c of their labels; blob: centers (classes, K). Whatever the loss's
    weight, a centre's gradient is Σ (c − x) / (1 + n) over the n rows of its label."""

    of_a_fork = True
    traceable = False
    centers: nn.Parameter

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        p, (x, labels) = self.spec.center_loss_param, bottom_shapes
        self.require(p.num_output > 0, "a center_loss_param with num_output", "none")
        self.require(self.axis(p.axis, len(x)) == 1, "axis 1", str(p.axis))
        self.require(math.prod(labels) == x[0], f"{x[0]} labels", f"shape {labels}")
        filler = p.center_filler if p.HasField("center_filler") else schema.FillerParameter(type="constant")
        self.add_blob("centers", (p.num_output, math.prod(x[1:])), filler)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        wanted = check_labels(self, labels, len(self.centers), None).flatten()
        return _CenterLoss.apply(x.flatten(1), self.centers, wanted)


class _CenterLoss(Function[Tensor]):
    """(rows x, centers, labels) -> the loss; the centres' gradient does not know of what comes from above."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, centers: Tensor, labels: Tensor) -> Tensor:
        ctx.difference = x - centers[labels]
        ctx.save_for_backward(centers, labels)
        return total(ctx.difference.square()) / len(x) / 2

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> tuple[Tensor, Tensor, None]:
        centers, labels = ctx.saved_tensors
        gradient, count = torch.zeros_like(centers), torch.bincount(labels, minlength=len(centers))
        for row, label in zip(ctx.difference, labels.tolist(), strict=True):
            gradient[label] -= row
        return dy / len(labels) * ctx.difference, gradient / (1 + count[:, None]), None
