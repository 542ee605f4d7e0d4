"""Layer converters, one operator family per file; importing this package registers them all."""

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
