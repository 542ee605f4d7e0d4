"""The network as a careful user of plain torch would write it: the peer that the fast engine is measured against.

The layers are torch's own modules, called in the prototxt's order; nothing of `prototxt_import.fast` is in it. It
knows the layers that pose machines are made of.
"""

from collections.abc import Callable, Sequence
from functools import singledispatch

import torch
from torch import Tensor, nn

from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.layers.activations import ReLU
from prototxt_import.layers.convolution import Convolution
from prototxt_import.layers.layer import Layer
from prototxt_import.layers.loss import EuclideanLoss
from prototxt_import.layers.pooling import Pooling
from prototxt_import.layers.shape import Concat, Slice, Split
from prototxt_import.net import Net

Step = Callable[..., Tensor | tuple[Tensor, ...]]


class PlainTorch(nn.Module):
    """The net's twin, with copies of its weights, on its device; InputError names a layer that it does not know."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.steps: list[tuple[Step, list[str], list[str]]] = []
        self.convolutions = nn.ModuleDict()
        fresh: set[str] = set()  # blobs that only their maker and in-place layers have seen
        for layer in net.layers.values():
            if layer.is_source:
                continue
            spec = layer.spec
            in_place = layer.rectifies and spec.bottom[0] in fresh and spec.bottom == spec.top
            step = nn.ReLU(inplace=True) if in_place else plain(layer)
            if isinstance(step, nn.Conv2d):
                self.convolutions[spec.name] = step
                fresh.update(spec.top)
            self.steps.append((step, list(spec.bottom), list(spec.top)))

    def arranged(self, memory_format: torch.memory_format, dtype: torch.dtype = torch.float32) -> "PlainTorch":
        """The same net, its weights in that order and type."""
        self.to(dtype=dtype, memory_format=memory_format)  # type: ignore[call-overload]  # torch declares fewer
        return self

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Every blob by name."""
        blobs = dict(inputs)
        for step, bottoms, tops in self.steps:
            made = step(*(blobs[bottom] for bottom in bottoms))
            blobs.update(zip(tops, made if isinstance(made, (tuple, list)) else (made,), strict=True))
        return blobs


@singledispatch
def plain(layer: Layer) -> Step:
    """The layer as torch's own module or function, by its class."""
    raise InputError(f"{layer.where}: expected a layer type of pose machines, found {layer.spec.type}")


def _pair(sizes: Sequence[int]) -> tuple[int, int]:
    height, width = sizes
    return height, width


@plain.register
def plain_convolution(layer: Convolution) -> Step:
    window, weight = layer.window, layer.weight
    made = nn.Conv2d(
        weight.shape[1] * layer.group,
        weight.shape[0],
        _pair(window.kernel),
        _pair(window.stride),
        _pair(window.pad),
        _pair(window.dilation),
        layer.group,
        bias=layer.bias is not None,
        device=weight.device,
    )
    with torch.no_grad():
        made.weight.copy_(weight)
        if layer.bias is not None and made.bias is not None:
            made.bias.copy_(layer.bias)
    return made


@plain.register
def plain_relu(layer: ReLU) -> Step:
    layer.require(layer.rectifies, "no negative_slope, as in pose machines", "one")
    return nn.ReLU()


@plain.register
def plain_pooling(layer: Pooling) -> Step:
    window = layer.window
    if window is None:
        raise InputError(f"{layer.where}: expected a window, as in pose machines, found global_pooling")
    layer.require(not layer.is_min, "pool MAX or AVE, as in pose machines", "MIN")
    pool: type[nn.MaxPool2d | nn.AvgPool2d] = nn.MaxPool2d if layer.is_max else nn.AvgPool2d
    return pool(_pair(window.kernel), _pair(window.stride), _pair(window.pad), ceil_mode=window.ceil)


@plain.register
def plain_concat(layer: Concat) -> Step:
    return lambda *bottoms: torch.cat(bottoms, layer.along)


@plain.register
def plain_slice(layer: Slice) -> Step:
    return lambda x: x.split(layer.sizes, layer.along)


@plain.register
def plain_split(layer: Split) -> Step:
    return lambda x: (x,) * len(layer.spec.top)


@plain.register
def plain_loss(layer: EuclideanLoss) -> Step:
    return lambda x, y: nn.functional.mse_loss(x, y, reduction="sum") / x.shape[0] / 2


def plain_sgd(twin: PlainTorch, net: Net, solver: schema.SolverParameter) -> torch.optim.SGD:
    """torch's SGD with the prototxt's multipliers, a group for blobs that share theirs."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for blob in net.learnable:
        blobs = list(twin.convolutions[blob.layer].parameters())  # weight and bias
        rates = (solver.base_lr * blob.lr_mult, solver.weight_decay * blob.decay_mult)
        groups.setdefault(rates, []).append(blobs[blob.index])
    options = [{"params": parameters, "lr": lr, "weight_decay": decay} for (lr, decay), parameters in groups.items()]
    return torch.optim.SGD(options, momentum=solver.momentum)
