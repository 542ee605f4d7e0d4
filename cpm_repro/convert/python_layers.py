"""Caffe's layers as lines of Python that need torch only, a function for each; importing this module registers them.

Where torch's rule and Caffe's differ (pooling's size and divisor) the lines say Caffe's in full.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from prototxt_import.layers.layer import CONVERTERS, Layer


@dataclass
class Lines:
    """What one layer becomes: `made`, lines of __init__ that make what it owns, and `state`, the values of that.

    name: of the layer as a Python name, which what it owns begins with. x: its bottoms' expressions.
    """

    layer: Layer
    name: str
    x: list[str]
    made: list[str] = field(default_factory=list)
    state: dict[str, Tensor] = field(default_factory=dict)

    def module(self, maker: str, **state: Tensor) -> str:
        """A torch module with that state."""
        self.made.append(f"self.{self.name} = {maker}")
        self.state.update({f"{self.name}.{key}": value for key, value in state.items()})
        return f"self.{self.name}"

    def values(self, name: str, values: Tensor, learns: bool = True) -> str:
        """A parameter of its own."""
        own, still = f"{self.name}_{name}", "" if learns else ", requires_grad=False"
        self.made.append(f"self.{own} = nn.Parameter(torch.zeros({tuple(values.shape)}){still})")
        self.state[own] = values
        return f"self.{own}"

    def blobs(self) -> dict[str, Tensor]:
        """The layer's, by name."""
        return {name: getattr(self.layer, name).detach() for name in self.layer.blob_names}


Writer = Callable[[Lines], str | list[str]]
WRITERS: dict[type[Layer], Writer] = {}


def writes(*types: str) -> Callable[[Writer], Writer]:
    """Function decorator: this function gives the expressions of the tops of layers of these types."""

    def add(writer: Writer) -> Writer:
        WRITERS.update((CONVERTERS[name], writer) for name in types)
        return writer

    return add


def writer_of(layer_class: type[Layer]) -> Writer | None:
    """What writes layers of this class, or of the class that it is derived from; None if none does."""
    return next((WRITERS[base] for base in layer_class.__mro__ if base in WRITERS), None)


def plain(value: float) -> str:
    """A float32 as a person writes it: the shortest number that is nearest to it."""
    return str(np.float32(value)).removesuffix(".0").replace("inf", "math.inf")


@writes("Convolution")
def convolution(e: Lines) -> list[str]:
    return _convolutional(e, "Conv", e.layer.channels)


@writes("Deconvolution")
def deconvolution(e: Lines) -> list[str]:
    return _convolutional(e, "ConvTranspose", e.layer.channels)


def _convolutional(e: Lines, kind: str, channels: int) -> list[str]:
    """Every bottom with the same weights."""
    layer, window = e.layer, e.layer.window
    layer.require(layer.channel_axis == 1, "axis 1 for the channels, for a file of Python", str(layer.param.axis))
    axes = len(window.kernel)
    settings = [
        *((f"stride={_one(window.stride)}",) if set(window.stride) != {1} else ()),
        *((f"padding={_one(window.pad)}",) if any(window.pad) else ()),
        *((f"dilation={_one(window.dilation)}",) if set(window.dilation) != {1} else ()),
        *((f"groups={layer.group}",) if layer.group != 1 else ()),
        *(("bias=False",) if layer.bias is None else ()),
    ]
    sizes = f"{channels}, {layer.param.num_output}, {_one(window.kernel)}"
    module = e.module(f"nn.{kind}{axes}d({', '.join([sizes, *settings])})", **e.blobs())
    return [f"{module}({x})" for x in e.x]


def _one(sizes: tuple[int, ...]) -> str:
    """One number if all are the same."""
    return str(sizes[0] if len(set(sizes)) == 1 else tuple(sizes))


@writes("InnerProduct")
def inner_product(e: Lines) -> str:
    blobs, transposed = e.blobs(), e.layer.spec.inner_product_param.transpose
    weight = blobs.pop("weight")
    weight = weight.t().contiguous() if transposed else weight
    bias = "" if blobs else ", bias=False"
    module = e.module(f"nn.Linear({weight.shape[1]}, {weight.shape[0]}{bias})", weight=weight, **blobs)
    return f"{module}({e.x[0]}.flatten({e.layer.first}))"


@writes("Pooling")
def pooling(e: Lines) -> str:
    window, sign, masked = e.layer.window, "-" if e.layer.is_min else "", len(e.layer.spec.top) == 2
    e.layer.require(e.layer.axes == 2, "a map of two axes, for a file of Python", str(e.layer.axes))
    x = f"(-{e.x[0]})" if sign else e.x[0]
    if window is None and not masked:
        return f"{sign}{x}.amax((2, 3), keepdim=True)" if e.layer.is_max else f"{x}.mean((2, 3), keepdim=True)"
    kernel, stride, pad = (window.kernel, window.stride, window.pad) if window else (f"{x}.shape[2:]", (1, 1), (0, 0))
    name = "max_pool_with_mask" if masked else "max_pool" if e.layer.is_max else "ave_pool"
    return f"{sign}{name}({x}, {kernel}, {stride}, {pad}{'' if window is None or window.ceil else ', ceil=False'})"


@writes("SPP")
def spp(e: Lines) -> str:
    p = e.layer.spec.spp_param
    return f"pyramid({e.x[0]}, {p.pyramid_height}, largest={p.pool == p.MAX})"


@writes("Im2col")
def im2col(e: Lines) -> str:
    window = e.layer.window
    return f"im2col({e.x[0]}, {window.kernel}, {window.stride}, {window.pad}, {window.dilation})"


@writes("LSTM", "RNN")
def recurrent(e: Lines) -> str:
    """It keeps the state from call to call, as Caffe's layer does."""
    blobs = e.blobs()
    kind = "LSTM" if e.layer.gates == 4 else "RNN"
    sizes = [str(blobs[name].shape[1]) for name in ("input_weight", "hidden_weight", "static_weight") if name in blobs]
    module = e.module(f"{kind}({', '.join(sizes)})", **blobs)
    return f"{module}({', '.join(e.x)})"


@writes("Embed")
def embed(e: Lines) -> str:
    blobs = e.blobs()
    rows = f"F.embedding({e.x[0]}.long(), {e.values('weight', blobs['weight'])})"
    return f"{rows} + {e.values('bias', blobs['bias'])}" if "bias" in blobs else rows


@writes("BatchReindex")
def batch_reindex(e: Lines) -> str:
    return f"{e.x[0]}[{e.x[1]}.long()]"


@writes("Filter")
def filter_(e: Lines) -> list[str]:
    *filtered, selector = e.x
    return [f"{x}[{selector}.flatten() != 0]" for x in filtered]


@writes("Parameter")
def parameter(e: Lines) -> str:
    return e.values("value", e.blobs()["value"])


@writes("ReLU")
def relu(e: Lines) -> str:
    slope = e.layer.spec.relu_param.negative_slope
    return f"F.leaky_relu({e.x[0]}, {plain(slope)})" if slope else f"F.relu({e.x[0]})"


@writes("PReLU")
def prelu(e: Lines) -> str:
    slope = e.blobs()["slope"].reshape(-1)
    return f"{e.module(f'nn.PReLU({len(slope)})', weight=slope)}({e.x[0]})"


@writes("ELU")
def elu(e: Lines) -> str:
    return f"F.elu({e.x[0]}, {plain(e.layer.spec.elu_param.alpha)})"


_FUNCTIONS = {"Sigmoid": "torch.sigmoid({})", "TanH": "torch.tanh({})", "AbsVal": "{}.abs()", "BNLL": "F.softplus({})"}


def _function(expression: str) -> Writer:
    return lambda e: expression.format(e.x[0])


for _type, _expression in _FUNCTIONS.items():
    writes(_type)(_function(_expression))


@writes("Clip")
def clip(e: Lines) -> str:
    low, high = e.layer.limits
    return f"{e.x[0]}.clamp({plain(low)}, {plain(high)})"


@writes("Threshold")
def threshold(e: Lines) -> str:
    return f"({e.x[0]} > {plain(e.layer.spec.threshold_param.threshold)}).float()"


def _line(x: str, scale: float, shift: float) -> str:
    """scale · x + shift, without what does nothing; in parentheses if that is more than x."""
    x = x if scale == 1 else f"{plain(scale)} * {x}"
    x = x if shift == 0 else f"{x} + {plain(shift)}"
    return x if scale == 1 and shift == 0 else f"({x})"


@writes("Power")
def power(e: Lines) -> str:
    p = e.layer.spec.power_param
    x = _line(e.x[0], p.scale, p.shift)
    return x if p.power == 1 else f"{x} ** {plain(p.power)}"


@writes("Exp")
def exp(e: Lines) -> str:
    p = e.layer.spec.exp_param
    factor = e.layer.log_base(p.base)
    return f"torch.exp({_line(e.x[0], p.scale * factor, p.shift * factor)})"


@writes("Log")
def log(e: Lines) -> str:
    p = e.layer.spec.log_param
    logarithm = f"torch.log({_line(e.x[0], p.scale, p.shift)})"
    return _line(logarithm, 1 / e.layer.log_base(p.base), 0)


@writes("Dropout")
def dropout(e: Lines) -> str:
    p = e.layer.spec.dropout_param
    e.layer.require(not e.layer.drops, "a dropout that draws nothing, for a file of Python", "one that does")
    return e.x[0] if p.scale_train else f"{e.x[0]} * {plain(1 - p.dropout_ratio)}"


@writes("Split")
def split(e: Lines) -> list[str]:
    return e.x * len(e.layer.spec.top)


@writes("Gather")
def gather(e: Lines) -> list[str]:
    return e.x


@writes("Silence")
def silence(e: Lines) -> list[str]:
    return []


@writes("BatchNorm")
def batch_norm(e: Lines) -> str:
    """With the stored sums divided by their factor."""
    e.layer.require(e.layer.use_global_stats, "use_global_stats, for a file of Python", "statistics of the batch")
    names = zip(("mean", "variance"), e.layer.statistics(), strict=True)
    given = ", ".join(e.values(name, values.detach(), learns=False) for name, values in names)
    if e.layer.scales:
        given += "".join(f", {e.values(name, e.blobs()[name])}" for name in ("scale", "bias"))
    return f"F.batch_norm({e.x[0]}, {given}, eps={plain(e.layer.eps)})"


def _spread(e: Lines, name: str) -> str:
    """The layer's blob, or else the second bottom, with axes to broadcast over the first bottom."""
    trailing = e.layer.trailing
    if name in e.layer.blob_names:
        blob = e.blobs()[name]
        return e.values(name, blob.reshape(*blob.shape, *(1,) * trailing))
    return e.x[1] + (f"[(..., *[None] * {trailing})]" if trailing else "")


@writes("Scale")
def scale(e: Lines) -> str:
    y = f"{e.x[0]} * {_spread(e, 'factor')}"
    return f"{y} + {_spread(e, 'bias')}" if e.layer.spec.scale_param.bias_term else y


@writes("Bias")
def bias(e: Lines) -> str:
    return f"{e.x[0]} + {_spread(e, 'bias')}"


@writes("Axpy")
def axpy(e: Lines) -> str:
    a, x, y = e.x
    return f"{a}.reshape(*{x}.shape[:2], 1, 1) * {x} + {y}"


@writes("LRN")
def lrn(e: Lines) -> str:
    p, x = e.layer.spec.lrn_param, e.x[0]
    alpha, beta = plain(p.alpha), plain(p.beta)
    if p.norm_region == p.ACROSS_CHANNELS:
        return f"F.local_response_norm({x}, {p.local_size}, {alpha}, {beta}, {plain(p.k)})"
    mean = f"F.avg_pool2d({x} * {x}, {p.local_size}, 1, {(p.local_size - 1) // 2})"
    return f"{x} * (1 + {alpha} * {mean}) ** -{beta}"


@writes("MVN")
def mvn(e: Lines) -> str:
    p, x = e.layer.spec.mvn_param, e.x[0]
    return f"mvn({x}, {1 if p.across_channels else 2}, {plain(p.eps) if p.normalize_variance else None})"


@writes("Normalize")
def normalize(e: Lines) -> str:
    p, x = e.layer.spec.norm_param, e.x[0]
    scale, behind = e.blobs()["scale"], len(e.layer.shapes_of_tops[0]) - 2
    axes = tuple(range(1, 2 + behind)) if p.across_spatial else 1
    factor = e.values("scale", scale.reshape(-1, *(1,) * behind) if scale.dim() else scale)
    return f"{x} / (({x} * {x}).sum({axes}, keepdim=True) + {plain(p.eps)}).sqrt() * {factor}"


@writes("Softmax")
def softmax(e: Lines) -> str:
    return f"torch.softmax({e.x[0]}, {e.layer.along})"


@writes("Reduction")
def reduction(e: Lines) -> str:
    p, rows = e.layer.spec.reduction_param, f"{e.x[0]}.flatten({e.layer.first})"
    made = {
        p.SUM: f"{rows}.sum(-1)",
        p.ASUM: f"{rows}.abs().sum(-1)",
        p.SUMSQ: f"{rows}.square().sum(-1)",
        p.MEAN: f"{rows}.mean(-1)",
    }[p.operation]
    return _line(made, p.coeff, 0)


@writes("ArgMax")
def arg_max(e: Lines) -> str:
    p = e.layer.spec.argmax_param
    return f"arg_max({e.x[0]}, {e.layer.along}, {p.top_k}, values={p.out_max_val})"


@writes("Slice")
def slice_(e: Lines) -> list[str]:
    sizes, along = e.layer.sizes, e.layer.along
    ends = [sum(sizes[: index + 1]) for index in range(len(sizes))]
    whole = ":, " * along
    return [f"{e.x[0]}[{whole}{end - size}:{end}]" for size, end in zip(sizes, ends, strict=True)]


@writes("Concat")
def concat(e: Lines) -> str:
    return f"torch.cat([{', '.join(e.x)}], {e.layer.along})"


@writes("Flatten")
def flatten(e: Lines) -> str:
    return f"{e.x[0]}.flatten({e.layer.first}, {e.layer.last})"


@writes("Reshape")
def reshape(e: Lines) -> str:
    first, after = e.layer.first, e.layer.after
    dims = [
        f"{e.x[0]}.shape[{first + i}]" if d == 0 else str(d) for i, d in enumerate(e.layer.spec.reshape_param.shape.dim)
    ]
    before = [f"{e.x[0]}.shape[{axis}]" for axis in range(first)]
    behind = [f"*{e.x[0]}.shape[{after}:]"]
    return f"{e.x[0]}.reshape({', '.join([*before, *dims, *behind])})"


@writes("Tile")
def tile(e: Lines) -> str:
    return f"torch.cat([{e.x[0]}] * {e.layer.spec.tile_param.tiles}, {e.layer.along})"


@writes("Crop")
def crop(e: Lines) -> str:
    x, like = e.x
    cuts = [":"] * e.layer.first + [
        f"{offset}:{offset} + {like}.shape[{axis}]" if offset else f": {like}.shape[{axis}]"
        for axis, offset in enumerate(e.layer.offsets)
        if axis >= e.layer.first
    ]
    return f"{x}[{', '.join(cuts)}]"


@writes("Eltwise")
def eltwise(e: Lines) -> str:
    p = e.layer.spec.eltwise_param
    if p.operation == p.MAX:
        most = e.x[0]
        for x in e.x[1:]:
            most = f"torch.maximum({most}, {x})"
        return most
    terms = [_line(x, c, 0) for x, c in zip(e.x, list(p.coeff) or [1.0] * len(e.x), strict=True)]
    return (" * " if p.operation == p.PROD else " + ").join(terms)
