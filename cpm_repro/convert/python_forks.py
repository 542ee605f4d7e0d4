"""Layers of forks as lines of Python; importing this module registers them."""

from prototxt_import.layers.activations import Swish
from prototxt_import.layers.normalization import BN
from prototxt_import.layers.resize import Interp, Upsample
from prototxt_import.layers.shape import Reorg, ShuffleChannel

from .python_layers import Lines, plain, writes


@writes(Swish)
def swish(e: Lines) -> str:
    x, beta = e.x[0], e.layer.spec.swish_param.beta
    return f"{x} * torch.sigmoid({x}{'' if beta == 1 else f' * {plain(beta)}'})"


@writes(ShuffleChannel)
def shuffle_channel(e: Lines) -> str:
    return f"{e.x[0]}.unflatten(1, ({e.layer.spec.shuffle_channel_param.group}, -1)).transpose(1, 2).flatten(1, 2)"


@writes(Reorg)
def reorg(e: Lines) -> str:
    x, p, channels = e.x[0], e.layer.spec.reorg_param, e.layer.shapes_of_tops[0][1]
    stride, height, width = p.stride, f"{x}.shape[2]", f"{x}.shape[3]"
    if p.reverse:
        tiles = f"{x}.unflatten(1, ({stride}, {stride}, {channels})).permute(0, 3, 4, 1, 5, 2)"
        return f"{tiles}.reshape(-1, {channels}, {height} * {stride}, {width} * {stride})"
    few = channels // stride**4
    maps = f"{x}.reshape(-1, {few}, {height}, {stride}, {width}, {stride}).permute(0, 3, 5, 1, 2, 4)"
    return f"{maps}.reshape(-1, {channels}, {height} // {stride}, {width} // {stride})"


@writes(Upsample)
def upsample(e: Lines) -> str:
    e.layer.require(len(e.x) == 1, "one bottom, for a file of Python", "a mask")
    rows, columns = e.layer.scale
    return f"{e.x[0]}.repeat_interleave({rows}, 2).repeat_interleave({columns}, 3)"


@writes(Interp)
def interp(e: Lines) -> str:
    p, x = e.layer.spec.interp_param, e.x[0]
    e.layer.require(len(e.x) == 1, "one bottom, for a file of Python", "two")
    cut = f"{-p.pad_beg}:{p.pad_end or ''}" if p.pad_beg or p.pad_end else ""
    inner = f"{x}[:, :, {cut}, {cut}]" if cut else x
    size = f"({p.height}, {p.width})"
    if p.HasField("zoom_factor") or p.HasField("shrink_factor"):
        pads = p.pad_beg + p.pad_end - 1
        size = f"[(n - {-pads}) // {p.shrink_factor} * {p.zoom_factor} + 1 for n in {x}.shape[2:]]"
    return f'F.interpolate({inner}, {size}, mode="bilinear", align_corners=True)'


@writes(BN)
def bn(e: Lines) -> str:
    layer, x, p = e.layer, e.x[0], e.layer.spec.bn_param
    learns = layer.segnet and p.bn_mode == p.LEARN
    layer.require(not learns, "bn_mode INFERENCE, for a file of Python", "LEARN, which needs the batch")
    blobs = e.blobs()
    factor, offset = (e.values(name, blobs[name]) for name in ("factor", "offset"))
    if layer.segnet:
        return f"{x} * {factor} + {offset}"
    mean, variance = (e.values(name, blobs[name].flatten()) for name in ("mean", "variance"))
    return f"F.batch_norm({x}, {mean}, {variance}, eps={plain(p.eps)}) * {factor} + {offset}"
