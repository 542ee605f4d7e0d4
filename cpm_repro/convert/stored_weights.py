"""Weights out of any file, told by what is in it, into any net: the one way that every tool takes for its --weights.

Caffe's files hold layers with blobs by number, state dicts tensors by name; a net takes both by the layers' names
(Caffe: Net::CopyTrainedLayersFrom).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from prototxt_import.files import InputError, first_five, naming
from prototxt_import.formats import schema
from prototxt_import.formats.blobs import array_to_blob
from prototxt_import.formats.caffemodel import read_caffemodel
from prototxt_import.formats.prototxt import format_prototxt
from prototxt_import.formats.solverstate import refuse_solverstate
from prototxt_import.net import Net
from prototxt_import.weights import note_renamed, renamed

from .channel_order import swap_red_and_blue
from .state_dicts import StateDict, is_state_dict, read_state_dict


@dataclass(frozen=True)
class StoredWeights:
    """Weights as their file has them: Caffe's layers or a state dict.

    channel_order: what the person said that they were trained on, "bgr", "rgb" or nothing.
    """

    path: Path
    content: schema.NetParameter | StateDict
    channel_order: str | None

    @property
    def prototxt(self) -> str | None:
        """The text of the net that lies beside the weights, if one does."""
        if isinstance(self.content, StateDict):
            return self.content.prototxt
        param = schema.NetParameter()
        param.CopyFrom(self.content)
        for layer in param.layer:
            del layer.blobs[:]
        return format_prototxt(param) if any(layer.type for layer in param.layer) else None

    def check_colours(self) -> None:
        """InputError if nobody says whether the weights take BGR or RGB: Caffe's and this project's take BGR."""
        if isinstance(self.content, StateDict) and self.content.prototxt is None and self.channel_order is None:
            raise InputError(
                f"{self.path}: expected the colours' order that the weights were trained on (--channel-order bgr or "
                "rgb), which a state_dict that is not of this project does not say, found none"
            )

    def check_whole(self, net: Net) -> None:
        """InputError unless every layer of the net finds its weights, and a state dict has no others."""
        if isinstance(self.content, StateDict):
            _check_shapes(net, _named_as_in(net, self.content.entries), self.path)
        else:
            net.check_weights(self.content, str(self.path), every_layer=True)

    def load(self, net: Net) -> schema.NetParameter:
        """Copies what there is for the net's layers, as it is; returns it as Caffe stores it. InputError for blobs of
        other shapes, or if there are none for any layer."""
        stored = self.content
        if isinstance(stored, StateDict):
            note_renamed(str(self.path), _renamed_layers(net, stored.entries))
            stored = _as_caffe_stores(net, stored.entries, self.path)
        net.load_weights(stored, str(self.path))
        return stored

    def finetune(self, net: Net) -> schema.NetParameter:
        """As `load`, for nets that may have other layers too: what was trained on RGB takes BGR afterwards."""
        self.check_colours()
        stored = self.load(net)
        if self.channel_order == "rgb":
            with naming(self.path):
                swap_red_and_blue(net, {layer.name for layer in stored.layer})
        return stored


def read_weights(path: Path, channel_order: str | None = None) -> StoredWeights:
    """The weights in a `.caffemodel`, `.caffemodel.h5`, `.safetensors`, `.npz` or a file of torch's (see
    `state_dicts`), whatever its name ends in. InputError says what it is instead."""
    if is_state_dict(path):
        return StoredWeights(path, read_state_dict(path), channel_order)
    refuse_solverstate(path)
    try:
        return StoredWeights(path, read_caffemodel(path), channel_order)
    except InputError as error:
        kinds = "a .caffemodel, .caffemodel.h5, .pt, .safetensors, .npz or a torch checkpoint"
        reason = str(error).removeprefix(f"{path}: ")
        raise InputError(f"{path}: expected weights ({kinds}), found a file of none of them: {reason}") from None


def _layers_of(entries: Collection[str]) -> list[str]:
    """What stands before the last dot of the names, which is where a state dict has the layer."""
    return list(dict.fromkeys(name.rpartition(".")[0] for name in entries))


def _renamed_layers(net: Net, entries: Collection[str]) -> dict[str, str]:
    with_blobs = [key for key in net.layers if net.layers[key].blob_names]
    return renamed(with_blobs, _layers_of(entries))


def _named_as_in(net: Net, entries: Mapping[str, object]) -> dict[str, object]:
    """The entries by the names that the net's state_dict has for them, without `layers.`."""
    names = _renamed_layers(net, entries)
    parts = ((name.rpartition("."), value) for name, value in entries.items())
    return {f"{names.get(layer, layer)}{dot}{blob}": value for (layer, dot, blob), value in parts}


def _as_caffe_stores(net: Net, entries: Mapping[str, object], path: Path) -> schema.NetParameter:
    """The tensors as blobs of layers: those of the net first, in its order, then layers that it has not."""
    layers: dict[str, dict[str, Tensor]] = {}
    for name, value in _named_as_in(net, entries).items():
        place, _, blob = name.rpartition(".")
        if isinstance(value, Tensor):
            layers.setdefault(place, {})[blob] = value
    stored = schema.NetParameter()
    for key, layer in zip(net.layers, net.layers.values(), strict=True):
        blobs = layers.pop(key, {}) if layer.blob_names else {}
        order = [*layer.blob_names, *(name for name in blobs if name not in layer.blob_names)]
        _add_layer(stored, layer.spec.name, {name: blobs[name] for name in order if name in blobs}, path)
    for name, blobs in layers.items():
        _add_layer(stored, name, blobs, path)
    return stored


def _add_layer(to: schema.NetParameter, name: str, blobs: Mapping[str, Tensor], path: Path) -> None:
    if not blobs:
        return
    layer = to.layer.add(name=name)
    for blob, tensor in blobs.items():
        if tensor.is_complex():
            raise InputError(f"{path}: blob '{name}.{blob}': expected real numbers, found {tensor.dtype}")
        layer.blobs.append(array_to_blob(tensor.detach().to(torch.float32).contiguous().numpy()))


def _check_shapes(net: Net, found: Mapping[str, object], path: Path) -> None:
    wanted = {name.removeprefix("layers."): value for name, value in net.state_dict().items()}
    shapes = {name: tuple(v.shape) if isinstance(v, Tensor) else type(v).__name__ for name, v in found.items()}
    differences = [
        f"blob '{name}': expected shape {tuple(value.shape)}, as the prototxt has, found {shapes.get(name, 'none')}"
        for name, value in wanted.items()
        if shapes.get(name) != tuple(value.shape)
    ]
    differences += [f"expected no blob '{name}', which the prototxt lacks, found one" for name in found.keys() - wanted]
    if differences:
        raise InputError(f"{path}: {first_five(differences)}")
