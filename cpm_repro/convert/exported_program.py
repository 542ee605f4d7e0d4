"""Writes a net as a program of torch.export (`.pt2`): torch's own operations, by the plain engine, with the weights."""

import io
import os
from typing import Any

import torch
from torch import Tensor, nn

from cpm_repro.models.training_facts import description
from prototxt_import.deployment import is_loss, unwritten
from prototxt_import.files import replacing
from prototxt_import.layers.layer import Layer
from prototxt_import.net import Net
from prototxt_import.plain.operations import Plain


class _Outputs(nn.Module):
    """The net as a function of its input blobs, by name, to its output blobs, by name."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net
        self.names = [blob for blob in net.output_names if blob not in net.input_shapes]

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        blobs = self.net(inputs)
        return {name: blobs[name] for name in self.names}


def plain_net(net: Net) -> Net:
    """The same net, and the same weights, by the plain engine."""
    plain = Net(net.param, net.phase, Plain(), only_shapes=True)
    plain.load_state_dict(net.state_dict(), assign=True)
    return plain.eval()


def _require_traceable(layer: Layer, dynamic: bool) -> None:
    if is_loss(layer.spec):
        raise unwritten(layer, "a .pt2 file")
    kind = layer.spec.type
    layer.require(layer.traceable, "no state and no work that values decide, for a .pt2 file", f"{kind}; .py takes it")
    layer.require(layer.sizes_may_vary or not dynamic, "fixed sizes, for a .pt2 file", "--dynamic")


def save_program(path: str | os.PathLike[str], net: Net, prototxt: str, dynamic: bool = False) -> None:
    """`torch.export.load(path).module()` takes `{input blob: tensor}` and gives `{output blob: tensor}`; the
    prototxt's text is one of its extra files, what testing needs others (see `training_facts`).

    dynamic: for any number of images and any size, where the layers leave them open.

    InputError names a layer that has a state or whose work depends on values: torch.export sees neither.
    """
    for layer in net.layers.values():
        _require_traceable(layer, dynamic)
    inputs = {name: torch.zeros(shape) for name, shape in net.input_shapes.items()}
    shapes: Any = None
    if dynamic:
        # of one image torch.export would make a program for one image
        inputs = {name: torch.zeros(max(2, x.shape[0]), *x.shape[1:]) for name, x in inputs.items()}
        auto = torch.export.Dim.AUTO
        shapes = ({name: {axis: auto for axis in range(x.dim()) if axis != 1} for name, x in inputs.items()},)
    with torch.no_grad():
        # torch 2.6 would read the code itself, where an open size passes for a number
        program = torch.export.export(_Outputs(plain_net(net)), (inputs,), dynamic_shapes=shapes, strict=False)
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={"prototxt": prototxt, **description(net)})
    with replacing(path) as temporary, content.getbuffer() as written:
        temporary.write_bytes(written)
