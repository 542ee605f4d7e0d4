"""Caffe's layers as ONNX nodes, one function per family; importing this module registers them all."""

import numpy as np
from onnx import GraphProto, helper

from prototxt_import.layers.layer import Shape

from .onnx_graph import LayerExport, exports, float_value


@exports("Convolution")
def convolution(e: LayerExport) -> list[str]:
    return _convolutional(e, "Conv")


@exports("Deconvolution")
def deconvolution(e: LayerExport) -> list[str]:
    return _convolutional(e, "ConvTranspose")


def _convolutional(e: LayerExport, operator: str) -> list[str]:
    """Every bottom with the same weights."""
    layer, window = e.layer, e.layer.window
    layer.require(layer.channel_axis == 1, "axis 1 for the channels, for an ONNX export", str(layer.param.axis))
    blobs = [e.blob(name) for name in layer.blob_names]
    geometry = {
        "kernel_shape": window.kernel,
        "strides": window.stride,
        "pads": [*window.pad, *window.pad],
        "dilations": window.dilation,
        "group": layer.group,
    }
    return [e.node(operator, bottom, *blobs, **geometry) for bottom in e.bottoms]


@exports("InnerProduct")
def inner_product(e: LayerExport) -> str:
    """Flatten to a matrix, Gemm, and back if more than one axis is left."""
    layer, p = e.layer, e.layer.spec.inner_product_param
    rows = e.node("Flatten", e.bottoms[0], axis=layer.first)
    y = e.node("Gemm", rows, *(e.blob(name) for name in layer.blob_names), transB=int(not p.transpose))
    return y if layer.first == 1 else e.reshape(y, _any_first(e.top_shapes[0]))


def _any_first(shape: Shape) -> Shape:
    """A shape for Reshape that leaves the number of images open."""
    return (-1, *shape[1:])


@exports("ReLU")
def relu(e: LayerExport) -> str:
    slope = e.layer.spec.relu_param.negative_slope
    return e.node("LeakyRelu", e.bottoms[0], alpha=slope) if slope else e.node("Relu", e.bottoms[0])


@exports("PReLU")
def prelu(e: LayerExport) -> str:
    shared = e.layer.spec.prelu_param.channel_shared
    shape = (1,) if shared else (-1,) + (1,) * (len(e.shapes[0]) - 2)
    return e.node("PRelu", e.bottoms[0], e.blob("slope", shape))


@exports("ELU")
def elu(e: LayerExport) -> str:
    return e.node("Elu", e.bottoms[0], alpha=e.layer.spec.elu_param.alpha)


_OPERATORS = {"Sigmoid": "Sigmoid", "TanH": "Tanh", "AbsVal": "Abs", "BNLL": "Softplus", "HardSwish": "HardSwish"}


@exports(*_OPERATORS)
def function(e: LayerExport) -> str:
    return e.node(_OPERATORS[e.layer.spec.type], e.bottoms[0])


@exports("Clip")
def clip(e: LayerExport) -> str:
    return e.node("Clip", e.bottoms[0], *map(e.number, e.layer.limits))


@exports("Threshold")
def threshold(e: LayerExport) -> str:
    above = e.node("Greater", e.bottoms[0], e.number(e.layer.spec.threshold_param.threshold))
    return e.node("Cast", above, to=1)  # TensorProto.FLOAT


def _line(e: LayerExport, x: str, scale: float, shift: float) -> str:
    """scale · x + shift, without the nodes that do nothing."""
    x = e.node("Mul", x, e.number(scale)) if scale != 1 else x
    return e.node("Add", x, e.number(shift)) if shift != 0 else x


@exports("Power")
def power(e: LayerExport) -> str:
    p = e.layer.spec.power_param
    x = _line(e, e.bottoms[0], p.scale, p.shift)
    return e.node("Pow", x, e.number(p.power)) if p.power != 1 else x


@exports("Exp")
def exp(e: LayerExport) -> str:
    p = e.layer.spec.exp_param
    factor = e.layer.log_base(p.base)
    return e.node("Exp", _line(e, e.bottoms[0], p.scale * factor, p.shift * factor))


@exports("Log")
def log(e: LayerExport) -> str:
    p = e.layer.spec.log_param
    logarithm = e.node("Log", _line(e, e.bottoms[0], p.scale, p.shift))
    return _line(e, logarithm, 1 / e.layer.log_base(p.base), 0)


@exports("Dropout")
def dropout(e: LayerExport) -> str:
    p, x = e.layer.spec.dropout_param, e.bottoms[0]
    e.layer.require(not e.layer.drops, "a dropout that draws nothing, for an ONNX export", "one that does")
    return x if p.scale_train else e.node("Mul", x, e.number(1 - p.dropout_ratio))


@exports("Split")
def same_value(e: LayerExport) -> list[str]:
    return e.bottoms * len(e.layer.spec.top)


@exports("Gather")
def same_values(e: LayerExport) -> list[str]:
    return e.bottoms


@exports("Silence")
def no_value(e: LayerExport) -> list[str]:
    return []


@exports("BatchNorm")
def batch_norm(e: LayerExport) -> str:
    """BatchNormalization with the stored sums divided by their factor."""
    layer = e.layer
    layer.require(layer.use_global_stats, "use_global_stats, for an ONNX export", "statistics of the batch")
    mean, variance = (values.detach().cpu().numpy() for values in layer.statistics())
    one, zero = (e.constant(fill(mean)) for fill in (np.ones_like, np.zeros_like))
    scaling = [e.blob("scale"), e.blob("bias")] if layer.scales else [one, zero]
    statistics = [e.constant(values) for values in (mean, variance)]
    return e.node("BatchNormalization", e.bottoms[0], *scaling, *statistics, epsilon=layer.eps)


def _spread(e: LayerExport, name: str) -> str:
    """The layer's blob, or else the second bottom, with axes of size 1 to broadcast over the first bottom."""
    if name in e.layer.blob_names:
        return e.blob(name, (*getattr(e.layer, name).shape, *(1,) * e.layer.trailing))
    return e.reshape(e.bottoms[1], (*(0,) * len(e.shapes[1]), *(1,) * e.layer.trailing))


@exports("Scale")
def scale(e: LayerExport) -> str:
    y = e.node("Mul", e.bottoms[0], _spread(e, "factor"))
    return e.node("Add", y, _spread(e, "bias")) if e.layer.spec.scale_param.bias_term else y


@exports("Bias")
def bias(e: LayerExport) -> str:
    return e.node("Add", e.bottoms[0], _spread(e, "bias"))


@exports("Axpy")
def axpy(e: LayerExport) -> str:
    factor = e.reshape(e.bottoms[0], (0, 0, 1, 1))
    return e.node("Add", e.node("Mul", factor, e.bottoms[1]), e.bottoms[2])


@exports("LRN")
def lrn(e: LayerExport) -> str:
    p, x = e.layer.spec.lrn_param, e.bottoms[0]
    if p.norm_region == p.ACROSS_CHANNELS:
        e.layer.require(
            min(p.alpha, p.beta) > 0, "alpha and beta above 0, for an ONNX export", f"{p.alpha:g}, {p.beta:g}"
        )
        return e.node("LRN", x, size=p.local_size, alpha=p.alpha, beta=p.beta, bias=p.k)
    geometry = {"kernel_shape": [p.local_size] * 2, "pads": [(p.local_size - 1) // 2] * 4}
    mean = e.node("AveragePool", e.node("Mul", x, x), count_include_pad=1, **geometry)
    return e.node("Mul", x, e.node("Pow", _line(e, mean, p.alpha, 1), e.number(-p.beta)))


@exports("MVN")
def mvn(e: LayerExport) -> str:
    p, x = e.layer.spec.mvn_param, e.bottoms[0]
    axes = list(range(1 if p.across_channels else 2, len(e.shapes[0])))
    x = e.node("Sub", x, e.node("ReduceMean", x, axes=axes)) if axes else e.node("Sub", x, x)
    if p.normalize_variance:
        squares = e.node("Mul", x, x)
        deviation = e.node("Sqrt", e.node("ReduceMean", squares, axes=axes) if axes else squares)
        x = e.node("Div", x, e.node("Add", deviation, e.number(p.eps)))
    return x


@exports("Normalize")
def normalize(e: LayerExport) -> str:
    p, x = e.layer.spec.norm_param, e.bottoms[0]
    behind = len(e.shapes[0]) - 2
    axes = e.ints(range(1, 2 + behind) if p.across_spatial else [1])
    squares = e.node("ReduceSum", e.node("Mul", x, x), axes)
    norm = e.node("Sqrt", e.node("Add", squares, e.number(p.eps)))
    return e.node("Mul", e.node("Div", x, norm), e.blob("scale", (1,) if p.channel_shared else (-1, *(1,) * behind)))


@exports("Softmax")
def softmax(e: LayerExport) -> str:
    return e.node("Softmax", e.bottoms[0], axis=e.layer.along)


@exports("Reduction")
def reduction(e: LayerExport) -> str:
    p = e.layer.spec.reduction_param
    operator = {p.SUM: "ReduceSum", p.ASUM: "ReduceL1", p.SUMSQ: "ReduceSumSquare", p.MEAN: "ReduceMean"}[p.operation]
    axes = list(range(e.layer.first, len(e.shapes[0])))
    if operator == "ReduceSum":  # of this opset, alone, takes its axes as an input
        y = e.node(operator, e.bottoms[0], e.ints(axes), keepdims=0)
    else:
        y = e.node(operator, e.bottoms[0], axes=axes, keepdims=0)
    return _line(e, y, p.coeff, 0)


@exports("ArgMax")
def arg_max(e: LayerExport) -> str:
    p, along = e.layer.spec.argmax_param, e.layer.along
    e.layer.require(p.top_k == 1, "top_k 1, for an ONNX export", str(p.top_k))
    whole = along is None
    e.layer.require(not (whole and p.out_max_val), "an axis with out_max_val, for an ONNX export", "none")
    rows = e.node("Flatten", e.bottoms[0], axis=1) if whole else e.bottoms[0]
    axis = 1 if whole else along
    if p.out_max_val:
        return e.node("ReduceMax", rows, axes=[axis])
    places = e.node("Cast", e.node("ArgMax", rows, axis=axis, select_last_index=1), to=1)  # TensorProto.FLOAT
    return e.reshape(places, _any_first(e.top_shapes[0])) if whole else places


@exports("Embed")
def embed(e: LayerExport) -> str:
    rows = e.node("Gather", e.blob("weight"), e.node("Cast", e.bottoms[0], to=7))  # TensorProto.INT64
    return e.node("Add", rows, e.blob("bias")) if "bias" in e.layer.blob_names else rows


@exports("BatchReindex")
def batch_reindex(e: LayerExport) -> str:
    return e.node("Gather", e.bottoms[0], e.node("Cast", e.bottoms[1], to=7))  # TensorProto.INT64


@exports("Filter")
def filter_(e: LayerExport) -> list[str]:
    *filtered, selector = e.bottoms
    e.finds = True
    chosen = e.node("Cast", e.reshape(selector, (-1,)), to=9)  # TensorProto.BOOL
    return [e.node("Compress", x, chosen, axis=0) for x in filtered]


@exports("Parameter")
def parameter(e: LayerExport) -> str:
    return e.blob("value")


@exports("LSTM", "RNN")
def recurrent(e: LayerExport) -> str:
    """A Scan over the steps; the state is an input, zeros if left out, and an output, for the next run."""
    layer = e.layer
    states = [
        e.constant(np.zeros((e.shapes[0][1], layer.spec.recurrent_param.num_output), np.float32)) for _ in layer.states
    ]
    driven = e.node("Add", _times(e, e.reshape(e.bottoms[0], (0, 0, -1)), "input_weight"), e.blob("input_bias"))
    if len(e.bottoms) == 3:
        driven = e.node("Add", driven, _times(e, e.reshape(e.bottoms[2], (0, -1)), "static_weight"))
    inputs = [*states, driven, e.reshape(e.bottoms[1], (0, 0, 1))]
    *after, y = e.several("Scan", inputs, len(states) + 1, body=_step(e), num_scan_inputs=2)
    for state, value in zip(states, after, strict=True):
        e.carry(state, value)
    if layer.gates == 4:
        return y
    return e.node("Tanh", e.node("Add", _times(e, y, "output_weight"), e.blob("output_bias")))


def _times(e: LayerExport, x: str, weight: str) -> str:
    """x times the transpose of a blob."""
    return e.node("MatMul", x, e.constant(getattr(e.layer, weight).detach().cpu().numpy().T))


def _step(e: LayerExport) -> GraphProto:
    """States, what the inputs add and whether a sequence goes on -> states, and the hidden one once more."""
    step = LayerExport(e.layer, [], e.shapes, e.top_shapes, scope="step/")
    images, outputs = e.shapes[0][1], e.layer.spec.recurrent_param.num_output
    inside = [f"{e.layer.own_name}/step/{name}" for name in (*e.layer.states, "driven", "carries_on")]
    sizes = [*[outputs] * len(e.layer.states), e.layer.gates * outputs, 1]
    hidden, *cell, driven, going = inside
    total = step.node("Add", _times(step, step.node("Mul", hidden, going), "hidden_weight"), driven)
    after = _lstm_unit(step, total, cell[0], going, outputs) if cell else [step.node("Tanh", total)]
    made = [*after, step.node("Identity", after[0])]
    given = [float_value(name, (images, size)) for name, size in zip(inside, sizes, strict=True)]
    taken = [float_value(name, (images, outputs)) for name in made]
    return helper.make_graph(step.nodes, "step", given, taken, step.constants)


def _lstm_unit(e: LayerExport, gates: str, cell: str, going: str, outputs: int) -> list[str]:
    """The next hidden state and cell."""
    *gates_of, candidate = e.split(gates, [outputs] * 4, 1)
    i, f, o = (e.node("Sigmoid", gate) for gate in gates_of)
    kept = e.node("Mul", e.node("Mul", going, f), cell)
    cell = e.node("Add", kept, e.node("Mul", i, e.node("Tanh", candidate)))
    return [e.node("Mul", o, e.node("Tanh", cell)), cell]


@exports("Slice")
def slice_(e: LayerExport) -> list[str]:
    return e.split(e.bottoms[0], e.layer.sizes, e.layer.along)


@exports("Concat")
def concat(e: LayerExport) -> str:
    return e.node("Concat", *e.bottoms, axis=e.layer.along)


@exports("Flatten")
def flatten(e: LayerExport) -> str:
    first, last, x = e.layer.first, e.layer.last, e.bottoms[0]
    return _reshaped(e, (0,) * first + (-1,), last + 1) if first != last else e.node("Identity", x)


def _reshaped(e: LayerExport, shape: Shape, after: int) -> str:
    """A Reshape that keeps the sizes of the axes from `after` on, which come behind those of `shape`."""
    x, behind = e.bottoms[0], e.shapes[0][after:]
    if not behind or not e.dynamic:
        return e.reshape(x, shape + behind)
    return e.node("Reshape", x, e.node("Concat", e.ints(shape), e.sizes(x, after), axis=0))


@exports("Reshape")
def reshape(e: LayerExport) -> str:
    """Caffe's 0 and −1 are ONNX's."""
    if not e.dynamic:
        return e.reshape(e.bottoms[0], e.top_shapes[0])
    return _reshaped(e, (0,) * e.layer.first + tuple(e.layer.spec.reshape_param.shape.dim), e.layer.after)


@exports("Permute")
def permute(e: LayerExport) -> str:
    return e.node("Transpose", e.bottoms[0], perm=e.layer.order)


@exports("Tile")
def tile(e: LayerExport) -> str:
    repeats = [1] * len(e.shapes[0])
    repeats[e.layer.along] = e.layer.spec.tile_param.tiles
    return e.node("Tile", e.bottoms[0], e.ints(repeats))


@exports("Crop")
def crop(e: LayerExport) -> str:
    axes = range(e.layer.first, len(e.shapes[0]))
    starts = [e.layer.offsets[axis] for axis in axes]
    begin, along = (e.ints(values) for values in (starts, axes))
    sizes = e.node("Gather", e.node("Shape", e.bottoms[1]), along)
    return e.node("Slice", e.bottoms[0], begin, e.node("Add", begin, sizes), along)


@exports("Eltwise")
def eltwise(e: LayerExport) -> str:
    p = e.layer.spec.eltwise_param
    if p.operation == p.MAX:
        return e.node("Max", *e.bottoms)
    terms = [_line(e, x, c, 0) for x, c in zip(e.bottoms, list(p.coeff) or [1] * len(e.bottoms), strict=True)]
    operator = "Mul" if p.operation == p.PROD else "Add"
    y = terms[0]
    for term in terms[1:]:
        y = e.node(operator, y, term)
    return y
