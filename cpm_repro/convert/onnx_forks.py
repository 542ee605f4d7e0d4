"""Layers of forks as ONNX nodes; importing this module registers them."""

import numpy as np

from prototxt_import.layers.normalization import SEGNET_EPS

from .onnx_graph import LayerExport, exports


def _ints(e: LayerExport, values: list[int]) -> str:
    return e.constant(np.array(values, np.int64))


@exports("Swish")
def swish(e: LayerExport) -> str:
    x, beta = e.bottoms[0], e.layer.spec.swish_param.beta
    return e.node("Mul", x, e.node("Sigmoid", e.node("Mul", x, e.number(beta)) if beta != 1 else x))


@exports("ShuffleChannel")
def shuffle_channel(e: LayerExport) -> str:
    x, channels, group = e.bottoms[0], e.shapes[0][1], e.layer.spec.shuffle_channel_param.group
    groups = e.reshape(x, (0, group, channels // group, -1))
    return e.node("Reshape", e.node("Transpose", groups, perm=[0, 2, 1, 3]), e.node("Shape", x))


def _require_sizes(e: LayerExport) -> None:
    e.layer.require(not e.dynamic, "fixed sizes, for an ONNX export", "--dynamic")


@exports("Reorg")
def reorg(e: LayerExport) -> str:
    _require_sizes(e)
    (images, channels, height, width), p = e.shapes[0], e.layer.spec.reorg_param
    few = channels // p.stride**2
    if p.reverse:
        tiles, perm = (images, p.stride, p.stride, few, height, width), [0, 3, 4, 1, 5, 2]
    else:
        tiles, perm = (images, few, height, p.stride, width, p.stride), [0, 3, 5, 1, 2, 4]
    return e.reshape(e.node("Transpose", e.reshape(e.bottoms[0], tiles), perm=perm), e.top_shapes[0])


@exports("Upsample")
def upsample(e: LayerExport) -> str:
    e.layer.require(len(e.bottoms) == 1, "one bottom, for an ONNX export", "a mask")
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return e.node("Resize", e.bottoms[0], "", e.constant(np.array([1, 1, *e.layer.scale], np.float32)), **how)


@exports("Interp")
def interp(e: LayerExport) -> str:
    _require_sizes(e)
    p, (height, width) = e.layer.spec.interp_param, e.shapes[0][2:]
    x = e.bottoms[0]
    if p.pad_beg or p.pad_end:
        ends = [height + p.pad_end, width + p.pad_end]
        x = e.node("Slice", x, _ints(e, [-p.pad_beg] * 2), _ints(e, ends), _ints(e, [2, 3]))
    how = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    return e.node("Resize", x, "", "", _ints(e, list(e.top_shapes[0])), **how)


@exports("BN")
def bn(e: LayerExport) -> str:
    """Scaled and shifted, by BatchNormalization where statistics are stored."""
    layer = e.layer
    blobs = {name: getattr(layer, name).detach().cpu().numpy().reshape(-1) for name in layer.blob_names}
    p = layer.spec.bn_param
    learns = layer.segnet and p.bn_mode == p.LEARN
    layer.require(not learns, "bn_mode INFERENCE, for an ONNX export", "LEARN, which needs the batch")
    channels = len(blobs["factor"])
    blobs.setdefault("mean", np.zeros(channels, np.float32))
    blobs.setdefault("variance", np.ones(channels, np.float32) - np.float32(SEGNET_EPS))
    inputs = [e.constant(blobs[name]) for name in ("factor", "offset", "mean", "variance")]
    return e.node("BatchNormalization", e.bottoms[0], *inputs, epsilon=SEGNET_EPS if layer.segnet else p.eps)


@exports("PriorBox")
def prior_box(e: LayerExport) -> str:
    """A constant: it depends on sizes alone."""
    _require_sizes(e)
    return e.constant(e.layer.both(e.shapes[0][2:], e.shapes[1][2:]))
