"""Runs a layer again on its recorded bottoms, as other programs would have run it, to see whose result that is.

Pooling that rounds down, as most frameworks' does (Caffe rounds up), and, where the net's weights are at hand, weights
that were read in another order of axes or channels, or without the bias.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.net import Net

from .array_causes import EXPLAINED, Cause, arrangements, distance, localised


def _pooling(kernel: int, stride: int, method: str) -> schema.LayerParameter:
    layer = schema.LayerParameter(name="pool", type="Pooling", bottom=["bottom"], top=["top"])
    layer.pooling_param.kernel_size, layer.pooling_param.stride = kernel, stride
    layer.pooling_param.pool = layer.pooling_param.PoolMethod.Value(method)
    return layer


_CPM_POOLINGS = (_pooling(3, 2, "MAX"), _pooling(2, 2, "MAX"), _pooling(9, 8, "AVE"))


def pooling_rounding(
    bottom: np.ndarray, a: np.ndarray, b: np.ndarray, spec: schema.LayerParameter | None = None
) -> Cause | None:
    """The cause, if pooling `bottom` (N, C, H, W) gives one side with sizes rounded up and the other rounded down.

    `spec` is the Pooling layer; without it those that CPMs have are tried.
    """
    if not all(array.ndim == 4 and array.dtype.kind == "f" for array in (bottom, a, b)):
        return None
    tried = (_rounded_otherwise(layer, bottom, a, b, bool(spec)) for layer in ([spec] if spec else _CPM_POOLINGS))
    return next(filter(None, tried), None)


def _rounded_otherwise(
    layer: schema.LayerParameter, bottom: np.ndarray, a: np.ndarray, b: np.ndarray, known: bool
) -> Cause | None:
    own, up = run_layer(layer, bottom), run_layer(_rounding(layer, up=True), bottom)
    if layer.pooling_param.global_pooling or own is None or up is None:
        return None
    rounds_up = own.shape == up.shape
    how, whose = ("down (floor)", "up") if rounds_up else ("up (ceil)", "down")
    whose = f"layer {layer.name} rounds {whose}" if known else "Caffe's rounds up"
    for other in _other_roundings(layer, rounds_up):
        if (made := run_layer(other, bottom)) is None:
            continue
        for side, one, right in (("A", a, b), ("B", b, a)):
            apart = distance(one, made)
            if max(apart, distance(right, own)) <= EXPLAINED < distance(own, made):
                what = f"{side} comes from pooling that rounds {how}; {whose}"
                return Cause(
                    what,
                    f"{_described(other)} of its bottom, sizes rounded {how}, gives {side} with a relative error of "
                    f"{apart:.2g}, the layer itself the other side",
                )
    return None


def _other_roundings(layer: schema.LayerParameter, rounds_up: bool) -> Iterator[schema.LayerParameter]:
    """The layer rounded the other way; down also with the padding of half a kernel that goes with it elsewhere."""
    other = _rounding(layer, up=not rounds_up)
    yield other
    if rounds_up and other.pooling_param.kernel_size > 1:
        other.pooling_param.ClearField("pad_h")
        other.pooling_param.ClearField("pad_w")
        other.pooling_param.pad = other.pooling_param.kernel_size // 2
        yield other


def _rounding(layer: schema.LayerParameter, up: bool) -> schema.LayerParameter:
    changed = schema.LayerParameter()
    changed.CopyFrom(layer)
    param = changed.pooling_param
    param.round_mode, param.ceil_mode = (param.CEIL, True) if up else (param.FLOOR, False)
    return changed


def _described(layer: schema.LayerParameter) -> str:
    p = layer.pooling_param
    size = p.kernel_size or f"{p.kernel_h}x{p.kernel_w}"
    stride = f"{p.stride_h}x{p.stride_w}" if p.HasField("stride_h") else p.stride
    pad = f"{p.pad_h}x{p.pad_w}" if p.HasField("pad_h") else p.pad
    return f"{p.PoolMethod.Name(p.pool)} pooling {size}/{stride}, padding {pad},"


def run_layer(layer: schema.LayerParameter, bottom: np.ndarray) -> np.ndarray | None:
    """The first top of a layer without weights, of one bottom; None if it cannot take that."""
    source = schema.LayerParameter(name="bottom", type="Input", top=["bottom"])
    source.input_param.shape.add(dim=bottom.shape)
    alone = schema.NetParameter(layer=[source, layer])
    alone.layer[1].bottom[:], alone.layer[1].top[:] = ["bottom"], ["top"]
    try:
        net = Net(alone)
    except InputError:
        return None
    with torch.inference_mode():
        return net({"bottom": torch.from_numpy(np.array(bottom, np.float32))})["top"].contiguous().numpy()


def other_weights(net: Net, layers: list[str], bottoms: list[np.ndarray], a: np.ndarray, b: np.ndarray) -> list[Cause]:
    """Why one side is not what the net's layers make of the bottoms, tried with other orders of the weights.

    layers: those that make the blob, the one with the weights first, the others in place. Empty if neither side is
    what the net makes, or both are.
    """
    modules = [net.layer(name) for name in layers]
    if not hasattr(modules[0], "weight"):
        return []
    device = modules[0].weight.device
    tensors = [torch.from_numpy(np.array(bottom, np.float32)).to(device) for bottom in bottoms]
    made = _run(modules, tensors)
    apart = [distance(side, made) for side in (a, b)]
    if not min(apart) <= EXPLAINED < max(apart):
        return []
    side, wrong, before = ("A", a, apart[0]) if apart[0] > apart[1] else ("B", b, apart[1])
    for what, how, parameter, values in _changed(modules[0]):
        with _replaced(parameter, values):
            after = distance(wrong, _run(modules, tensors))
        if after <= EXPLAINED and after <= 0.1 * before:
            measured = f"{side} is what layer {layers[0]} makes with its {how}: relative error {after:.2g}"
            return [
                Cause(
                    f"{side} has other weights of layer {layers[0]}: {what}", f"{measured} (as they are: {before:.2g})"
                )
            ]
    return [
        Cause(
            f"{side} was computed with other weights or settings of layer {layers[0]}",
            f"of the same inputs that layer with these weights makes the other side (relative error {min(apart):.2g}) "
            f"and not {side} ({before:.2g})",
        ),
        *localised(a, b),
    ]


def _run(modules: list[torch.nn.Module], bottoms: list[Tensor]) -> np.ndarray:
    """The top of the last layer; all but the first work in place."""
    tops = tuple(bottoms)
    with torch.no_grad():
        for module in modules:
            made = module(*tops)
            tops = made if isinstance(made, tuple) else (made,)
    return tops[0].cpu().contiguous().numpy()


def _changed(module: torch.nn.Module) -> Iterator[tuple[str, str, Tensor, np.ndarray]]:
    weight = module.weight.detach().cpu().contiguous().numpy()
    for what, how, values in arrangements(weight, weight.shape):
        yield what, f"weights {how}", module.weight, values
    if getattr(module, "bias", None) is not None:
        bias = module.bias
        yield "without the bias", "bias at zero", bias, np.zeros(tuple(bias.shape), np.float32)


@contextmanager
def _replaced(parameter: Tensor, values: np.ndarray) -> Iterator[None]:
    before = parameter.detach().clone()
    try:
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(np.array(values, order="C")))
        yield
    finally:
        with torch.no_grad():
            parameter.copy_(before)
