"""Layers of the reader's own: `Python` layers by module and name, fields that no message here has, and what is said of
a type that nobody registered. docs/own-layer.md shows how to register one.
"""

from typing import TYPE_CHECKING

from prototxt_import.files import InputError
from prototxt_import.formats import schema

if TYPE_CHECKING:
    from .layer import Layer

PYTHON_LAYERS: dict[tuple[str, str], type["Layer"]] = {}
"""By python_param's module and layer."""
_FORKS = {
    "SSD": ("AnnotatedData", "DetectionEvaluate", "MultiBoxLoss", "SmoothL1LossOHEM", "VideoData"),
    "R-FCN": ("BoxAnnotatorOHEM", "SoftmaxWithLossOHEM"),
    "FlowNet": ("Correlation", "Correlation1D", "FlowWarp", "ChannelNorm", "L1Loss", "Resample", "DataAugmentation"),
    "DeepLab": ("DenseCRF", "SegAccuracy", "ImageSegData", "MatWrite", "MatRead"),
    "PSPNet": ("BNData", "ImageSegData"),
    "YOLO": ("Region", "RegionLoss", "BoxData", "YoloDetectionOutput"),
    "MobileNet": ("ConvolutionDepthwise", "DepthwiseConvolution", "DepthwiseConv"),
    "WarpCTC": ("WarpCTCLoss", "WarpCtc", "CTCLoss"),
    "NVIDIA": ("DetectNetTransformation", "L1Loss"),
    "OpenPose": ("OPData", "CPMAnnotatedData"),
    "center loss": ("CenterLoss", "MarginInnerProduct"),
    "spatial transformers": ("SpatialTransformer", "AffineTransform"),
    "triplet loss": ("TripletLoss",),
}
"""Types that public nets use, by the fork that they come from."""


def unknown_type(spec: "schema.LayerParameter") -> InputError:
    """What is wrong with a layer whose type nobody registered."""
    found, way = f"'{spec.type}'", f'@register("{spec.type}")'
    if spec.type == "Python":
        p = spec.python_param
        found, way = f"module '{p.module}', layer '{p.layer}'", f'@register_python("{p.module}", "{p.layer}")'
    forks = [fork for fork, types in _FORKS.items() if spec.type in types]
    origin = f" of the fork {' or '.join(forks)}" if forks else ""
    expected = "a known Python layer" if spec.type == "Python" else "a known type"
    return InputError(
        f"layer '{spec.name}': expected {expected}, found {found}{origin} "
        f"(a class of your own computes it after {way}: docs/own-layer.md)"
    )


def check_own_fields(spec: "schema.LayerParameter", taken: bool) -> None:
    """InputError for fields that no message has, unless the layer's class takes them."""
    for field in () if taken else spec.own_param:
        raise InputError(
            f"layer '{spec.name}' ({spec.type}): expected a field that such a layer has, found '{field.name}' "
            f"in line {field.line}"
        )
