"""What a layer makes of its bottoms by another formula than its own, a library's or a mistake: interpolation in place
of a deconvolution, another activation, a temperature of the softmax, a power whose terms come in another order …
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from prototxt_import.formats import schema

from .runs import Alternative, Bottoms, LayerRun
from .settings import FLATTENED

Formulas = Iterator[tuple[str, Tensor | None]]
"""What is done in place of the layer, and what it makes; None where it cannot be done."""
_EACH: Mapping[str, Callable[[Tensor], Tensor]] = {
    "ReLU": torch.relu,
    "ReLU6, cut off at 6": functional.relu6,
    "ReLU cut off at 1": lambda x: x.clamp(0, 1),
    "leaky ReLU of slope 0.01": lambda x: functional.leaky_relu(x, 0.01),
    "ELU": functional.elu,
    "SELU": functional.selu,
    "GELU": functional.gelu,
    "SiLU (Swish)": functional.silu,
    "hard Swish": functional.hardswish,
    "Mish": functional.mish,
    "softplus (BNLL)": functional.softplus,
    "sigmoid": torch.sigmoid,
    "hard sigmoid, x / 6 + 1/2": functional.hardsigmoid,
    "hard sigmoid, 0.2 x + 1/2": lambda x: (0.2 * x + 0.5).clamp(0, 1),
    "tanh": torch.tanh,
    "absolute value": torch.abs,
}
_ACTIVATIONS = (
    *("ReLU", "PReLU", "ELU", "Sigmoid", "TanH", "AbsVal", "BNLL", "Swish", "ReLU6", "Mish", "HardSwish"),
    *("HardSigmoid", "NegReLU"),
)
_TEMPERATURES = (2, 4, 5, 10, 20, 100)


def other_formulas(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    """The blob as other formulas make it in place of its first layer."""
    if run.first.type not in _FORMULAS:
        return
    layer, inputs = run.first, [torch.from_numpy(np.array(array, np.float32)) for array in bottoms.values()]
    formulas = _FORMULAS[layer.type](run, bottoms, inputs)
    while (formula := _next(formulas)) is not None:
        what, made = formula
        blob = None if made is None else run.rest(made.contiguous().numpy())
        yield Alternative(f"{what} in place of layer {layer.name} ({layer.type})", blob)


def _next(formulas: Formulas) -> tuple[str, Tensor | None] | None:
    """The next; none after one that shapes do not allow."""
    try:
        return next(formulas, None)
    except (RuntimeError, IndexError, ValueError):
        return None


def _activation(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    yield from ((name, function(inputs[0])) for name, function in _EACH.items() if name != run.first.type)
    if run.first.type == "ELU":
        alpha = run.first.elu_param.alpha
        yield "CELU, whose alpha divides x, too,", functional.celu(inputs[0], alpha)


def _dropout(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    ratio = run.first.dropout_param.dropout_ratio
    for factor in (1 - ratio, 1 / (1 - ratio)) if ratio < 1 else ():
        what = f"dropout that multiplies by {factor:.6g} in a test (Caffe's scales in training)"
        yield what, inputs[0] * factor


def _interpolation(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    own = run.top(bottoms, alone=True)
    if own is not None:
        yield from _resized(inputs[0], own.shape[2:])


def _resized(x: Tensor, size: tuple[int, ...]) -> Formulas:
    """A map of another size made by interpolation, or by repeating it."""
    if x.dim() != 4 or len(size) != 2:
        return
    for kind in ("bilinear", "bicubic"):
        for aligned, means in ((False, "half-pixel"), (True, "corners aligned")):
            made = functional.interpolate(x, size, mode=kind, align_corners=aligned)
            yield f"{kind} interpolation, {means} (align_corners={aligned})", made
    yield "nearest-neighbour interpolation", functional.interpolate(x, size, mode="nearest")
    yield "means over areas (interpolation by area)", functional.interpolate(x, size, mode="area")
    times = [n // m for n, m in zip(size, x.shape[2:], strict=True)]
    if min(times) >= 1:
        yield "the whole map, repeated side by side,", x.repeat(1, 1, *times)


def _pooling(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    own, built = run.top(bottoms, alone=True), run.built(bottoms)
    if own is None or built is None:
        return
    yield from _resized(inputs[0], own.shape[2:])
    window = built.receptive_window
    if window is None:
        yield "the sum of the whole map, not divided by its size,", inputs[0].sum((2, 3), keepdim=True)
        return
    rows, columns = window.kernel
    sums = functional.lp_pool2d(inputs[0], 2.0, (rows, columns), window.stride, ceil_mode=window.ceil)
    yield "pooling by L2 norm", sums
    picked = inputs[0][:, :, :: window.stride[0], :: window.stride[1]]
    yield "every value of the stride, none of its neighbours,", picked[:, :, : own.shape[2], : own.shape[3]]


def _upsample(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    own, x = run.top(bottoms, alone=True), inputs[0]
    if own is None:
        return
    yield from _resized(x, own.shape[2:])
    if len(inputs) != 2:
        return
    rows, columns = (-(-n // m) for n, m in zip(own.shape[2:], x.shape[2:], strict=True))
    spread = x.new_zeros((*x.shape[:2], x.shape[2] * rows, x.shape[3] * columns))
    spread[:, :, ::rows, ::columns] = x
    what = "every value in the upper left corner of its window, whatever the mask says,"
    yield what, spread[:, :, : own.shape[2], : own.shape[3]]


def _bn(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    norm = run.net.layer(run.first.name) if run.net else None
    if norm is not None:
        factor, offset = (getattr(norm, name).detach().cpu().flatten() for name in ("factor", "offset"))
        made = functional.batch_norm(inputs[0], None, None, factor, offset, training=True, eps=norm.eps)
        yield "batch normalisation by the batch's own mean and variance", made


def _batch_norm(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    eps = run.first.batch_norm_param.eps
    yield "normalisation by each image's own mean and variance (instance)", functional.instance_norm(inputs[0], eps=eps)
    yield "normalisation over all channels (layer)", functional.layer_norm(inputs[0], inputs[0].shape[1:], eps=eps)


def _softmax(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    axis, x = run.first.softmax_param.axis, inputs[0]
    for times in _TEMPERATURES:
        yield f"softmax of x / {times} (a temperature of {times})", torch.softmax(x / times, axis)
        yield f"softmax of {times} x (a temperature of 1 / {times})", torch.softmax(times * x, axis)
    yield "the logarithm of the softmax", torch.log_softmax(x, axis)
    yield "exponentials that are not divided by their sum", x.exp()
    yield "sigmoid", torch.sigmoid(x)
    yield "softmax over the whole map", torch.softmax(x.flatten(2), 2).reshape(x.shape)
    yield "softmax over the whole image", torch.softmax(x.flatten(1), 1).reshape(x.shape)


def _power(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    p, x = run.first.power_param, inputs[0]
    yield "shift + scale · x^power", p.shift + p.scale * x.pow(p.power)
    yield "scale · (shift + x)^power", p.scale * (p.shift + x).pow(p.power)
    yield "(scale · (shift + x))^power", (p.scale * (p.shift + x)).pow(p.power)
    yield "shift + (scale · x)^power", p.shift + (p.scale * x).pow(p.power)


def _exponential(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    p, x = run.first.exp_param, inputs[0]
    base = torch.tensor(p.base if p.base > 0 else np.e, dtype=torch.float32)
    yield "e^(shift + scale · x)", torch.exp(p.shift + p.scale * x)
    yield "base^(scale · (shift + x))", base.pow(p.scale * (p.shift + x))
    yield "shift + scale · base^x", p.shift + p.scale * base.pow(x)
    yield "shift + base^(scale · x)", p.shift + base.pow(p.scale * x)


def _logarithm(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    p, x = run.first.log_param, inputs[0]
    inner = p.shift + p.scale * x
    for what, made in (("the natural", torch.log), ("the binary", torch.log2), ("the decimal", torch.log10)):
        yield f"{what} logarithm", made(inner)
    yield "log(1 + x)", torch.log1p(x)


def _normalize(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    x, norm = inputs[0], run.net.layer(run.first.name) if run.net else None
    scale = getattr(norm, "scale", torch.ones(())).detach().cpu().reshape(-1, 1, 1)
    for axes, where in (((1,), "each pixel's channels"), ((1, 2, 3), "each image"), ((2, 3), "each channel")):
        for order, what in ((1, "the sum of absolute values"), (2, "the L2 norm"), (float("inf"), "the largest value")):
            if order != 2 or 1 not in axes:  # that is a setting
                yield f"a division by {what} of {where}", scale * x / torch.linalg.vector_norm(x, order, axes, True)
        yield f"a division by the root mean square of {where}", scale * x / x.square().mean(axes, True).sqrt()


def _mvn(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    x, p = inputs[0], run.first.mvn_param
    axes = tuple(range(1 if p.across_channels else 2, x.dim()))
    centred = x - x.mean(axes, keepdim=True)
    deviation = x.std(axes, correction=0, keepdim=True)
    yield "a division by the deviation of n − 1 values", centred / x.std(axes, correction=1, keepdim=True)
    yield "an eps under the root", centred / (deviation.square() + p.eps).sqrt()
    for eps in (1e-5, 1e-6, 1e-3):
        yield f"an eps of {eps:g} under the root", centred / (deviation.square() + eps).sqrt()
    yield "a division by the variance", centred / deviation.square()


def _lrn(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    x, p = inputs[0], run.first.lrn_param
    window = torch.ones(1, 1, p.local_size, 1, 1)

    def sums(values: Tensor) -> Tensor:
        return functional.conv3d(values[:, None], window, padding=(p.local_size // 2, 0, 0))[:, 0]

    share = p.alpha / p.local_size
    yield "LRN of absolute values, not squares,", x / (p.k + share * sums(x.abs())).pow(p.beta)
    yield "LRN that multiplies by its denominator", x * (p.k + share * sums(x * x)).pow(p.beta)


def _tile(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    p = run.first.tile_param
    yield "each value repeated (repeat_interleave)", inputs[0].repeat_interleave(p.tiles, p.axis)


def _reshape(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    own, x = run.top(bottoms, alone=True), inputs[0]
    if own is None or x.dim() != 4:
        return
    for how, order in FLATTENED.items():
        yield f"its bottom read {how}", x.permute(order).reshape(own.shape)


def _permute(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    order = list(run.first.permute_param.order)
    order += [axis for axis in range(inputs[0].dim()) if axis not in order]
    yield "the axes put the other way round (the order's inverse)", inputs[0].permute(np.argsort(order).tolist())


def _arg_max(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    p, x = run.first.argmax_param, inputs[0]
    if p.HasField("axis"):
        yield "the place of the smallest value", x.argmin(p.axis, keepdim=True).float()
        yield "the first place of the largest value", x.argmax(p.axis, keepdim=True).float()


def _deformed(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    image, offsets = bottoms
    moves = bottoms[offsets]
    exchanged = moves.reshape(len(moves), -1, 2, *moves.shape[2:])[:, :, ::-1].reshape(moves.shape)
    apart = moves.reshape(len(moves), 2, -1, *moves.shape[2:]).swapaxes(1, 2).reshape(moves.shape)
    for what, other in (
        ("deformable convolution whose offsets have x before y", exchanged),
        ("deformable convolution whose offsets have all y before all x", apart),
        ("a convolution without offsets", 0 * moves),
        ("deformable convolution with the opposite offsets", -moves),
    ):
        made = run.top({image: bottoms[image], offsets: np.ascontiguousarray(other)}, alone=True)
        yield what, None if made is None else torch.from_numpy(made)


def _detections(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    own = run.top(bottoms, alone=True)
    if own is None:
        return
    rows = torch.from_numpy(own)[0, 0]
    by_score = (-rows[:, 2]).argsort(stable=True)
    yield "detections by score, whatever their label,", rows[by_score][None, None]
    yield "detections with y before x", rows[:, [0, 1, 2, 4, 3, 6, 5]][None, None]
    yield "labels counted without the background", (rows - rows.new_tensor([0, 1, *[0] * 5]))[None, None]


def _eltwise(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    """A sum of what is rectified before it."""
    p = run.first.eltwise_param
    if p.operation != p.SUM or len(inputs) < 2:
        return
    yield from ((f"bottom {index + 1} alone", x) for index, x in enumerate(inputs))
    factors = list(p.coeff) or [1.0] * len(inputs)
    which = [*((index,) for index in range(len(inputs))), tuple(range(len(inputs)))]
    for rectified in which:
        terms = (f * (x.relu() if i in rectified else x) for i, (f, x) in enumerate(zip(factors, inputs, strict=True)))
        names = " and ".join(str(index + 1) for index in rectified)
        what = f"a sum whose bottom{'s' if len(rectified) > 1 else ''} {names} had a ReLU before"
        yield what, torch.stack(list(terms)).sum(0)


def _prior_boxes(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    """SSD's boxes, as shares of the image and by their corners, said otherwise."""
    own, image = run.top(bottoms, alone=True), inputs[1].shape[2:]
    if own is None:
        return
    p = run.first.prior_box_param
    height, width = p.img_h or p.img_size or image[0], p.img_w or p.img_size or image[1]
    boxes, variances = torch.from_numpy(own)[0].reshape(2, -1, 4)
    first, last = boxes[:, :2], boxes[:, 2:]
    size, middle = last - first, (first + last) / 2
    for what, made in (
        ("boxes in pixels", boxes * boxes.new_tensor([width, height, width, height])),
        ("boxes as centre, width and height", torch.cat([middle, size], 1)),
        ("boxes as corner, width and height", torch.cat([first, size], 1)),
        ("boxes with y before x", boxes[:, [1, 0, 3, 2]]),
        ("boxes with both x before both y", boxes[:, [0, 2, 1, 3]]),
        ("boxes cut off at the image's edges (clip)", boxes.clamp(0, 1)),
        (
            "boxes with width and height exchanged, or each ratio behind its inverse,",
            torch.cat([middle - size.flip(1) / 2, middle + size.flip(1) / 2], 1),
        ),
        ("boxes from the last place to the first", boxes.flip(0)),
    ):
        yield what, torch.stack([made, variances]).reshape(own.shape)
    for value in (1, 0):
        what = f"boxes whose variances are {value}"
        yield what, torch.stack([boxes, torch.full_like(boxes, value)]).reshape(own.shape)
    yield "boxes before whose places columns come (W before H)", _by_columns(own, inputs[0].shape[2:])


def _by_columns(own: np.ndarray, size: tuple[int, ...]) -> Tensor:
    """The places of a map one column after the other."""
    return torch.from_numpy(own).reshape(2, *size, -1).transpose(1, 2).reshape(own.shape)


def _scale(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    p = run.first.scale_param
    if len(inputs) == 2:
        x, factor = inputs
        along = p.axis % x.dim()
        shape = (*(1,) * along, *factor.shape, *(1,) * (x.dim() - along - factor.dim()))
        yield "x · (1 + factor)", x * (1 + factor.reshape(shape))
        yield "x + factor", x + factor.reshape(shape)
        yield "x · sigmoid(factor)", x * factor.reshape(shape).sigmoid()


def _flow_warp(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    image, flow = bottoms
    arrays = bottoms[flow]
    for what, other in (
        ("the flow with the opposite sign", -arrays),
        ("a flow of y before x", arrays[:, ::-1]),
        ("a flow of y before x with the opposite sign", -arrays[:, ::-1]),
    ):
        made = run.top({image: bottoms[image], flow: np.ascontiguousarray(other)}, alone=True)
        yield what, None if made is None else torch.from_numpy(made)


def _roi_pooling(run: LayerRun, bottoms: Bottoms, inputs: list[Tensor]) -> Formulas:
    p = run.first.roi_pooling_param
    for samples in (2, 0):
        layer = schema.LayerParameter(name=run.first.name, type="ROIAlign", bottom=run.first.bottom, top=run.first.top)
        layer.roi_align_param.pooled_h, layer.roi_align_param.pooled_w = p.pooled_h, p.pooled_w
        layer.roi_align_param.spatial_scale, layer.roi_align_param.sampling_ratio = p.spatial_scale, samples
        made = LayerRun([layer]).top(bottoms)
        yield f"ROIAlign of {samples or 'all'} samples a bin", None if made is None else torch.from_numpy(made)


_FORMULAS: dict[str, Callable[[LayerRun, Bottoms, list[Tensor]], Formulas]] = {
    "Softmax": _softmax,
    "Power": _power,
    "Exp": _exponential,
    "Log": _logarithm,
    "Normalize": _normalize,
    "MVN": _mvn,
    "LRN": _lrn,
    "Tile": _tile,
    **dict.fromkeys(("Flatten", "Reshape"), _reshape),
    "Permute": _permute,
    "ArgMax": _arg_max,
    "FlowWarp": _flow_warp,
    "ROIPooling": _roi_pooling,
    "Scale": _scale,
    "DeformableConvolution": _deformed,
    "DetectionOutput": _detections,
    "PriorBox": _prior_boxes,
    "Eltwise": _eltwise,
    "Pooling": _pooling,
    "Dropout": _dropout,
    **dict.fromkeys(("Deconvolution", "Interp", "Resample"), _interpolation),
    "Upsample": _upsample,
    "BN": _bn,
    "BatchNorm": _batch_norm,
    "Crop": _interpolation,
    **dict.fromkeys(_ACTIVATIONS, _activation),
}
"""By type of layer: from it, its bottoms, and these as tensors."""
