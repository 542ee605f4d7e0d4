"""Weights that were trained on RGB pictures, made to take Caffe's BGR: red and blue swap in whatever reads the image.

CPM, Caffe and OpenCV order colours B, G, R; PyTorch's own models order them R, G, B. The two load into the same
shapes, and a net with the wrong order gives plausible maps that are worse, so nothing but the person knows.
"""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from prototxt_import.files import InputError
from prototxt_import.layers.layer import Channels
from prototxt_import.net import Net

_RED_AND_BLUE_SWAPPED = (2, 1, 0)


def swap_red_and_blue(net: Net, only: Collection[str] | None = None) -> list[str]:
    """Swaps in place the weights that meet the first and third channel of the net's first input; returns the layers.

    only: leaves alone what layers of other names have.
    InputError if that input has no three channels, or a layer reads it whose weights have no channel to swap.
    """
    image, shape = next(iter(net.input_shapes.items()))
    if len(shape) != 4 or shape[1] < 3:
        raise InputError(f"input '{image}': expected N x 3 or more x H x W, to swap red and blue, found {shape}")
    orders: dict[str, Channels] = {image: (*_RED_AND_BLUE_SWAPPED, *range(3, shape[1]))}  # of blobs in another one
    swapped: list[str] = []
    seen: set[int] = set()
    for layer in net.layers.values():
        if not layer.spec.bottom or not layer.spec.top:
            continue
        tops: Sequence[Channels | None] = [None] * len(layer.spec.top)
        if not orders.keys().isdisjoint(layer.spec.bottom):
            blobs, tops = layer.reorder(orders.get(layer.spec.bottom[0], ()))
            blobs = blobs if only is None or layer.spec.name in only else {}
            for name, values in blobs.items():
                _set_once(layer.owner(name), values, seen)
            swapped += [layer.own_name] if blobs else []
        for top, order in zip(layer.spec.top, tops, strict=True):
            orders.pop(top, None)
            if order is not None and order != tuple(sorted(order)):
                orders[top] = order
    for layer in net.layers.values():
        shared = any(id(layer.owner(name)) in seen for name in layer.blob_names)
        fits = not shared or layer.own_name in swapped
        layer.require(fits, "blobs that no layer on the image shares, to swap red and blue", "shared ones")
    return swapped


def _set_once(blob: Tensor, values: Tensor, seen: set[int]) -> None:
    """A blob that layers share is set by the first of them."""
    if id(blob) not in seen:
        seen.add(id(blob))
        with torch.no_grad():
            blob.copy_(values.reshape(blob.shape))
