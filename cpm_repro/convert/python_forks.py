"""Layers of forks as lines of Python; importing this module registers them."""

import torch

from .python_layers import Lines, plain, writes


@writes("Swish")
def swish(e: Lines) -> str:
    x, beta = e.x[0], e.layer.spec.swish_param.beta
    return f"{x} * torch.sigmoid({x}{'' if beta == 1 else f' * {plain(beta)}'})"


@writes("Mish")
def mish(e: Lines) -> str:
    return f"F.mish({e.x[0]})"


@writes("HardSwish")
def hard_swish(e: Lines) -> str:
    return f"F.hardswish({e.x[0]})"


@writes("NegReLU")
def neg_relu(e: Lines) -> str:
    return f"-F.leaky_relu(-{e.x[0]}, {plain(e.layer.slope)})"


@writes("Insanity")
def insanity(e: Lines) -> str:
    e.layer.require(not e.layer.draws_slopes, "slopes that are not drawn, for a file of Python", "drawn ones")
    return f"F.leaky_relu({e.x[0]}, {plain(1 / e.layer.divisor)})"


@writes("Flip")
def flip(e: Lines) -> str:
    return f"{e.x[0]}.flip({e.layer.mirrored})"


@writes("L2Norm", "L2Normalization")
def of_images(e: Lines) -> str:
    norm = f"torch.linalg.vector_norm({e.x[0]}.flatten(1), dim=1).clamp(min={e.layer.least})"
    return f"{e.x[0]} / {norm}.reshape(-1{', 1' * (len(e.layer.shapes_of_tops[0]) - 1)})"


@writes("Local")
def local(e: Lines) -> str:
    layer, window, blobs = e.layer, e.layer.window, e.blobs()
    seen = f"im2col({e.x[0]}, {window.kernel}, {window.stride}, {window.pad}, {window.dilation}).flatten(2)"
    weight = e.values("weight", blobs["weight"][:, 0])
    bias = f" + {e.values('bias', blobs['bias'].reshape(len(blobs['weight']), -1))}" if "bias" in blobs else ""
    return f'(torch.einsum("nkp,mkp->nmp", {seen}, {weight}){bias}).unflatten(2, {layer.size})'


@writes("Unpooling")
def unpooling(e: Lines) -> str:
    x, layer = e.x[0], e.layer
    sizes = [
        f"{x}.shape[{axis}] * {s} + {more}" for axis, s, more in zip((2, 3), layer.stride, layer.more, strict=True)
    ]
    height, width = layer.given if all(layer.given) else sizes
    return f"unpool({x}, {e.x[1]}, {height}, {width})"


@writes("Reverse")
def reverse(e: Lines) -> str:
    return f"{e.x[0]}.flip({e.layer.along})"


@writes("ChannelNorm")
def channel_norm(e: Lines) -> str:
    return f"torch.linalg.vector_norm({e.x[0]}, dim=1, keepdim=True)"


@writes("HardSigmoid")
def hard_sigmoid(e: Lines) -> str:
    return f"({e.x[0]} * {plain(e.layer.alpha)} + {plain(e.layer.beta)}).clamp(0, 1)"


@writes("SeLu")
def selu(e: Lines) -> str:
    p = e.layer.spec.selu_param
    return f"F.elu({e.x[0]}, {plain(p.alpha)}) * {plain(getattr(p, 'lambda'))}"


@writes("SeLuDropout")
def selu_dropout(e: Lines) -> str:
    e.layer.require(not e.layer.drops, "a dropout that draws nothing, for a file of Python", "one that does")
    return e.x[0]


@writes("SpatialDropout")
def spatial_dropout(e: Lines) -> str:
    layer = e.layer
    layer.require(not layer.drops, "a dropout that draws nothing, for a file of Python", "one that does")
    return f"{e.x[0]} * {plain(layer.test_scale)}" if layer.test_scale != 1 else e.x[0]


@writes("Resample")
def resample(e: Lines) -> str:
    """Two products; the sizes are fixed."""
    layer = e.layer
    layer.require(len(e.x) == 1, "one bottom, for a file of Python", "two")
    rows, columns = map(torch.from_numpy, layer.weights(layer.size, layer.shapes_of_tops[0][2:]))
    return f"{e.values('rows', rows)} @ {e.x[0]} @ {e.values('columns', columns)}.T"


@writes("ShuffleChannel")
def shuffle_channel(e: Lines) -> str:
    return f"{e.x[0]}.unflatten(1, ({e.layer.spec.shuffle_channel_param.group}, -1)).transpose(1, 2).flatten(1, 2)"


@writes("Reorg")
def reorg(e: Lines) -> str:
    x, p, channels = e.x[0], e.layer.spec.reorg_param, e.layer.shapes_of_tops[0][1]
    stride, height, width = p.stride, f"{x}.shape[2]", f"{x}.shape[3]"
    if p.reverse:
        tiles = f"{x}.unflatten(1, ({stride}, {stride}, {channels})).permute(0, 3, 4, 1, 5, 2)"
        return f"{tiles}.reshape(-1, {channels}, {height} * {stride}, {width} * {stride})"
    few = channels // stride**4
    maps = f"{x}.reshape(-1, {few}, {height}, {stride}, {width}, {stride}).permute(0, 3, 5, 1, 2, 4)"
    return f"{maps}.reshape(-1, {channels}, {height} // {stride}, {width} // {stride})"


@writes("Upsample")
def upsample(e: Lines) -> str:
    (rows, columns), p = e.layer.scale, e.layer.spec.upsample_param
    if len(e.x) == 2:
        height = p.upsample_h or f"{e.x[0]}.shape[2] * {rows}{' - 1' * p.pad_out_h}"
        width = p.upsample_w or f"{e.x[0]}.shape[3] * {columns}{' - 1' * p.pad_out_w}"
        return f"unpool({e.x[0]}, {e.x[1]}, {height}, {width})"
    return f"{e.x[0]}.repeat_interleave({rows}, 2).repeat_interleave({columns}, 3)"


@writes("Interp")
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


@writes("BN")
def bn(e: Lines) -> str:
    layer, x = e.layer, e.x[0]
    layer.require_stored("a file of Python")
    blobs, behind = e.blobs(), len(layer.shapes_of_tops[0]) - 2
    factor, offset = (e.values(name, blobs[name].reshape(-1, *(1,) * behind)) for name in ("factor", "offset"))
    if layer.segnet:
        return f"{x} * {factor} + {offset}"
    mean, variance = (e.values(name, blobs[name].flatten(), learns=False) for name in ("mean", "variance"))
    return f"F.batch_norm({x}, {mean}, {variance}, eps={plain(layer.eps)}) * {factor} + {offset}"


@writes("ROIPooling")
def roi_pooling(e: Lines) -> str:
    p = e.layer.spec.roi_pooling_param
    e.layer.require(not p.pad_ratio, "no pad_ratio, for a file of Python", f"{p.pad_ratio:g}")
    return f"roi_pool({', '.join(e.x)}, {p.pooled_h}, {p.pooled_w}, {plain(p.spatial_scale)})"


@writes("MaskPooling")
def mask_pooling(e: Lines) -> str:
    return f"{e.x[0]} * {e.x[1]}"


@writes("ROIAlign")
def roi_align(e: Lines) -> str:
    p = e.layer.spec.roi_align_param
    e.layer.require(not e.layer.corners, "sampling_ratio, for a file of Python", "pad_ratio")
    given = f"{p.pooled_h}, {p.pooled_w}, {plain(p.spatial_scale)}, {max(p.sampling_ratio, 0)}"
    return f"roi_align({', '.join(e.x)}, {given})"


@writes("PSROIPooling")
def psroi_pooling(e: Lines) -> str:
    p = e.layer.spec.psroi_pooling_param
    return f"position_sensitive_pool({', '.join(e.x)}, {p.group_size}, {plain(p.spatial_scale)})"


@writes("Permute")
def permute(e: Lines) -> str:
    return f"{e.x[0]}.permute({', '.join(map(str, e.layer.order))})"


@writes("PriorBox")
def prior_box(e: Lines) -> str:
    layer, p, (x, image) = e.layer, e.layer.spec.prior_box_param, e.x
    layer.require(not p.denser_prior_boxes, "no denser_prior_boxes, for a file of Python", "them")
    given = list(p.variance) or [0.1]
    variances = e.values("variances", torch.tensor(given * 4 if len(given) == 1 else given))
    sides = e.values("sides", torch.from_numpy(layer.sides()))
    size = layer.image((0, 0))
    of_image = str(size) if all(size) else f"{image}.shape[2:]"
    step = f"({plain(p.step_h or p.step)}, {plain(p.step_w or p.step)})"
    return f"prior_boxes({x}, {of_image}, {sides}, {variances}, {step}, {plain(p.offset)}, {p.clip})"


@writes("DetectionOutput")
def detection_output(e: Lines) -> str:
    layer, p = e.layer, e.layer.spec.detection_output_param
    shifts, scores, priors, *first = e.x
    if p.variance_encoded_in_target:
        priors = f"torch.cat([{priors}[:, :1], torch.ones_like({priors}[:, 1:])], 1)"
    least, limit, most, eta = layer.suppression()
    suppression = f"({plain(least)}, {plain(limit)}, {most}, {plain(eta)})"
    boxes = f'{p.num_classes}, {p.background_label_id}, {p.share_location}, "{layer.code}"'
    stage = f", ({', '.join(first)},), {plain(p.objectness_score)}" if first else ""
    return f"detections({shifts}, {scores}, {priors}, {boxes}, {suppression}, {p.keep_top_k}{stage})"
