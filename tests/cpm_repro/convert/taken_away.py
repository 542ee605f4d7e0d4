"""Layers with rules of their own and inputs for them, of odd sizes, for tests of what becomes of them elsewhere."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from prototxt_import.net import Net
from tests.prototxt_import.single_layer import single_layer

Arrays = dict[str, np.ndarray]
_FILLERS = 'weight_filler { type: "uniform" min: -0.6 max: 0.6 } bias_filler { type: "uniform" min: -0.3 max: 0.3 }'


@dataclass(frozen=True)
class Case:
    """A layer: its type, the bottoms' shapes, its parameters, and its tops' number."""

    type_name: str
    shapes: dict[str, tuple[int, ...]]
    param: str
    tops: int = 1

    def net(self) -> Net:
        tops = tuple("tuvw"[: self.tops])
        return single_layer(self.type_name, self.shapes, self.param, tops=tops, seed=3).eval()

    def inputs(self, seed: int) -> Arrays:
        """x, y: normal; r: regions, some small, some beyond the map; c: 0 or 1; s: shares; p: boxes and variances;
        m: places in the map, each once."""
        random = np.random.default_rng(seed)
        return {name: _INPUTS[name](random, shape).astype(np.float32) for name, shape in self.shapes.items()}


def _regions(random, shape):
    first = random.uniform(-4, 24, (shape[0], 2))
    corners = [first, first + random.uniform(-1, 16, (shape[0], 2))]
    regions = np.concatenate([random.integers(0, 2, (shape[0], 1)), *corners], 1).reshape(shape)
    return np.round(regions) if len(shape) == 4 else regions  # halves, by a scale of 1/2


def _priors(random, shape):
    first = random.uniform(0, 0.8, (shape[2] // 4, 2))
    boxes = np.concatenate([first, first + random.uniform(0.05, 0.3, first.shape)], 1)
    return np.stack([boxes, np.broadcast_to([0.1, 0.1, 0.2, 0.2], boxes.shape)]).reshape(shape)


def _places(random, shape):
    maps = np.broadcast_to(np.arange(2 * math.prod(shape[2:])), (*shape[:2], 2 * math.prod(shape[2:])))
    return random.permuted(maps, axis=2)[..., : math.prod(shape[2:])].reshape(shape)


_INPUTS = {
    **dict.fromkeys("xy", lambda random, shape: random.standard_normal(shape)),
    "r": _regions,
    "c": lambda random, shape: random.integers(0, 4, shape) > 0,
    "s": lambda random, shape: random.uniform(0, 1, shape),
    "p": _priors,
    "i": lambda random, shape: random.integers(0, 5, shape),
    "m": _places,
}
_SSD = {"x": (2, 4 * 37), "s": (2, 3 * 37), "p": (1, 2, 4 * 37)}
_SSD_EACH = {"x": (2, 3 * 4 * 37), "s": (2, 3 * 37), "p": (1, 2, 4 * 37)}
_RECURRENT = f"recurrent_param {{ num_output: 5 {_FILLERS} }}"
CASES = {
    "ROIPooling": Case("ROIPooling", {"x": (2, 3, 9, 11), "r": (11, 5)},
                       "roi_pooling_param { pooled_h: 3 pooled_w: 4 spatial_scale: 0.3 }"),
    "ROIPooling, regions of four axes": Case("ROIPooling", {"x": (2, 3, 9, 11), "r": (3, 5, 1, 1)},
                                             "roi_pooling_param { pooled_h: 7 pooled_w: 6 spatial_scale: 0.5 }"),
    "PSROIPooling": Case("PSROIPooling", {"x": (2, 18, 9, 11), "r": (11, 5)},
                         "psroi_pooling_param { output_dim: 2 group_size: 3 spatial_scale: 0.3 }"),
    "ROIAlign": Case("ROIAlign", {"x": (2, 3, 9, 11), "r": (11, 5)},
                     "roi_align_param { pooled_h: 3 pooled_w: 4 spatial_scale: 0.3 sampling_ratio: 2 }"),
    "ROIAlign, as many samples as pixels": Case("ROIAlign", {"x": (2, 3, 9, 11), "r": (11, 5)},
                     "roi_align_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.5 sampling_ratio: 0 }"),
    "SPP": Case("SPP", {"x": (2, 3, 13, 10)}, "spp_param { pyramid_height: 3 }"),
    "SPP by means": Case("SPP", {"x": (2, 3, 13, 10)}, "spp_param { pyramid_height: 3 pool: AVE }"),
    "SPP of one level": Case("SPP", {"x": (2, 3, 13, 10)}, "spp_param { pyramid_height: 1 }"),
    "Im2col": Case("Im2col", {"x": (2, 3, 13, 10)}, "convolution_param { kernel_h: 3 kernel_w: 2 stride: 2 pad_h: 2 "
                   "pad_w: 1 dilation: 2 dilation: 3 }"),
    "Im2col over three axes": Case("Im2col", {"x": (2, 3, 5, 7, 6)}, "convolution_param { kernel_size: 3 pad: 1 }"),
    "Pooling with its mask": Case("Pooling", {"x": (2, 3, 9, 12)}, "pooling_param { kernel_size: 2 stride: 2 }", 2),
    "Pooling with its mask and padding": Case(
        "Pooling", {"x": (2, 3, 10, 7)}, "pooling_param { kernel_size: 3 stride: 2 pad_h: 1 pad_w: 2 }", 2),
    "Pooling of all with its mask": Case("Pooling", {"x": (2, 3, 5, 7)}, "pooling_param { global_pooling: true }", 2),
    "Pooling, the smallest": Case("Pooling", {"x": (2, 3, 10, 7)}, "pooling_param { pool: MIN kernel_size: 3 stride: 2 "
                                  "pad_h: 1 pad_w: 2 }"),
    "Pooling, the smallest of all": Case("Pooling", {"x": (2, 3, 5, 7)}, "pooling_param { pool: MIN global_pooling: "
                                         "true }"),
    "Normalize of vectors": Case("Normalize", {"x": (3, 5)}, "norm_param { across_spatial: false channel_shared: false "
                                 'scale_filler { type: "uniform" min: 1 max: 9 } }'),
    "Normalize of vectors as a whole": Case("Normalize", {"x": (3, 5)}, ""),
    "Upsample by a mask": Case("Upsample", {"x": (2, 3, 5, 7), "m": (2, 3, 5, 7)}, "upsample_param { scale: 2 }"),
    "Upsample by a mask, odd": Case("Upsample", {"x": (2, 3, 5, 7), "m": (2, 3, 5, 7)}, "upsample_param { scale: 2 "
                                    "pad_out_h: true pad_out_w: true }"),
    "Upsample by a mask, sized": Case("Upsample", {"x": (2, 3, 5, 7), "m": (2, 3, 5, 7)}, "upsample_param { "
                                      "upsample_h: 11 upsample_w: 12 }"),
    "Unpooling": Case("Unpooling", {"x": (2, 3, 5, 7), "m": (2, 3, 5, 7)}, "unpooling_param { kernel_size: 3 "
                      "stride: 2 }"),
    "Unpooling, sized": Case("Unpooling", {"x": (2, 3, 5, 7), "m": (2, 3, 5, 7)}, "unpooling_param { kernel_size: 2 "
                             "stride: 2 unpool_size: 12 }"),
    "Local": Case("Local", {"x": (2, 3, 5, 6)}, "local_param { num_output: 4 kernel_size: 3 stride: 2 "
                  f"pad: 1 {_FILLERS} }}"),
    "LocallyConnected": Case("LocallyConnected", {"x": (2, 3, 5, 6)}, "locally_connected_param { num_output: 4 "
                             f"kernel_size: 3 bias_term: false {_FILLERS} }}"),
    "LocalWeightedConvolution": Case("LocalWeightedConvolution", {"x": (2, 3, 5, 6)}, "local_weighted_convolution_param"
                                     f" {{ num_output: 4 kernel_size: 3 {_FILLERS} }}"),
    "Flip": Case("Flip", {"x": (2, 3, 5, 7)}, "flip_param { flip_height: true }"),
    "L2Norm": Case("L2Norm", {"x": (2, 3, 5, 7)}, ""),
    "L2Normalization": Case("L2Normalization", {"x": (3, 5)}, ""),
    "MinReLU": Case("MinReLU", {"x": (3, 5)}, "minrelu_param { positive_slope: 0.2 }"),
    "Insanity": Case("Insanity", {"x": (3, 5)}, "insanity_param { lb: 3 ub: 8 }"),
    "LSTM": Case("LSTM", {"x": (6, 3, 7), "c": (6, 3)}, _RECURRENT),
    "LSTM, static": Case("LSTM", {"x": (6, 3, 2, 3), "c": (6, 3), "y": (3, 4)}, _RECURRENT),
    "RNN": Case("RNN", {"x": (6, 3, 7), "c": (6, 3)}, _RECURRENT),
    "RNN, static": Case("RNN", {"x": (1, 3, 7), "c": (1, 3), "y": (3, 4, 2)}, _RECURRENT),
    "Filter": Case("Filter", {"x": (9, 3, 2), "y": (9,), "c": (9, 1)}, "", tops=2),
    "DetectionOutput": Case("DetectionOutput", _SSD, "detection_output_param { num_classes: 3 code_type: CENTER_SIZE "
                            "nms_param { nms_threshold: 0.3 } confidence_threshold: 0.4 }"),
    "DetectionOutput, limited": Case("DetectionOutput", _SSD, "detection_output_param { num_classes: 3 keep_top_k: 9 "
                                     "nms_param { nms_threshold: 0.6 top_k: 11 } background_label_id: 1 }"),
    "DetectionOutput, a box a class": Case(
        "DetectionOutput", _SSD_EACH, "detection_output_param { num_classes: 3 share_location: false keep_top_k: 7 "
        "code_type: CORNER_SIZE nms_param { nms_threshold: 0.4 top_k: 20 } variance_encoded_in_target: true }"),
    "DetectionOutput, a first stage": Case(
        "DetectionOutput", {**_SSD, "c": (2, 2 * 37), "y": (2, 4 * 37)}, "detection_output_param { num_classes: 3 "
        "code_type: CENTER_SIZE nms_param { nms_threshold: 0.3 } keep_top_k: 9 confidence_threshold: 0.2 }"),
    "DetectionOutput, a first stage's probabilities": Case(
        "DetectionOutput", {**_SSD, "c": (2, 2 * 37)}, "detection_output_param { num_classes: 3 nms_param { "
        "nms_threshold: 0.3 } objectness_score: 0.5 background_label_id: 2 }"),
    "DetectionOutput, nothing found": Case("DetectionOutput", _SSD, "detection_output_param { num_classes: 3 "
                                           "nms_param { nms_threshold: 0.3 } confidence_threshold: 2 }"),
}  # fmt: skip
ETA = Case(
    "DetectionOutput", _SSD, "detection_output_param { num_classes: 3 nms_param { nms_threshold: 0.9 eta: 0.8 } }"
)


def expected(net: Net, inputs: Arrays) -> list[np.ndarray]:
    """The tops by this project's fast engine."""
    with torch.no_grad():
        blobs = net({name: torch.from_numpy(values) for name, values in inputs.items()})
    return [blobs[name].detach().numpy() for name in net.output_names]


def agree(found: list[np.ndarray], wanted: list[np.ndarray], name: str) -> None:
    """Within 1e-5 of the largest value."""
    assert len(found) == len(wanted), name
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape, name
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max(initial=1e-3), err_msg=name)
