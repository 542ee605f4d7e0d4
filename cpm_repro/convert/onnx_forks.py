"""Layers of forks as ONNX nodes; importing this module registers them."""

import math

import numpy as np
from onnx import TensorProto

from prototxt_import.layers.normalization import SEGNET_EPS

from .onnx_graph import LOWEST, LayerExport, exports
from .onnx_windows import seen


@exports("Swish")
def swish(e: LayerExport) -> str:
    x, beta = e.bottoms[0], e.layer.spec.swish_param.beta
    return e.node("Mul", x, e.node("Sigmoid", e.node("Mul", x, e.number(beta)) if beta != 1 else x))


@exports("Mish")
def mish(e: LayerExport) -> str:
    x = e.bottoms[0]
    return e.node("Mul", x, e.node("Tanh", e.node("Softplus", x)))


@exports("NegReLU")
def neg_relu(e: LayerExport) -> str:
    return e.node("Neg", e.node("LeakyRelu", e.node("Neg", e.bottoms[0]), alpha=e.layer.slope))


@exports("Insanity")
def insanity(e: LayerExport) -> str:
    e.layer.require(not e.layer.draws_slopes, "slopes that are not drawn, for an ONNX export", "drawn ones")
    return e.node("LeakyRelu", e.bottoms[0], alpha=1 / e.layer.divisor)


@exports("Flip")
def flip(e: LayerExport) -> str:
    """Slices from the last to the first."""
    axes = e.layer.mirrored
    begins, ends, steps = (e.ints([value] * len(axes)) for value in (-1, -(2**31), -1))
    return (
        e.node("Slice", e.bottoms[0], begins, ends, e.ints(axes), steps) if axes else e.node("Identity", e.bottoms[0])
    )


@exports("L2Norm", "L2Normalization")
def of_images(e: LayerExport) -> str:
    norm = e.node("ReduceL2", e.bottoms[0], axes=list(range(1, len(e.shapes[0]))), keepdims=1)
    return e.node("Div", e.bottoms[0], e.node("Max", norm, e.number(e.layer.least)))


@exports("Local")
def local(e: LayerExport) -> str:
    """A product of a row and a matrix for each place."""
    layer, (rows, columns) = e.layer, e.layer.size
    places = e.node("Transpose", e.reshape(seen(e), (0, 0, -1)), perm=[2, 0, 1])
    weight = layer.weight.detach().cpu().numpy()[:, 0].transpose(2, 1, 0)
    y = e.node("Transpose", e.node("MatMul", places, e.constant(weight)), perm=[1, 2, 0])
    y = e.node("Add", y, e.blob("bias", (1, layer.param.num_output, -1))) if layer.bias is not None else y
    return e.reshape(y, (0, 0, rows, columns))


@exports("Reverse")
def reverse(e: LayerExport) -> str:
    """A slice from the last to the first."""
    axis = e.ints([e.layer.along])
    return e.node("Slice", e.bottoms[0], e.ints([-1]), e.ints([-(2**31)]), axis, e.ints([-1]))


@exports("ChannelNorm")
def channel_norm(e: LayerExport) -> str:
    return e.node("ReduceL2", e.bottoms[0], axes=[1], keepdims=1)


@exports("HardSigmoid")
def hard_sigmoid(e: LayerExport) -> str:
    return e.node("HardSigmoid", e.bottoms[0], alpha=e.layer.alpha, beta=e.layer.beta)


@exports("SeLu")
def selu(e: LayerExport) -> str:
    p = e.layer.spec.selu_param
    return e.node("Selu", e.bottoms[0], alpha=p.alpha, gamma=getattr(p, "lambda"))


@exports("SeLuDropout")
def selu_dropout(e: LayerExport) -> str:
    e.layer.require(not e.layer.drops, "a dropout that draws nothing, for an ONNX export", "one that does")
    return e.bottoms[0]


@exports("SpatialDropout")
def spatial_dropout(e: LayerExport) -> str:
    layer, x = e.layer, e.bottoms[0]
    layer.require(not layer.drops, "a dropout that draws nothing, for an ONNX export", "one that does")
    return e.node("Mul", x, e.number(layer.test_scale)) if layer.test_scale != 1 else e.node("Identity", x)


@exports("Resample")
def resample(e: LayerExport) -> str:
    """Two products; the sizes are fixed."""
    _require_sizes(e)
    rows, columns = (e.constant(w) for w in e.layer.weights(e.shapes[0][2:], e.top_shapes[0][2:]))
    y = e.node("MatMul", rows, e.bottoms[0])
    return e.node("MatMul", y, e.node("Transpose", columns, perm=[1, 0]))


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
    if len(e.bottoms) == 2:
        return _unpooled(e)
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return e.node("Resize", e.bottoms[0], "", e.constant(np.array([1, 1, *e.layer.scale], np.float32)), **how)


@exports("Unpooling")
def unpooling(e: LayerExport) -> str:
    layer = e.layer
    if all(layer.given):
        return _unpooled(e, e.ints(layer.given))
    windows = e.node("Mul", e.node("Shape", e.bottoms[0], start=2, end=4), e.ints(layer.stride))
    return _unpooled(e, e.node("Add", windows, e.ints(layer.more)))


def _unpooled(e: LayerExport, size: str = "") -> str:
    """Scattered over rows of zeros, a map after the other."""
    x, mask = e.bottoms
    images, size = e.node("Shape", x, start=0, end=2), size or _unpooled_size(e)
    flat = e.node("ConstantOfShape", e.node("Concat", images, e.node("ReduceProd", size, keepdims=1), axis=0))
    places = e.node("Cast", e.reshape(mask, (0, 0, -1)), to=TensorProto.INT64)
    made = e.node("ScatterElements", flat, places, e.reshape(x, (0, 0, -1)), axis=2)
    return e.node("Reshape", made, e.node("Concat", images, size, axis=0))


def _unpooled_size(e: LayerExport) -> str:
    p = e.layer.spec.upsample_param
    if p.upsample_h:
        return e.ints([p.upsample_h, p.upsample_w])
    size = e.node("Mul", e.node("Shape", e.bottoms[0], start=2, end=4), e.ints(e.layer.scale))
    return e.node("Sub", size, e.ints([p.pad_out_h, p.pad_out_w])) if p.pad_out_h or p.pad_out_w else size


@exports("Interp")
def interp(e: LayerExport) -> str:
    _require_sizes(e)
    p, (height, width) = e.layer.spec.interp_param, e.shapes[0][2:]
    x = e.bottoms[0]
    if p.pad_beg or p.pad_end:
        ends = [height + p.pad_end, width + p.pad_end]
        x = e.node("Slice", x, e.ints([-p.pad_beg] * 2), e.ints(ends), e.ints([2, 3]))
    how = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    return e.node("Resize", x, "", "", e.ints(list(e.top_shapes[0])), **how)


@exports("BN")
def bn(e: LayerExport) -> str:
    """Scaled and shifted, by BatchNormalization where statistics are stored."""
    layer = e.layer
    blobs = {name: getattr(layer, name).detach().cpu().numpy().reshape(-1) for name in layer.blob_names}
    layer.require_stored("an ONNX export")
    channels = len(blobs["factor"])
    blobs.setdefault("mean", np.zeros(channels, np.float32))
    blobs.setdefault("variance", np.ones(channels, np.float32) - np.float32(SEGNET_EPS))
    inputs = [e.constant(blobs[name]) for name in ("factor", "offset", "mean", "variance")]
    return e.node("BatchNormalization", e.bottoms[0], *inputs, epsilon=layer.eps)


@exports("PriorBox")
def prior_box(e: LayerExport) -> str:
    """A constant: it depends on sizes alone."""
    _require_sizes(e)
    return e.constant(e.layer.both(e.shapes[0][2:], e.shapes[1][2:]))


@exports("ROIPooling")
def roi_pooling(e: LayerExport) -> str:
    """MaxRoiPool has Caffe's rounding."""
    p = e.layer.spec.roi_pooling_param
    e.layer.require(not p.pad_ratio, "no pad_ratio, for an ONNX export", f"{p.pad_ratio:g}")
    regions = e.reshape(e.bottoms[1], (-1, 5))
    return e.node(
        "MaxRoiPool", e.bottoms[0], regions, pooled_shape=[p.pooled_h, p.pooled_w], spatial_scale=p.spatial_scale
    )


@exports("MaskPooling")
def mask_pooling(e: LayerExport) -> str:
    return e.node("Mul", *e.bottoms)


@exports("ROIAlign")
def roi_align(e: LayerExport) -> str:
    """The operator is Mask R-CNN's."""
    p = e.layer.spec.roi_align_param
    e.layer.require(not e.layer.corners, "sampling_ratio, for an ONNX export", "pad_ratio")
    image, corners = e.split(e.reshape(e.bottoms[1], (-1, 5)), [1, 4], 1)
    image = e.reshape(e.node("Cast", image, to=TensorProto.INT64), (-1,))
    return e.node(
        "RoiAlign",
        e.bottoms[0],
        corners,
        image,
        output_height=p.pooled_h,
        output_width=p.pooled_w,
        sampling_ratio=max(p.sampling_ratio, 0),
        spatial_scale=p.spatial_scale,
        coordinate_transformation_mode="output_half_pixel",
    )


@exports("PSROIPooling")
def psroi_pooling(e: LayerExport) -> str:
    """Sums over rectangles by four values of the sums, in float64, over all that is above and to the left."""
    p = e.layer.spec.psroi_pooling_param
    size = p.group_size
    image, corners = e.split(e.reshape(e.bottoms[1], (-1, 5)), [1, 4], 1)
    (top, left), (bottom, right) = _bins(e, corners)
    sums = e.node("Pad", e.node("Cast", e.bottoms[0], to=TensorProto.DOUBLE), e.ints([0, 0, 1, 1, 0, 0, 0, 0]))
    sums = e.node("CumSum", e.node("CumSum", sums, e.constant(np.array(2))), e.constant(np.array(3)))
    flat, shape = e.reshape(sums, (-1,)), e.node("Shape", sums)
    _, channels, height, width = e.split(shape, [1] * 4, 0)
    maps = e.ints(np.arange(p.output_dim * size**2).reshape(p.output_dim, size, size))
    image = e.reshape(e.node("Cast", image, to=TensorProto.INT64), (-1, 1, 1, 1))
    plane = e.node("Mul", e.node("Add", e.node("Mul", image, channels), maps), height)

    def sums_up_to(row: str, column: str) -> str:
        return e.node("Gather", flat, e.node("Add", e.node("Mul", e.node("Add", plane, row), width), column))

    below = e.node("Sub", sums_up_to(bottom, right), sums_up_to(bottom, left))
    inside = e.node("Sub", below, e.node("Sub", sums_up_to(top, right), sums_up_to(top, left)))
    pixels = e.node("Mul", e.node("Sub", bottom, top), e.node("Sub", right, left))
    divisor = e.node("Cast", e.node("Max", pixels, e.ints([1])), to=TensorProto.DOUBLE)
    return e.node("Cast", e.node("Div", inside, divisor), to=TensorProto.FLOAT)


def _bins(e: LayerExport, corners: str) -> tuple[list[str], list[str]]:
    """First row and column of each bin, (R, 1, size, 1) and (R, 1, 1, size) int64, and those after the last."""
    p = e.layer.spec.psroi_pooling_param
    away = e.node("Floor", e.node("Add", e.node("Abs", corners), e.number(0.5)))
    first, last = e.split(e.node("Mul", e.node("Sign", corners), away), [2, 2], 1)
    start = e.node("Mul", first, e.number(p.spatial_scale))
    end = e.node("Mul", e.node("Add", last, e.number(1)), e.number(p.spatial_scale))
    sides = e.node("Max", e.node("Sub", end, start), e.number(0.1))
    sides = e.reshape(e.node("Div", sides, e.number(p.group_size)), (-1, 1, 2))
    start = e.reshape(start, (-1, 1, 2))
    size = e.node("Cast", e.node("Gather", e.node("Shape", e.bottoms[0]), e.ints([3, 2])), to=TensorProto.FLOAT)
    counts = np.arange(p.group_size + 1, dtype=np.float32)[:, None]
    ends = []
    for count, rounding in ((counts[:-1], "Floor"), (counts[1:], "Ceil")):
        place = e.node(rounding, e.node("Add", e.node("Mul", sides, e.constant(count)), start))
        place = e.node("Cast", e.node("Max", e.node("Min", place, size), e.number(0)), to=TensorProto.INT64)
        x, y = e.split(place, [1, 1], 2)
        ends.append([e.reshape(y, (-1, 1, p.group_size, 1)), e.reshape(x, (-1, 1, 1, p.group_size))])
    return ends[0], ends[1]


@exports("DetectionOutput")
def detection_output(e: LayerExport) -> str:
    """NonMaxSuppression for each label of each image, and of what it keeps the best."""
    p, (shifts, scores, priors, *first) = e.layer.spec.detection_output_param, e.bottoms
    count, labels = _priors(e), [label for label in range(p.num_classes) if label != p.background_label_id]
    e.finds = True
    boxes, variances = e.split(e.reshape(priors, (2, count, 1, 4)), [1, 1], 0)
    for moves in first[1:]:
        boxes = _decoded(e, e.reshape(moves, (0, count, 1, 4)), boxes, variances)
    boxes = _decoded(e, e.reshape(shifts, (0, count, -1, 4)), boxes, variances)
    scores = e.reshape(scores, (0, count, p.num_classes))
    for sure in first[:1]:
        scores = _believed(e, scores, e.reshape(sure, (0, count, 2)))
    scores = e.node("Transpose", scores, perm=[0, 2, 1])
    scores = e.node("Gather", scores, e.ints(labels), axis=1)
    image, place, index = e.split(_suppressed(e, boxes, scores, labels), [1] * 3, 1)
    label = e.node("Gather", e.ints(labels), place)
    score = e.node("GatherND", scores, e.node("Concat", image, place, index, axis=1))
    of_label = e.node("Mul", label, e.ints([0])) if p.share_location else label
    box = e.node("GatherND", boxes, e.node("Concat", image, index, of_label, axis=1))
    numbers = [e.node("Cast", x, to=TensorProto.FLOAT) for x in (image, label)]
    table = e.node("Concat", *numbers, e.reshape(score, (-1, 1)), box, axis=1)
    if p.keep_top_k > -1:
        table = e.node("Compress", table, _best(e, score, image, place, index), axis=0)
    return e.reshape(e.node("Concat", table, _nothing(e, table), axis=0), (1, 1, -1, 7))


def _priors(e: LayerExport) -> int:
    return math.prod(e.shapes[2][1:]) // 8


def _believed(e: LayerExport, scores: str, sure: str) -> str:
    """Scores of which those are the background's that a first stage does not believe in."""
    p = e.layer.spec.detection_output_param
    nothing = np.arange(p.num_classes) == p.background_label_id
    doubted = e.node("Less", e.split(sure, [1, 1], 2)[1], e.number(p.objectness_score))
    return e.node("Where", doubted, e.constant(nothing.astype(np.float32)), scores)


def _decoded(e: LayerExport, shifts: str, boxes: str, variances: str) -> str:
    """The boxes that the net means, (images, priors, labels or 1, 4)."""
    encoded = e.layer.spec.detection_output_param.variance_encoded_in_target
    moved = shifts if encoded else e.node("Mul", shifts, variances)
    if e.layer.code == "CORNER":
        return e.node("Add", boxes, moved)
    first, last = e.split(boxes, [2, 2], 3)
    sides = e.node("Sub", last, first)
    if e.layer.code == "CORNER_SIZE":
        return e.node("Add", boxes, e.node("Mul", moved, e.node("Concat", sides, sides, axis=3)))
    shift, growth = e.split(moved, [2, 2], 3)
    half = e.number(0.5)
    centre = e.node("Add", e.node("Mul", e.node("Add", first, last), half), e.node("Mul", shift, sides))
    reach = e.node("Mul", e.node("Mul", e.node("Exp", growth), sides), half)
    return e.node("Concat", e.node("Sub", centre, reach), e.node("Add", centre, reach), axis=3)


def _suppressed(e: LayerExport, boxes: str, scores: str, labels: list[int]) -> str:
    """(kept, 3) int64: image, place among the labels and box."""
    least, limit, most, eta = e.layer.suppression()
    count, shared = _priors(e), e.layer.spec.detection_output_param.share_location
    e.layer.require(eta == 1, "nms_param's eta 1, for an ONNX export", f"{eta:g}")
    if -1 < most < count:
        scores = _only_strongest(e, scores, most)
    first, last = e.split(boxes, [2, 2], 3)
    boxes = e.node("Concat", first, e.node("Max", first, last), axis=3)  # Caffe's areas are never below 0
    if shared:
        boxes = e.reshape(boxes, (0, count, 4))
    else:
        of_labels = e.node("Gather", boxes, e.ints(labels), axis=2)
        boxes = e.reshape(e.node("Transpose", of_labels, perm=[0, 2, 1, 3]), (-1, count, 4))
        scores = e.reshape(scores, (-1, 1, count))
    limits = e.number(min(limit, 1.0)), e.number(max(least, LOWEST))
    kept = e.node("NonMaxSuppression", boxes, scores, e.ints([count]), *limits)
    if shared:
        return kept
    row, _, index = e.split(kept, [1] * 3, 1)
    several = e.ints([len(labels)])
    return e.node("Concat", e.node("Div", row, several), e.node("Mod", row, several), index, axis=1)


def _only_strongest(e: LayerExport, scores: str, most: int) -> str:
    """Scores of which all but so many are −∞."""
    values, places = e.several("TopK", [scores, e.ints([most])], 2, axis=-1)
    return e.node("ScatterElements", _filled(e, e.node("Shape", scores), -math.inf), places, values, axis=-1)


def _filled(e: LayerExport, shape: str, value: float) -> str:
    return e.node("Expand", e.number(value), shape)


def _best(e: LayerExport, score: str, image: str, place: str, index: str) -> str:
    """Whether each box that is kept is among the `keep_top_k` of its image, (kept,)."""
    p = e.layer.spec.detection_output_param
    boxes = _priors(e) * (p.num_classes - (0 <= p.background_label_id < p.num_classes))
    where = e.node("Concat", image, e.node("Add", e.node("Mul", place, e.ints([_priors(e)])), index), axis=1)
    images = e.node("Gather", e.node("Shape", e.bottoms[0]), e.ints([0]))
    shape = e.node("Concat", images, e.ints([boxes]), axis=0)
    all_scores = e.node("ScatterND", _filled(e, shape, -math.inf), where, score)
    values, places = e.several("TopK", [all_scores, e.ints([min(p.keep_top_k, boxes)])], 2, axis=-1)
    ones = _filled(e, e.node("Shape", values), 1)
    among = e.node("ScatterElements", _filled(e, shape, 0), places, ones, axis=-1)
    return e.node("Cast", e.node("GatherND", among, where), to=TensorProto.BOOL)


def _nothing(e: LayerExport, table: str) -> str:
    """A row for each image if the table has none, else none: the image's number and −1 everywhere else."""
    numbers, _ = e.split(table, [1, 6], 1)
    ones = e.node("Cast", e.node("Equal", numbers, numbers), to=TensorProto.INT64)
    rows = e.node("ReduceSum", ones, e.ints([0]), keepdims=0)  # by values: optimizers take an open size for above 0
    empty = e.node("Cast", e.node("Equal", rows, e.ints([0])), to=TensorProto.INT64)
    count = e.node("Mul", empty, e.node("Gather", e.node("Shape", e.bottoms[0]), e.ints([0])))
    counting = e.node("Sub", e.node("CumSum", _filled(e, count, 1), e.constant(np.array(0))), e.number(1))
    rest = _filled(e, e.node("Concat", count, e.ints([6]), axis=0), -1)
    return e.node("Concat", e.reshape(counting, (-1, 1)), rest, axis=1)
