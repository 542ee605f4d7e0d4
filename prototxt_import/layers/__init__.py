"""Caffe's layers as torch modules, one family per file; importing this package registers them all.

In reading order: layer (the base, and the registry), own (layers of the reader's own), fillers (first values of blobs);
data, convolution, pooling, inner_product, embed, activations, dropout, normalization, scale, eltwise, reduction, shape,
alignment (of Crop's bottoms), selection, recurrent, parameter, softmax; loss (of two blobs), classification (losses
against labels, and Accuracy); layers of forks: deformable, local (both convolutions), resize, flow, permutohedral (a
filter) and crf, proposals, regions (of interest), cascade (of regions), detection, multibox (SSD's loss), yolo;
description (a net in words).
"""

from . import (
    activations,
    cascade,
    classification,
    convolution,
    crf,
    data,
    deformable,
    detection,
    dropout,
    eltwise,
    embed,
    flow,
    inner_product,
    local,
    loss,
    multibox,
    normalization,
    parameter,
    pooling,
    proposals,
    recurrent,
    reduction,
    regions,
    resize,
    scale,
    selection,
    shape,
    softmax,
    yolo,
)

__all__ = [
    "activations",
    "cascade",
    "classification",
    "convolution",
    "crf",
    "data",
    "deformable",
    "detection",
    "dropout",
    "eltwise",
    "embed",
    "flow",
    "inner_product",
    "local",
    "loss",
    "multibox",
    "normalization",
    "parameter",
    "pooling",
    "proposals",
    "recurrent",
    "reduction",
    "regions",
    "resize",
    "scale",
    "selection",
    "shape",
    "softmax",
    "yolo",
]
