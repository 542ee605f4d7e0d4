"""Nets of other people's kinds, in small: what the importer, OpenCV and ONNX Runtime must agree on.

Sizes are odd, so that rounding shows. `foreign_net` gives one random weights that keep its values of the order of 1.
"""

import numpy as np
import torch

from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net


def data(channels=3, height=37, width=29, batch=1):
    return f'name: "foreign" input: "data" input_shape {{ dim: {batch} dim: {channels} dim: {height} dim: {width} }}\n'


def layer(kind, name, bottom, more="", top=None):
    bottoms = " ".join(f'bottom: "{b}"' for b in bottom.split())
    tops = " ".join(f'top: "{t}"' for t in (top or name).split())
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} {tops} {more} }}\n'


def conv(name, bottom, outputs, kernel, more=""):
    return layer(
        "Convolution", name, bottom, f"convolution_param {{ num_output: {outputs} kernel_size: {kernel} {more} }}"
    )


def relu(blob):
    return layer("ReLU", f"relu_{blob}", blob, top=blob)


def pool(name, bottom, more):
    return layer("Pooling", name, bottom, f"pooling_param {{ {more} }}")


def normalised(blob):
    """BatchNorm and Scale in place, as ResNet's release has them."""
    return (
        layer("BatchNorm", f"bn_{blob}", blob, "batch_norm_param { use_global_stats: true }", top=blob)
        + layer("Scale", f"scale_{blob}", blob, "scale_param { bias_term: true }", top=blob)
    )  # fmt: skip


def inner(name, bottom, outputs, more=""):
    return layer("InnerProduct", name, bottom, f"inner_product_param {{ num_output: {outputs} {more} }}")


LENET_V1 = """
name: "LeNet" input: "data" input_dim: 2 input_dim: 1 input_dim: 28 input_dim: 28
layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1" blobs_lr: 1 blobs_lr: 2 weight_decay: 1
  convolution_param { num_output: 5 kernel_size: 5 stride: 1 } }
layers { name: "pool1" type: POOLING bottom: "conv1" top: "pool1" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layers { name: "ip1" type: INNER_PRODUCT bottom: "pool1" top: "ip1" inner_product_param { num_output: 12 } }
layers { name: "tanh1" type: TANH bottom: "ip1" top: "ip1" }
layers { name: "drop" type: DROPOUT bottom: "ip1" top: "ip1" dropout_param { dropout_ratio: 0.4 } }
layers { name: "ip2" type: INNER_PRODUCT bottom: "ip1" top: "ip2" inner_product_param { num_output: 10 } }
layers { name: "prob" type: SOFTMAX bottom: "ip2" top: "prob" }
"""

ALEXNET = (
    data(3, 67, 67)
    + conv("conv1", "data", 8, 11, "stride: 4") + relu("conv1")
    + layer("LRN", "norm1", "conv1", "lrn_param { local_size: 5 alpha: 0.01 beta: 0.75 }")
    + pool("pool1", "norm1", "pool: MAX kernel_size: 3 stride: 2")
    + conv("conv2", "pool1", 12, 5, "pad: 2 group: 2") + relu("conv2")
    + layer("LRN", "norm2", "conv2", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 norm_region: WITHIN_CHANNEL }")
    + pool("pool2", "norm2", "pool: AVE kernel_size: 3 stride: 2")
    + inner("fc6", "pool2", 20) + relu("fc6")
    + layer("Dropout", "drop6", "fc6", "dropout_param { dropout_ratio: 0.5 }", top="fc6")
    + inner("fc8", "fc6", 7, "bias_term: false") + layer("Softmax", "prob", "fc8")
)  # fmt: skip

RESNET = (
    data(3, 45, 53)
    + conv("conv1", "data", 8, 7, "pad: 3 stride: 2 bias_term: false") + normalised("conv1") + relu("conv1")
    + pool("pool1", "conv1", "pool: MAX kernel_size: 3 stride: 2")
    + conv("res2a_branch1", "pool1", 12, 1, "bias_term: false") + normalised("res2a_branch1")
    + conv("res2a_branch2a", "pool1", 6, 1, "bias_term: false") + normalised("res2a_branch2a") + relu("res2a_branch2a")
    + conv("res2a_branch2b", "res2a_branch2a", 12, 3, "pad: 1 bias_term: false") + normalised("res2a_branch2b")
    + layer("Eltwise", "res2a", "res2a_branch1 res2a_branch2b") + relu("res2a")
    + pool("pool5", "res2a", "pool: AVE global_pooling: true") + inner("fc", "pool5", 9)
    + layer("Softmax", "prob", "fc")
)  # fmt: skip

SQUEEZENET = (
    data(3, 47, 51)
    + conv("conv1", "data", 8, 3, "stride: 2") + relu("conv1")
    + pool("pool1", "conv1", "pool: MAX kernel_size: 3 stride: 2")
    + conv("fire2/squeeze1x1", "pool1", 4, 1) + relu("fire2/squeeze1x1")
    + conv("fire2/expand1x1", "fire2/squeeze1x1", 8, 1) + relu("fire2/expand1x1")
    + conv("fire2/expand3x3", "fire2/squeeze1x1", 8, 3, "pad: 1") + relu("fire2/expand3x3")
    + layer("Concat", "fire2/concat", "fire2/expand1x1 fire2/expand3x3")
    + layer("Dropout", "drop9", "fire2/concat", top="fire2/concat")
    + conv("conv10", "fire2/concat", 6, 1) + relu("conv10")
    + pool("pool10", "conv10", "pool: AVE global_pooling: true") + layer("Softmax", "prob", "pool10")
)  # fmt: skip

MOBILENET = (
    data(3, 33, 41)
    + conv("conv1", "data", 8, 3, "pad: 1 stride: 2 bias_term: false") + normalised("conv1") + relu("conv1")
    + conv("conv2/dw", "conv1", 8, 3, "pad: 1 bias_term: false group: 8 engine: CAFFE") + normalised("conv2/dw")
    + layer("ReLU6", "relu6", "conv2/dw", top="conv2/dw")
    + conv("conv2/sep", "conv2/dw", 14, 1, "bias_term: false") + normalised("conv2/sep") + relu("conv2/sep")
    + conv("fc7", "conv2/sep", 5, 1)
)  # fmt: skip

FCN = (
    data(3, 35, 43)
    + conv("conv1", "data", 6, 3, "pad: 10") + relu("conv1") + pool("pool1", "conv1", "kernel_size: 2 stride: 2")
    + conv("score", "pool1", 4, 1)
    + layer("Deconvolution", "up", "score", "convolution_param { num_output: 4 kernel_size: 4 stride: 2 group: 4 "
            "bias_term: false }")
    + layer("Deconvolution", "up2", "score", "convolution_param { num_output: 3 kernel_h: 4 kernel_w: 3 stride_h: 2 "
            "stride_w: 1 pad_h: 1 pad_w: 0 }")
    + layer("Crop", "cropped", "up data", "crop_param { axis: 2 offset: 5 }")
)  # fmt: skip

DILATED = (
    'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 31 dim: 27 } } }\n'
    + conv("conv1", "data", 8, 3, "pad: 2 dilation: 2 group: 2")
    + layer("PReLU", "prelu1", "conv1", "prelu_param { filler { value: 0.3 } }", top="conv1")
    + layer("Convolution", "conv2", "conv1", "convolution_param { num_output: 6 kernel_h: 5 kernel_w: 3 pad_h: 4 "
            "pad_w: 0 stride_h: 2 stride_w: 1 dilation: 2 dilation: 1 }")
    + layer("Sigmoid", "sigmoid", "conv2", top="conv2")
)  # fmt: skip

ELEMENTWISE = (
    data(2, 9, 11)
    + conv("a", "data", 4, 3) + conv("b", "data", 4, 3) + conv("c", "data", 4, 3)
    + layer("Eltwise", "sum", "a b c", "eltwise_param { operation: SUM coeff: 1 coeff: -0.5 coeff: 2 }")
    + layer("Eltwise", "product", "a b", "eltwise_param { operation: PROD }")
    + layer("Eltwise", "maximum", "a b c", "eltwise_param { operation: MAX }")
    + layer("AbsVal", "abs", "sum") + layer("Sigmoid", "sigmoid", "product") + layer("TanH", "tanh", "maximum")
    + layer("ELU", "elu", "a", "elu_param { alpha: 0.7 }") + layer("BNLL", "bnll", "b")
    + layer("ReLU", "leaky", "c", "relu_param { negative_slope: 0.1 }")
    + layer("Power", "power", "sigmoid", "power_param { power: 2 scale: 0.5 shift: 1.5 }")
    + layer("Exp", "exp", "tanh", "exp_param { base: 2 scale: 0.5 shift: 0.25 }")
    + layer("Log", "log", "power")
)  # fmt: skip

SHAPES = (
    data(6, 8, 10) + conv("conv", "data", 6, 1)
    + layer("Slice", "slice", "conv", "slice_param { axis: 1 slice_point: 1 slice_point: 3 }", top="s1 s2 s3")
    + layer("Permute", "permuted", "s3", "permute_param { order: 0 order: 2 order: 3 order: 1 }")
    + layer("Flatten", "flat", "permuted", "flatten_param { axis: 1 }")
    + layer("Reshape", "reshaped", "s2", "reshape_param { shape { dim: 0 dim: -1 dim: 5 } }")
    + layer("Reshape", "split_up", "s1", "reshape_param { shape { dim: 4 dim: 2 } axis: 2 num_axes: 1 }")
    + layer("Softmax", "softmax", "reshaped", "softmax_param { axis: 2 }")
    + layer("Concat", "joined", "s3 s3", "concat_param { axis: 2 }")
)  # fmt: skip

SSD_HEAD = (
    data(3, 19, 17)
    + conv("conv4_3", "data", 6, 3, "pad: 1") + relu("conv4_3")
    + layer("Normalize", "conv4_3_norm", "conv4_3", "norm_param { across_spatial: false channel_shared: false }")
    + conv("loc1", "conv4_3_norm", 8, 3, "pad: 1")
    + layer("Permute", "loc1_perm", "loc1", "permute_param { order: 0 order: 2 order: 3 order: 1 }")
    + layer("Flatten", "loc1_flat", "loc1_perm")
    + pool("pool4", "conv4_3", "kernel_size: 3 stride: 2 pad: 1") + conv("loc2", "pool4", 8, 3, "pad: 1 stride: 2")
    + layer("Permute", "loc2_perm", "loc2", "permute_param { order: 0 order: 2 order: 3 order: 1 }")
    + layer("Flatten", "loc2_flat", "loc2_perm")
    + layer("Concat", "mbox_loc", "loc1_flat loc2_flat")
    + layer("Reshape", "mbox", "mbox_loc", "reshape_param { shape { dim: 0 dim: -1 dim: 4 } }")
    + layer("Softmax", "mbox_softmax", "mbox", "softmax_param { axis: 2 }")
    + layer("Flatten", "mbox_conf", "mbox_softmax", "flatten_param { axis: 1 }")
)  # fmt: skip

POOLINGS = (
    data(2, 38, 31)
    + conv("conv", "data", 2, 1)
    + "".join(
        pool(name, "conv", more)
        for name, more in {
            "max_3_2": "pool: MAX kernel_size: 3 stride: 2",
            "max_2_2": "pool: MAX kernel_size: 2 stride: 2",
            "max_3_2_1": "pool: MAX kernel_size: 3 stride: 2 pad: 1",
            "max_rect": "pool: MAX kernel_h: 5 kernel_w: 2 stride_h: 3 stride_w: 2 pad_h: 2 pad_w: 0",
            "ave_9_8": "pool: AVE kernel_size: 9 stride: 8",
            "ave_3_2": "pool: AVE kernel_size: 3 stride: 2",
            "ave_3_2_1": "pool: AVE kernel_size: 3 stride: 2 pad: 1",
            "ave_5_3_2": "pool: AVE kernel_size: 5 stride: 3 pad: 2",
        }.items()
    )
)

SENET = (
    data(3, 21, 23)
    + conv("x", "data", 6, 3, "pad: 1") + pool("pooled", "x", "pool: AVE global_pooling: true")
    + conv("down", "pooled", 3, 1) + relu("down") + conv("gate", "down", 6, 1)
    + layer("Sigmoid", "prob", "gate", top="gate")
    + layer("Axpy", "axpy", "gate x data_6") + relu("axpy")
).replace('layer { name: "pooled"', conv("data_6", "data", 6, 1) + 'layer { name: "pooled"')  # fmt: skip

TWO_INPUTS = (
    'input: "image" input_shape { dim: 2 dim: 3 dim: 9 dim: 7 } input: "weights" input_shape { dim: 2 dim: 3 }\n'
    + layer("Scale", "weighted", "image weights", "scale_param { axis: 0 }")
    + layer("Reduction", "mean", "weighted", "reduction_param { operation: MEAN axis: 1 coeff: 3 }")
    + layer("Reduction", "squares", "weighted", "reduction_param { operation: SUMSQ axis: 2 }")
    + layer("Reduction", "sum", "weighted", "reduction_param { operation: SUM axis: -1 }")
    + layer("Reduction", "magnitudes", "weighted", "reduction_param { operation: ASUM axis: 1 }")
    + layer("ArgMax", "best", "weighted", "argmax_param { axis: 1 }")
    + layer("ArgMax", "best_of_image", "weighted")
    + layer("Threshold", "threshold", "weighted", "threshold_param { threshold: 0.1 }")
    + layer("Clip", "clip", "weighted", "clip_param { min: -0.3 max: 0.2 }")
    + layer("MVN", "mvn", "weighted", "mvn_param { normalize_variance: true eps: 0.01 }")
    + layer("Tile", "tiled", "weighted", "tile_param { axis: 2 tiles: 3 }")
    + layer("Normalize", "unit", "weighted", "norm_param { across_spatial: true }")
    + layer("InnerProduct", "transposed", "weighted", "inner_product_param { num_output: 4 axis: 2 transpose: true }")
    + layer("Bias", "biased", "weighted")
    + layer("PReLU", "prelu", "weighted", "prelu_param { channel_shared: true }")
    + layer("Log", "log", "threshold", "log_param { base: 10 scale: 2 shift: 1 }")
    + pool("empty_windows", "weighted", "pool: MAX kernel_size: 1 stride: 3")
    + pool("floor", "weighted", "pool: MAX kernel_size: 2 stride: 2 round_mode: FLOOR")
    + pool("floor_ave", "weighted", "pool: AVE kernel_size: 4 stride: 3 round_mode: FLOOR")
    + layer("ConvolutionDepthwise", "depthwise", "weighted", "convolution_param { num_output: 6 kernel_size: 2 }")
    + layer("Split", "split", "weighted", top="one two") + 'layer { name: "hush" type: "Silence" bottom: "two" }\n'
)  # fmt: skip

WITH_OPENCV = {
    "lenet_v1": LENET_V1, "alexnet": ALEXNET, "resnet": RESNET, "squeezenet": SQUEEZENET, "mobilenet": MOBILENET,
    "fcn": FCN, "dilated": DILATED, "elementwise": ELEMENTWISE, "shapes": SHAPES, "ssd_head": SSD_HEAD,
    "poolings": POOLINGS,
}  # fmt: skip
WITHOUT_OPENCV = {"two_inputs": TWO_INPUTS, "senet": SENET}  # have layers that OpenCV lacks or, Axpy, gets wrong


def foreign_net(name, seed=0):
    """The net of that name with random weights: (net, prototxt)."""
    text = {**WITH_OPENCV, **WITHOUT_OPENCV}[name]
    net = Net(parse_net(text, name))
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for made in net.layers.values():
            for blob in made.blob_names:
                values = getattr(made, blob)
                fan_in = max(values.numel() // values.shape[0], 1) if values.dim() > 1 else 4
                drawn = random.standard_normal(tuple(values.shape)) / np.sqrt(fan_in)
                if made.spec.type == "BatchNorm":
                    drawn = np.abs(drawn) + 0.5 if blob != "mean" else drawn
                values.copy_(torch.from_numpy(np.asarray(drawn, np.float32)))
    return net, text
