"""Writes a net as a program of torch.export (`.pt2`): torch's own operations, by the plain engine, with the weights."""

import io
import keyword
import os

import torch
from torch import Tensor, nn

from cpm_repro.models.training_facts import description
from prototxt_import.deployment import is_loss, require_outputs, unwritten
from prototxt_import.files import InputError, replacing
from prototxt_import.layers.layer import Layer
from prototxt_import.net import Net
from prototxt_import.plain.operations import Plain

from . import python_forks as _forks  # noqa: F401  importing it registers them
from .python_layers import writer_of

_TAKEN = {*dir(nn.Module), *keyword.kwlist}
"""What torch.export would take a layer for that is called so."""


class _Outputs(nn.Module):
    """The net as a function of its input blobs, by name, to its output blobs, by name."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net
        self.names = net.computed_names

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        blobs = self.net(inputs)
        return {name: blobs[name] for name in self.names}


def plain_net(net: Net) -> Net:
    """The same net, and the same weights, by the plain engine."""
    plain = Net(net.param, net.phase, Plain(), only_shapes=True)
    plain.load_state_dict(net.state_dict(), assign=True)
    named = plain.layers._modules
    plain.layers._modules = {f"layer_{key}" if key in _TAKEN else key: layer for key, layer in named.items()}
    return plain.eval()


def _require_traceable(layer: Layer, dynamic: bool) -> None:
    if is_loss(layer.spec):
        raise unwritten(layer, "a .pt2 file")
    layer.require(not layer.drops, "a dropout that draws nothing, for a .pt2 file", "one that does")
    found = f"{layer.spec.type}{'; .py takes it' if writer_of(type(layer)) else ''}"
    layer.require(layer.traceable, "no state and no work that values or chance decide, for a .pt2 file", found)
    layer.require(layer.sizes_may_vary or not dynamic, "fixed sizes, for a .pt2 file", "--dynamic")


def save_program(path: str | os.PathLike[str], net: Net, prototxt: str, dynamic: bool = False) -> None:
    """`torch.export.load(path).module()` takes `{input blob: tensor}` and gives `{output blob: tensor}`; the
    prototxt's text is one of its extra files, what testing needs others (see `training_facts`).

    dynamic: for any number of images and any size, where the layers leave them open.

    InputError names a layer that has a state or whose work depends on values: torch.export sees neither.
    """
    require_outputs(net.computed_names, "a .pt2 file")
    for layer in net.layers.values():
        _require_traceable(layer, dynamic)
    with torch.no_grad():
        program = _traced(net, dynamic)
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={"prototxt": prototxt, **description(net)})
    with replacing(path) as temporary, content.getbuffer() as written:
        temporary.write_bytes(written)


def _traced(net: Net, dynamic: bool) -> torch.export.ExportedProgram:
    inputs = {name: torch.zeros(shape) for name, shape in net.input_shapes.items()}
    # torch 2.6 would read the code itself (strict), where an open size passes for a number
    if not (dynamic and inputs):
        return torch.export.export(_Outputs(plain_net(net)), (inputs,), strict=False)
    # of one image torch.export would make a program for one image
    inputs = {name: torch.zeros(max(2, x.shape[0]), *x.shape[1:]) for name, x in inputs.items()}
    auto = torch.export.Dim.AUTO
    shapes = ({name: {axis: auto for axis in range(x.dim()) if axis != 1} for name, x in inputs.items()},)
    try:
        return torch.export.export(_Outputs(plain_net(net)), (inputs,), dynamic_shapes=shapes, strict=False)
    except RuntimeError as error:  # where sizes of two inputs hang together
        reason = str(error).splitlines()[0]
        raise InputError(f"expected sizes that torch.export can leave open, found --dynamic ({reason})") from None
