"""Settings of every layer type that can be taken away, for tests that run what is written: sizes are odd, windows reach
beyond the map, axes count from behind. `taken_away` has the layers whose inputs are of kinds of their own.
"""

import numpy as np
import torch

from prototxt_import.net import Net

from .taken_away import CASES, Arrays, Case

Shapes = dict[str, tuple[int, ...]]
_FILLERS = 'weight_filler { type: "uniform" min: -0.6 max: 0.6 } bias_filler { type: "uniform" min: -0.3 max: 0.3 }'
_X, _ROWS, _1D, _3D = (2, 6, 11, 9), (3, 7), (2, 4, 13), (2, 4, 7, 6, 5)
_TWO: Shapes = {"x": _X, "y": _X}

_OF_MAPS = {
    "Convolution": [
        "convolution_param { num_output: 6 kernel_size: 3 pad: 2 dilation: 2 group: 2",
        "convolution_param { num_output: 4 kernel_h: 4 kernel_w: 1 pad_h: 3 pad_w: 0 stride_h: 2 stride_w: 3",
        "convolution_param { num_output: 4 kernel_size: 9 pad: 4 bias_term: false axis: -3",
    ],
    "Deconvolution": [
        "convolution_param { num_output: 6 kernel_size: 4 pad: 1 stride: 3 group: 3",
        "convolution_param { num_output: 4 kernel_size: 3 kernel_size: 2 pad: 0 pad: 1 dilation: 3 dilation: 2",
    ],
    "ConvolutionDepthwise": ["convolution_param { num_output: 6 kernel_size: 3 stride: 2 pad: 1"],
    "DepthwiseConvolution": ["convolution_param { num_output: 6 group: 6 kernel_size: 3 dilation: 2 pad: 1"],
    "InnerProduct": [
        "inner_product_param { num_output: 5",
        "inner_product_param { num_output: 5 axis: -1 transpose: true",
        "inner_product_param { num_output: 5 axis: 0 bias_term: false",
    ],
    "Local": ["local_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1"],
    "LocallyConnected": ["locally_connected_param { num_output: 4 kernel_size: 1 bias_term: false"],
    "LocalWeightedConvolution": ["local_weighted_convolution_param { num_output: 4 kernel_size: 3"],
    "Pooling": [
        "pooling_param { pool: MAX kernel_size: 3 stride: 2 pad: 1 }",
        "pooling_param { pool: MAX kernel_size: 2 stride: 5 pad: 1 }",
        "pooling_param { pool: AVE kernel_h: 5 kernel_w: 2 stride_h: 3 stride_w: 2 pad_h: 2 pad_w: 0 }",
        "pooling_param { pool: AVE kernel_size: 4 stride: 3 pad: 3 ceil_mode: false }",
        "pooling_param { pool: MIN kernel_size: 1 stride: 3 }",
        "pooling_param { pool: MAX global_pooling: true }",
    ],
    "SPP": ["spp_param { pyramid_height: 2 pool: AVE }"],
    "Im2col": ["convolution_param { kernel_size: 3 stride: 2 pad: 1 }"],
    "LRN": [
        "lrn_param { local_size: 3 alpha: 0.1 beta: 0.75 k: 2 }",
        "lrn_param { local_size: 5 alpha: 0.1 beta: 0.6 norm_region: WITHIN_CHANNEL }",
    ],
    "ArgMax": ["", "argmax_param { axis: -1 out_max_val: true }"],
    "Reduction": [
        "reduction_param { operation: MEAN coeff: -3 axis: 1 }",
        "reduction_param { operation: SUMSQ axis: -1 }",
        "reduction_param { operation: ASUM }",
    ],
    "Flatten": ["", "flatten_param { axis: 0 end_axis: 1 }", "flatten_param { axis: 1 end_axis: 2 }",
                "flatten_param { axis: 2 end_axis: 2 }"],
    "Reshape": [
        "reshape_param { shape { dim: 0 dim: 3 dim: 2 dim: 0 dim: -1 } }",
        "reshape_param { shape { dim: 2 dim: 3 } axis: 1 num_axes: 1 }",
        "reshape_param { shape { dim: -1 } axis: 2 num_axes: 2 }",
        "reshape_param { shape { dim: 1 } axis: -1 num_axes: 0 }",
    ],
    "Permute": ["permute_param { order: 0 order: 2 order: 3 order: 1 }", ""],
    "Transpose": ["transpose_param { dim: 3 dim: 0 dim: 1 dim: 2 }"],
    "Tile": ["tile_param { axis: -1 tiles: 3 }"],
    "Flip": ["flip_param { flip_width: false flip_height: true }", "flip_param { flip_width: false }"],
    "ShuffleChannel": ["shuffle_channel_param { group: 3 }"],
    "Upsample": ["upsample_param { scale_h: 2 scale_w: 3 }"],
    "Interp": ["interp_param { zoom_factor: 2 shrink_factor: 3 pad_beg: -1 }",
               "interp_param { height: 16 width: 5 pad_end: -2 }"],
    "Resample": ["resample_param { height: 4 width: 9 type: CUBIC }"],
    "Scale": ["scale_param { axis: 2 num_axes: 1 bias_term: true }", "scale_param { axis: -1 }",
              "scale_param { num_axes: 0 bias_term: true }"],
    "Bias": ["bias_param { axis: 1 num_axes: -1 }"],
    "Downsample": ["downsample_param { top_height: 4 top_width: 3 }"],
    "Grid": [""],
}  # fmt: skip
"""By type: parameters; what begins with a message and does not end it has fillers."""
_OF_ANYTHING = {
    "ReLU": "", "ReLU6": "", "PReLU": "", "ELU": "elu_param { alpha: 0.7 }", "Sigmoid": "", "TanH": "", "AbsVal": "",
    "BNLL": "", "Clip": "clip_param { min: -0.3 max: 0.5 }", "Threshold": "threshold_param { threshold: -0.5 }",
    "Power": "power_param { power: 2 scale: -0.5 shift: -1.5 }", "Exp": "exp_param { base: 2 scale: -0.5 shift: 0.2 }",
    "Log": "log_param { base: 10 scale: -1 shift: 9 }", "Swish": "swish_param { beta: -1.5 }", "Mish": "",
    "HardSwish": "", "HardSigmoid": "hard_sigmoid_param { alpha: 0.3 beta: 0.4 }",
    "NegReLU": "relu_param { negative_slope: 0.5 }", "BReLU": "brelu_param { minval: -1 maxval: 0.2 }",
    "MinReLU": "minrelu_param { positive_slope: 0.2 }", "Insanity": "insanity_param { lb: 3 ub: 8 }",
    "SeLu": "selu_param { alpha: 1.5 }", "SeLuDropout": "", "SpatialDropout": "",
    "Dropout": "dropout_param { dropout_ratio: 0.25 scale_train: false }", "ChannelNorm": "", "L2Norm": "",
    "L2Normalization": "", "MVN": "mvn_param { eps: 0.01 }", "Normalize": "norm_param { channel_shared: false }",
    "BatchNorm": "", "BN": "", "Softmax": "", "Gather": "", "Split": "",
}  # fmt: skip
"""By type: parameters for rows, and for maps of one, two and three axes."""
_TAKES = {"ChannelNorm": (_X,), "Normalize": (_ROWS, _1D, _X)}
_OTHERS = {
    "Convolution of one axis": Case("Convolution", {"x": _1D}, "convolution_param { num_output: 5 kernel_size: 3 "
                                    f"pad: 1 stride: 2 {_FILLERS} }}"),
    "Convolution of three axes": Case("Convolution", {"x": _3D}, "convolution_param { num_output: 5 kernel_size: 3 "
                                      f"pad: 1 pad: 0 pad: 2 {_FILLERS} }}"),
    "Convolution of two bottoms": Case("Convolution", _TWO, "convolution_param { num_output: 4 kernel_size: 3 "
                                       f"{_FILLERS} }}", 2),
    "Deconvolution of three axes": Case("Deconvolution", {"x": _3D}, "convolution_param { num_output: 6 kernel_size: 3 "
                                        f"stride: 2 {_FILLERS} }}"),
    "Pooling with a mask, windows with nothing in them": Case("Pooling", {"x": _X}, "pooling_param { kernel_size: 1 "
                                                              "stride: 3 }", 2),
    "BatchNorm, scaled": Case("BatchNorm", {"x": _X}, "batch_norm_param { scale_filler { value: 2 } scale_bias: true "
                              "eps: 0.1 }"),
    "BN of SegNet": Case("BN", {"x": _3D}, "bn_param { bn_mode: INFERENCE scale_filler { value: 2 } }"),
    "BN at first": Case("BN", {"x": _1D}, "bn_param { scale_filler { value: 2 } moving_average: true var_eps: 0.1 }"),
    "MVN of images": Case("MVN", {"x": _X}, "mvn_param { across_channels: true normalize_variance: false }"),
    "Reorg": Case("Reorg", {"x": (2, 18, 9, 6)}, "reorg_param { stride: 3 }"),
    "Reorg, reverse": Case("Reorg", {"x": (2, 8, 3, 5)}, "reorg_param { stride: 2 reverse: true }"),
    "Reverse": Case("Reverse", {"x": _1D}, "reverse_param { axis: -1 }"),
    "Slice": Case("Slice", {"x": _X}, "slice_param { axis: -1 slice_point: 4 }", 2),
    "Concat": Case("Concat", _TWO, "concat_param { axis: -1 }"),
    "Concat of one": Case("Concat", {"x": _X}, ""),
    "Eltwise": Case("Eltwise", _TWO, "eltwise_param { coeff: -0.5 coeff: -1 }"),
    "Eltwise of three": Case("Eltwise", {**_TWO, "s": _X}, "eltwise_param { operation: MAX }"),
    "Eltwise of one": Case("Eltwise", {"x": _X}, "eltwise_param { coeff: 2 }"),
    "Axpy": Case("Axpy", {"s": (2, 6, 1, 1), **_TWO}, ""),
    "Scale by a bottom": Case("Scale", {"x": _X, "y": (6, 11)}, "scale_param { axis: 1 bias_term: true }"),
    "Bias by a bottom": Case("Bias", {"x": _X, "y": (6,)}, ""),
    "Crop": Case("Crop", {"x": _X, "y": (2, 3, 7, 5)}, "crop_param { axis: 1 offset: 2 offset: 0 offset: 3 }"),
    "MaskPooling": Case("MaskPooling", {"x": _X, "y": (2, 1, 11, 9)}, ""),
    "Parameter": Case("Parameter", {}, "parameter_param { shape { dim: 2 dim: 3 } }"),
    "PriorBox": Case("PriorBox", {"x": (2, 6, 5, 4), "y": (2, 3, 37, 41)}, "prior_box_param { min_size: 4 max_size: 9 "
                     "aspect_ratio: 2 variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 clip: true }"),
    "PriorBox by steps": Case("PriorBox", {"x": (2, 6, 5, 4), "y": (2, 3, 37, 41)}, "prior_box_param { min_size: 4 "
                              "min_size: 6 aspect_ratio: 3 flip: false img_h: 40 img_w: 30 step_h: 8 step_w: 7 "
                              "offset: 0.3 }"),
    "Interp to a bottom's size": Case("Interp", {"x": _X, "y": (2, 1, 20, 14)}, ""),
    "Embed": Case("Embed", {"i": (2, 3)}, f"embed_param {{ num_output: 4 input_dim: 5 {_FILLERS} }}"),
    "BatchReindex": Case("BatchReindex", {"x": (5, 3, 2), "i": (7,)}, ""),
    "Correlation": Case("Correlation", _TWO, "correlation_param { kernel_size: 1 max_displacement: 2 pad: 2 }"),
    "Correlation1D": Case("Correlation1D", _TWO, "correlation_param { kernel_size: 1 max_displacement: 2 pad: 2 }"),
    "FlowWarp": Case("FlowWarp", {"x": _X, "y": (2, 2, 11, 9)}, ""),
    "Warp": Case("Warp", {"x": _X, "y": (2, 2, 11, 9)}, ""),
    "DeformableConvolution": Case("DeformableConvolution", {"x": _X, "y": (2, 18, 11, 9)},
                                  f"deformable_convolution_param {{ num_output: 4 kernel_size: 3 pad: 1 {_FILLERS} }}"),
    "SpatialTransformer": Case("SpatialTransformer", {"x": _X, "y": (2, 6)}, ""),
    "ContinuationIndicator": Case("ContinuationIndicator", {}, "continuation_indicator_param { time_step: 6 "
                                  "batch_size: 3 }"),
}  # fmt: skip


def _settings() -> dict[str, Case]:
    settings = dict(_OTHERS)
    for kind, params in _OF_MAPS.items():
        for index, param in enumerate(params):
            closed = param if param.count("{") == param.count("}") else f"{param} {_FILLERS} }}"
            settings[f"{kind} {index}"] = Case(kind, {"x": _X}, closed)
    for kind, param in _OF_ANYTHING.items():
        for shape in _TAKES.get(kind, (_ROWS, _1D, _X, _3D)):
            settings[f"{kind} of {len(shape)} axes"] = Case(kind, {"x": shape}, param, 2 if kind == "Split" else 1)
    return {**settings, **CASES}


SETTINGS = _settings()


def filled(case: Case) -> Net:
    """Its net, with values of their own in blobs that fillers leave constant."""
    net, random = case.net(), np.random.default_rng(5)
    with torch.no_grad():
        for blob in net.state_dict().values():
            if blob.numel() and bool((blob == blob.flatten()[0]).all()):
                blob.copy_(torch.from_numpy(random.uniform(0.5, 1.5, tuple(blob.shape))))
    return net


def inputs_of_sizes(case: Case, net: Net) -> list[Arrays]:
    """Inputs of the prototxt's sizes, and of two others with more images, also larger where the net takes that; of a
    layer that carries a state on, the first alone."""
    found = [case.inputs(0)]
    if case.type_name in ("LSTM", "RNN"):
        return found
    for seed, by in ((1, 2), (2, 5)):
        more = {name: (shape[0] + seed, *shape[1:]) for name, shape in case.shapes.items()}
        larger = {n: (*s[:2], *(size + by + axis for axis, size in enumerate(s[2:]))) for n, s in more.items()}
        for shapes in (larger, more):
            try:
                inputs = Case(case.type_name, shapes, case.param, case.tops).inputs(seed)
                _run(net, inputs)
            except (RuntimeError, ValueError):  # torch's, of weights for one size, and a layer's own
                continue
            found.append(inputs)
            break
    return found


def _run(net: Net, inputs: Arrays) -> None:
    with torch.no_grad():
        net({name: torch.from_numpy(values) for name, values in inputs.items()})
