"""Runs a layer again on its recorded bottoms, as other programs would have run it, to see whose result that is.

Pooling that rounds down, as most frameworks' does (Caffe rounds up), and, where the net's weights are at hand, weights
that were read in another order of axes or channels, or without the bias.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from prototxt_import.formats import schema
from prototxt_import.net import Net

from .array_causes import EXPLAINED, Cause, arrangements, distance, localised

_USUAL_POOLINGS = (  # those of the paper's nets: kernel, stride, padding, method
    ((3, 3), (2, 2), (0, 0), "MAX"),
    ((2, 2), (2, 2), (0, 0), "MAX"),
    ((9, 9), (8, 8), (0, 0), "AVE"),
)


def floor_pooling(
    bottom: np.ndarray, a: np.ndarray, b: np.ndarray, spec: "schema.LayerParameter | None" = None
) -> Cause | None:
    """The cause, if pooling `bottom` (N, C, H, W) gives one side with sizes rounded up and the other rounded down.

    `spec` is the Pooling layer; without it those that CPMs have are tried.
    """
    if not all(array.ndim == 4 and array.dtype.kind == "f" for array in (bottom, a, b)):
        return None
    x = torch.from_numpy(np.array(bottom, np.float32))
    for kernel, stride, caffes_pad, method in [_pooling_of(spec)] if spec else _USUAL_POOLINGS:
        pool = functional.max_pool2d if method == "MAX" else functional.avg_pool2d
        if min(kernel) > min(x.shape[2:]):
            continue
        up = pool(x, kernel, stride, caffes_pad, ceil_mode=True).numpy()
        for pad in dict.fromkeys((caffes_pad, tuple(k // 2 for k in kernel))):
            down = pool(x, kernel, stride, pad).numpy()
            for side, one, other in (("A", a, b), ("B", b, a)):
                apart = distance(one, down)
                if max(apart, distance(other, up)) <= EXPLAINED < distance(up, down):
                    how = (
                        f"{method} pooling {kernel[0]}/{stride[0]} of its bottom, padding {pad[0]}, sizes rounded down"
                    )
                    measured = f"gives {side} with a relative error of {apart:.2g}, rounded up the other side"
                    return Cause(
                        f"{side} comes from pooling that rounds down (floor); Caffe's rounds up", f"{how}, {measured}"
                    )
    return None


def _pooling_of(spec: "schema.LayerParameter") -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], str]:
    p = spec.pooling_param
    kernel = (p.kernel_h, p.kernel_w) if p.HasField("kernel_h") else (p.kernel_size, p.kernel_size)
    stride = (p.stride_h, p.stride_w) if p.HasField("stride_h") else (p.stride, p.stride)
    pad = (p.pad_h, p.pad_w) if p.HasField("pad_h") else (p.pad, p.pad)
    return kernel, stride, pad, p.PoolMethod.Name(p.pool)


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
