"""What OpenCV's reader of Caffe's files takes no notice of, or takes otherwise: found by asking it, layer by layer."""

from collections.abc import Callable, Iterator

from prototxt_import.formats import schema
from prototxt_import.layers.activations import Log, Swish
from prototxt_import.layers.convolution import Convolution, Deconvolution
from prototxt_import.layers.detection import DetectionOutput, PriorBox
from prototxt_import.layers.dropout import Dropout
from prototxt_import.layers.flow import Correlation
from prototxt_import.layers.inner_product import InnerProduct
from prototxt_import.layers.layer import Layer, Shape
from prototxt_import.layers.normalization import LRN, MVN
from prototxt_import.layers.pooling import Pooling
from prototxt_import.layers.resize import Interp, Resample
from prototxt_import.layers.scale import Scale
from prototxt_import.layers.shape import Concat, Reorg
from prototxt_import.net import Net


def ignored_by_opencv(net: Net) -> list[str]:
    """Settings of the net's layers that OpenCV's reader of Caffe's files takes no notice of."""
    return [
        f"{what} of {layer.where}"
        for layer in net.layers.values()
        for what in _ignored(layer, [net.blob_shapes[bottom] for bottom in layer.spec.bottom])
    ]


_SIMPLE: dict[type[Layer], list[tuple[str, Callable[[schema.LayerParameter], bool]]]] = {
    InnerProduct: [("transpose", lambda spec: spec.inner_product_param.transpose)],
    LRN: [
        ("k", lambda spec: spec.lrn_param.k != 1),
        ("that alpha is 1 unless set", lambda spec: not spec.lrn_param.HasField("alpha")),
    ],
    Swish: [("beta", lambda spec: spec.swish_param.beta != 1)],
    MVN: [("eps", lambda spec: spec.mvn_param.HasField("eps"))],
    Log: [("shift", lambda spec: spec.log_param.shift != 0)],
    Concat: [("concat_dim", lambda spec: spec.concat_param.HasField("concat_dim"))],
    Scale: [("the bias", lambda spec: len(spec.bottom) > 1 and spec.scale_param.bias_term)],
    Dropout: [("sample_weights_test", lambda spec: spec.dropout_param.sample_weights_test)],
    Correlation: [("correlation_type", lambda spec: spec.correlation_param.HasField("correlation_type"))],
    DetectionOutput: [("the first stage's probabilities", lambda spec: len(spec.bottom) > 3)],
    Reorg: [("reverse", lambda spec: spec.reorg_param.reverse)],
    Interp: [
        ("pad_beg", lambda spec: spec.interp_param.pad_beg != 0),
        ("pad_end", lambda spec: spec.interp_param.pad_end != 0),
    ],
    Resample: [("where this fork finds the places", lambda spec: True)],
}


def _ignored(layer: Layer, bottom_shapes: list[Shape]) -> Iterator[str]:
    spec = layer.spec
    yield from (what for what, is_set in _SIMPLE.get(type(layer), ()) if is_set(spec))
    if isinstance(layer, PriorBox):
        yield from _of_prior_boxes(spec.prior_box_param)
    if isinstance(layer, Pooling):
        yield from _of_pooling(layer, bottom_shapes[0][2:])
    if isinstance(layer, Deconvolution) and set(layer.window.dilation) != {1}:
        yield "dilation"
    if isinstance(layer, Convolution | Deconvolution):
        p = spec.convolution_param
        for a, b in (("pad_h", "pad_w"), ("stride_h", "stride_w"), ("kernel_h", "kernel_w")):
            if p.HasField(a) != p.HasField(b):
                yield a if p.HasField(a) else b


def _of_prior_boxes(p: schema.PriorBoxParameter) -> Iterator[str]:
    if any(size % 1 for size in (*p.min_size, *p.max_size)):
        yield "that Caffe takes min_size and max_size for whole pixels"
    if not p.HasField("clip"):
        yield "that nothing is clipped unless clip is set"
    yield from (name for name in ("img_size", "img_h", "img_w") if p.HasField(name))


def _of_pooling(layer: Pooling, size: Shape) -> Iterator[str]:
    p = layer.spec.pooling_param
    if p.HasField("pad_h") and not p.HasField("pad_w"):
        yield "pad_h"
    if layer.axes == 3:
        yield "the third axis"
    if not layer.windows_touch(size):
        yield "that the maximum of nothing is the lowest float"
