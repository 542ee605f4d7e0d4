"""Writes a net as an ONNX model, checked by ONNX's own checker."""

import os

import onnx

from cpm_repro.models.training_facts import description
from prototxt_import.files import InputError, replacing
from prototxt_import.net import Net

from . import onnx_forks as _forks  # noqa: F401  importing the three registers every converter
from . import onnx_layers as _caffes  # noqa: F401
from . import onnx_windows as _windows  # noqa: F401
from .onnx_graph import OnnxGraph

_PROTOBUF_LIMIT = 2**31 - 1


def save_onnx(path: str | os.PathLike[str], net: Net, prototxt: str, dynamic: bool = False) -> None:
    """The net as opset-17 ONNX; the prototxt's text goes into the metadata (key `prototxt`), and what testing needs.

    dynamic: for any number of images and any size, where the layers leave them open.

    InputError names a layer that ONNX export does not know; a net of more than 2 GB is refused too.
    """
    size = sum(parameter.numel() * parameter.element_size() for parameter in net.parameters())
    if size + len(prototxt) > 0.99 * _PROTOBUF_LIMIT:
        raise InputError(f"expected weights of less than 2 GB, ONNX's limit for one file, found {size} bytes")
    model = OnnxGraph(net, dynamic).model()
    onnx.helper.set_model_props(model, {"prototxt": prototxt, **description(net)})
    onnx.checker.check_model(model, full_check=True)
    with replacing(path) as temporary:
        onnx.save_model(model, temporary)
