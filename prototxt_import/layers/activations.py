"""Elementwise layers (Caffe: relu_layer, prelu_layer, elu_layer, sigmoid_layer, tanh_layer, absval_layer,
power_layer, exp_layer, log_layer, bnll_layer, threshold_layer, clip_layer; of forks SeLu, Swish, Mish and MobileNet's
ReLU6, HardSwish and HardSigmoid, and the ReLUs that face the other way or draw their slopes)."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cpm_kernels.exact.elementary import exp, log, power
from prototxt_import.formats import schema

from .layer import NeuronLayer, Shape, register


@register("ReLU")
class ReLU(NeuronLayer):
    """max(x, 0), or a fixed slope below zero."""

    recordable = True
    reads_bottom = reads_signs = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        self.negative_slope = self.spec.relu_param.negative_slope

    @property
    def differs_in_place(self) -> bool:
        return self.negative_slope < 0

    @property
    def rectifies(self) -> bool:
        return not self.negative_slope

    def forward(self, x: Tensor) -> Tensor:
        return self.ops.relu(x, self.negative_slope)


@register("NegReLU")
class NegReLU(NeuronLayer):
    """DispNet's: min(x, 0), or a fixed slope above zero."""

    of_a_fork = True

    @property
    def slope(self) -> float:
        """Above zero."""
        return self.spec.relu_param.negative_slope

    def forward(self, x: Tensor) -> Tensor:
        return -F.leaky_relu(-x, self.slope)


@register("MinReLU")
class MinReLU(NegReLU):
    """The same by another name, and with a field of its own."""

    @property
    def slope(self) -> float:
        return self.spec.minrelu_param.positive_slope


@register("Insanity")
class Insanity(NeuronLayer):
    """caffe-windows' ReLU whose slopes below zero are drawn: x / u there, with a u uniform between lb and ub for each
    value in TRAIN, and with the mean of what u divides by, (ub − lb) / log(ub / lb), in TEST."""

    of_a_fork = True
    repeatable = False  # it draws random numbers

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.insanity_param
        given = p.HasField("lb") and p.HasField("ub") and 0 < p.lb < p.ub
        self.require(given, "insanity_param with an lb above 0 and an ub above it", f"lb {p.lb:g} and ub {p.ub:g}")
        self.low, self.high, self.draws_slopes = p.lb, p.ub, self.spec.phase == schema.TRAIN
        self.divisor = (p.ub - p.lb) / math.log(p.ub / p.lb)

    def forward(self, x: Tensor) -> Tensor:
        if not self.draws_slopes:
            return F.leaky_relu(x, 1 / self.divisor)
        images = x.shape[0] * self.share.count
        drawn = x.new_empty((images, *x.shape[1:])).uniform_(self.low, self.high)
        return torch.where(x > 0, x, x / drawn[self.share.rows(images)])


@register("PReLU")
class PReLU(NeuronLayer):
    """ReLU with a learnable slope; blob: slope (C,), or () with `channel_shared`."""

    slope: nn.Parameter
    image_by_image = False  # the slopes' gradients are sums over the batch

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.prelu_param
        self.require(len(bottom_shapes[0]) >= 2, "a bottom with a channel axis", str(bottom_shapes[0]))
        filler = p.filler if p.HasField("filler") else schema.FillerParameter(type="constant", value=0.25)
        self.add_blob("slope", () if p.channel_shared else bottom_shapes[0][1:2], filler)

    def forward(self, x: Tensor) -> Tensor:
        return self.ops.prelu(x, self.slope)


@register("ELU")
class ELU(NeuronLayer):
    """x, or alpha · (exp(x) − 1) below zero."""

    reads_top = reads_bottom = True

    def forward(self, x: Tensor) -> Tensor:
        return self.ops.elu(x, self.spec.elu_param.alpha)


@register("SeLu")
class SeLu(NeuronLayer):
    """Self-normalizing networks': lambda · x, or lambda · alpha · (exp(x) − 1) below zero."""

    of_a_fork = True
    reads_top = reads_bottom = True

    def forward(self, x: Tensor) -> Tensor:
        p = self.spec.selu_param
        scale: float = getattr(p, "lambda")
        return self.ops.elu(x, p.alpha) * scale


@register("Sigmoid")
class Sigmoid(NeuronLayer):
    """1 / (1 + exp(−x))."""

    reads_top = True

    def forward(self, x: Tensor) -> Tensor:
        return self.ops.sigmoid(x)


@register("TanH")
class TanH(NeuronLayer):
    """Hyperbolic tangent."""

    reads_top = True

    def forward(self, x: Tensor) -> Tensor:
        return self.ops.tanh(x)


@register("AbsVal")
class AbsVal(NeuronLayer):
    """|x|."""

    reads_bottom = differs_in_place = overwrites_gradient = True

    def forward(self, x: Tensor) -> Tensor:
        return self.ops.absval(x)


@register("Power")
class Power(NeuronLayer):
    """(shift + scale · x) ^ power."""

    reads_top = reads_bottom = differs_in_place = overwrites_gradient = True

    def forward(self, x: Tensor) -> Tensor:
        p = self.spec.power_param
        return self.ops.power(x, p.power, p.scale, p.shift)


class _WithBase(NeuronLayer):
    """Exp and Log of a base; −1 means e."""

    def log_base(self, base: float) -> np.float32:
        """ln of the base, 1 for e."""
        self.require(base == -1 or base > 0, "a base above 0, or -1 for e", str(base))
        return np.float32(1) if base == -1 else log(np.array([base], np.float32))[0]


@register("Exp")
class Exp(_WithBase):
    """base ^ (shift + scale · x)."""

    reads_top = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.exp_param
        self.scale = float(self.log_base(p.base) * np.float32(p.scale))
        shift = np.array([p.shift], np.float32)
        factor = exp(shift) if p.base == -1 else power(np.array([p.base], np.float32), p.shift)
        self.factor = float(factor[0]) if p.shift else 1.0

    def forward(self, x: Tensor) -> Tensor:
        return self.ops.exp(x, self.scale, self.factor)


@register("Log")
class Log(_WithBase):
    """log to a base of (shift + scale · x)."""

    reads_bottom = differs_in_place = overwrites_gradient = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        self.of_base = float(self.log_base(self.spec.log_param.base))

    def forward(self, x: Tensor) -> Tensor:
        p = self.spec.log_param
        return self.ops.log(x, p.scale, p.shift, self.of_base)


@register("BNLL")
class BNLL(NeuronLayer):
    """log(1 + exp(x))."""

    reads_bottom = differs_in_place = True

    def forward(self, x: Tensor) -> Tensor:
        return self.ops.bnll(x)


@register("Swish")
class Swish(NeuronLayer):
    """x · σ(beta · x)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * self.ops.sigmoid(x * self.spec.swish_param.beta)


@register("Mish")
class Mish(NeuronLayer):
    """x · tanh(log(1 + exp(x)))."""

    of_a_fork = True

    def forward(self, x: Tensor) -> Tensor:
        return self.ops.mish(x)


@register("HardSigmoid")
class HardSigmoid(NeuronLayer):
    """alpha · x + beta, limited to [0, 1]."""

    of_a_fork = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        both = self.spec.HasField("hard_sigmoid_param") and self.spec.HasField("hardsigmoid_param")
        self.require(not both, "hard_sigmoid_param or hardsigmoid_param, as forks call it", "both")
        given = self.spec.HasField("hardsigmoid_param")
        p = self.spec.hardsigmoid_param if given else self.spec.hard_sigmoid_param
        self.alpha, self.beta = p.alpha, p.beta

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.alpha + self.beta).clamp(0, 1)


@register("HardSwish")
class HardSwish(NeuronLayer):
    """x · (x + 3) / 6, with x + 3 limited to [0, 6]."""

    of_a_fork = True

    def forward(self, x: Tensor) -> Tensor:
        return F.hardswish(x)


@register("Threshold")
class Threshold(NeuronLayer):
    """1 where x is above the threshold, else 0."""

    def forward(self, x: Tensor) -> Tensor:
        return (x > self.spec.threshold_param.threshold).to(x.dtype)


@register("Clip")
class Clip(NeuronLayer):
    """x limited to [min, max]."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.clip_param
        both = p.HasField("min") and p.HasField("max") and p.min <= p.max
        self.require(both, "clip_param with a min and a max not below it", str(p).replace("\n", " ").strip() or "none")
        self.limits: tuple[float, float] = (p.min, p.max)

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(*self.limits)


@register("BReLU")
class BReLU(Clip):
    """x limited to [minval, maxval] (DehazeNet's)."""

    of_a_fork = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.brelu_param
        both = p.HasField("minval") and p.HasField("maxval") and p.minval <= p.maxval
        self.require(both, "brelu_param with a minval and a maxval not below it", "another")
        self.limits = (p.minval, p.maxval)


@register("ReLU6")
class ReLU6(Clip):
    """x limited to [0, 6]."""

    of_a_fork = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        self.limits = (0, 6)
