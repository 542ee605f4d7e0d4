"""Weights that were trained on RGB pictures, made to take Caffe's BGR: red and blue swap in whatever reads the image.

CPM, Caffe and OpenCV order colours B, G, R; PyTorch's own models order them R, G, B. The two load into the same
shapes, and a net with the wrong order gives plausible maps that are worse, so nothing but the person knows.
"""

import torch
from torch import nn

from prototxt_import.files import InputError
from prototxt_import.layers.layer import Layer
from prototxt_import.net import Net

_SAME_FOR_EVERY_CHANNEL = ("AbsVal", "Dropout", "Pooling", "Power", "ReLU", "Sigmoid", "Split", "TanH")
_PER_CHANNEL = ("BatchNorm", "Bias", "PReLU", "Scale")


def swap_red_and_blue(net: Net) -> list[str]:
    """Swaps in place the weights that meet the first and third channel of the net's first input; returns the layers.

    InputError if that input has no three channels, or a layer reads it whose weights have no channel to swap.
    """
    image, shape = next(iter(net.input_shapes.items()))
    if len(shape) != 4 or shape[1] < 3:
        raise InputError(f"input '{image}': expected N x 3 or more x H x W, to swap red and blue, found {shape}")
    coloured, swapped, seen = {image}, [], set()
    for layer in net.layers.values():
        if not coloured.intersection(layer.spec.bottom):
            if layer.spec.bottom:
                coloured.difference_update(layer.spec.top)
            continue
        blobs = _blobs_with_colours(layer, net.blob_shapes[layer.spec.bottom[0]][1])
        for blob, axis in blobs:
            if id(blob) not in seen:  # a shared one once
                _swap(blob, axis)
                seen.add(id(blob))
        swapped += [layer.spec.name] if blobs else []
        _follow(layer, coloured)
    return swapped


def _blobs_with_colours(layer: Layer, channels: int) -> list[tuple[nn.Parameter, int]]:
    """The blobs of a layer on the image, and the axis along which their colours lie."""
    blobs = [getattr(layer, name) for name in layer.blob_names]
    if layer.spec.type == "Convolution" and layer.group == 1:
        return [(layer.weight, 1)]
    if layer.spec.type in _PER_CHANNEL:
        return [(blob, 0) for blob in blobs if tuple(blob.shape) == (channels,)]
    known = layer.spec.type in (*_SAME_FOR_EVERY_CHANNEL, "Slice")
    layer.require(known, "a convolution or a layer without weights on the image, to swap red and blue", layer.spec.type)
    return []


def _follow(layer: Layer, coloured: set[str]) -> None:
    """Which blobs hold the image's colours after this layer."""
    tops = list(layer.spec.top)
    if layer.spec.type == "Slice" and layer.along == 1:
        layer.require(layer.sizes[0] >= 3, "the first slice to hold the three colours", f"{layer.sizes[0]} channels")
        coloured.difference_update(tops[1:])
        coloured.add(tops[0])
    elif layer.spec.type == "Convolution":
        coloured.difference_update(tops)
    else:
        coloured.update(tops)


def _swap(blob: nn.Parameter, axis: int) -> None:
    with torch.no_grad():
        order = [2, 1, 0, *range(3, blob.shape[axis])]
        blob.copy_(blob.index_select(axis, torch.tensor(order)))
