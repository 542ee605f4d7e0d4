"""Caffe's layers as torch modules, one family per file; importing this package registers them all.

In reading order: layer (the base, and the registry), fillers (first values of blobs); data, convolution, pooling,
inner_product, activations, dropout, normalization, scale, eltwise, reduction, shape, softmax, loss.
"""

from . import (
    activations,
    convolution,
    data,
    dropout,
    eltwise,
    inner_product,
    loss,
    normalization,
    pooling,
    reduction,
    scale,
    shape,
    softmax,
)

__all__ = [
    "activations",
    "convolution",
    "data",
    "dropout",
    "eltwise",
    "inner_product",
    "loss",
    "normalization",
    "pooling",
    "reduction",
    "scale",
    "shape",
    "softmax",
]
