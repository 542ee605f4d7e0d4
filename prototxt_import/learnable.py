"""A net's learnable blobs, and what the solver may do with each (Caffe: Net::AppendParam).

`param { name: … }` makes layers share a blob: the first layer that names it owns it. Its multipliers come from
whichever layer gives them. A Caffe for GANs has `param_propagate_down: false` besides: no gradient.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from torch import nn

from .formats import schema
from .layers.layer import Layer

_MULTIPLIERS = ("lr_mult", "decay_mult")


@dataclass(frozen=True)
class LearnableBlob:
    """One learnable blob and what the solver may do with it; a shared blob appears once, at its owner."""

    layer: str
    index: int
    parameter: nn.Parameter
    lr_mult: float
    decay_mult: float


def learnable_blobs(layers: Iterable[Layer]) -> list[LearnableBlob]:
    """Those of all layers, which share what their prototxt says they share; blobs that do not learn are frozen.

    InputError for a layer with more `param` than blobs, a shared blob of another shape, or one whose multipliers
    differ from layer to layer.
    """
    shared: dict[str, int] = {}
    given: dict[str, set[str]] = {}
    blobs: list[LearnableBlob] = []
    without_gradient = []
    for layer in layers:
        count = len(layer.blob_names)
        layer.require(len(layer.spec.param) <= count, f"at most {count} `param`, one for each blob", _count(layer))
        for index, name in enumerate(layer.blob_names):
            spec = layer.spec.param[index] if index < len(layer.spec.param) else schema.ParamSpec()
            stops = spec.HasField("param_propagate_down") and not spec.param_propagate_down
            layer.require(not (stops and spec.name), "no param_propagate_down: false of a shared param", "it")
            if spec.name in shared:
                owner = shared[spec.name]
                layer.take(name, _owned(layer, spec, name, blobs[owner]))
                blobs[owner] = _with_multipliers(layer, spec, blobs[owner], given[spec.name])
                continue
            if spec.name:
                shared[spec.name] = len(blobs)
                given[spec.name] = {field for field in _MULTIPLIERS if spec.HasField(field)}
            parameter = layer.owner(name)
            without_gradient += [parameter] * stops
            blobs.append(LearnableBlob(layer.own_name, index, parameter, spec.lr_mult, spec.decay_mult))
    frozen = [_frozen(blob) for blob in blobs]
    for parameter in without_gradient:  # it still decays
        parameter.requires_grad_(False)
    return frozen


def _count(layer: Layer) -> str:
    return str(len(layer.spec.param))


def _owned(layer: Layer, spec: schema.ParamSpec, name: str, owner: LearnableBlob) -> nn.Parameter:
    """The owner's blob; InputError unless shapes, or with PERMISSIVE counts, are equal."""
    blob, parameter = layer.owner(name), owner.parameter
    by_count = spec.share_mode == spec.PERMISSIVE
    same = parameter.numel() == blob.numel() if by_count else parameter.shape == blob.shape
    shape = tuple(parameter.shape)
    expected = f"param '{spec.name}' of shape {shape}, as layer '{owner.layer}' has it (blob {owner.index})"
    layer.require(same, expected, str(tuple(blob.shape)))
    return parameter


def _with_multipliers(layer: Layer, spec: schema.ParamSpec, blob: LearnableBlob, given: set[str]) -> LearnableBlob:
    """The blob with the multipliers that this layer gives it, too; `given` are those that earlier ones gave."""
    for field in (field for field in _MULTIPLIERS if spec.HasField(field)):
        value, earlier = getattr(spec, field), getattr(blob, field)
        same = field not in given or value == earlier
        layer.require(same, f"param '{spec.name}' with {field} {earlier:g}, as an earlier layer has it", f"{value:g}")
        given.add(field)
        blob = replace(blob, **{field: value})
    return blob


def _frozen(blob: LearnableBlob) -> LearnableBlob:
    """Without gradient if its lr_mult is 0, and with lr_mult 0 if it is no blob that learns."""
    learns = blob.parameter.requires_grad and blob.lr_mult != 0
    blob.parameter.requires_grad_(learns)
    return blob if learns else replace(blob, lr_mult=0)
