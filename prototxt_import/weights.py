"""A caffemodel's blobs into a net's layers, found by name (Caffe: Net::CopyTrainedLayersFrom), and back."""

import re
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest

import torch

from .files import InputError, Note, first_five
from .formats import schema
from .formats.blobs import array_to_blob, blob_shape, blob_to_array, fits
from .layers.layer import Layer

Pair = tuple["schema.LayerParameter", Layer]


def check_weights(
    layers: Sequence[Layer], weights: "schema.NetParameter", where: str, every_layer: bool = False
) -> list[Pair]:
    """The stored layers and the layers whose blobs they fill.

    Layers of other names are left alone, but for `renamed` ones; of several layers with one name the first stored one
    is for the first.
    InputError, which lists the first five, for shapes that differ and, with `every_layer`, for layers without weights.
    """
    stored = [layer for layer in weights.layer if layer.blobs]
    pairs, missing = _paired(layers, stored)
    if not pairs and (missing or stored):
        learned = (layer.spec.name for layer in layers if layer.blob_names)
        raise InputError(
            f"{where}: expected weights for the layers of this net ({_first_names(learned)}), "
            f"found none of their names ({_first_names(layer.name for layer in stored)})"
        )
    differences = [difference for source, layer in pairs for difference in _differences(source, layer)]
    if every_layer:
        differences += [f"expected weights for layer '{layer.spec.name}', found none" for layer in missing]
    if differences:
        raise InputError(f"{where}: {first_five(differences)}")
    return pairs


def renamed(wanted: Collection[str], found: Collection[str]) -> dict[str, str]:
    """Found names that other tools have made of wanted ones, `conv_1` or `conv.1` of `conv/1`, and which these are.

    Only where it is plain: neither name is on both sides, and no second one on either side is like it.
    """
    likes: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for side, names, others in ((0, wanted, found), (1, found, wanted)):
        for name in set(names).difference(others):
            likes[re.sub("[/.]", "_", name)][side].add(name)
    return {min(theirs): min(ours) for ours, theirs in likes.values() if len(ours) == len(theirs) == 1}


def note_renamed(where: str, names: Mapping[str, str]) -> None:
    """Says which stored layers were taken for which of the net's."""
    pairs = [f"'{found}' for '{wanted}'" for found, wanted in names.items()]
    if pairs:
        warnings.warn(Note(f"{where}: took layer {', '.join(pairs[:3])}{', …' if pairs[3:] else ''}"), stacklevel=2)


def copy_weights(pairs: Iterable[Pair], where: str) -> None:
    """Copies the blobs of pairs that `check_weights` found."""
    pairs = list(pairs)
    names = {source.name: layer.spec.name for source, layer in pairs}
    note_renamed(where, {found: wanted for found, wanted in names.items() if found != wanted})
    for source, layer in pairs:
        for name, blob in zip(layer.blob_names, source.blobs, strict=True):
            values = torch.from_numpy(blob_to_array(blob, f"{where}: layer '{source.name}'"))
            parameter = layer.owner(name)
            with torch.no_grad():
                parameter.copy_(values.reshape(tuple(parameter.shape)))


def matching_layers(layers: Sequence[Layer], trained: Sequence[Layer]) -> tuple[list[tuple[Layer, Layer]], list[str]]:
    """Layers with the trained ones of the same names, and the names that there are of trained ones only (Caffe:
    Net::ShareTrainedLayersWith); InputError for a blob of another shape."""
    first = {layer.spec.name: layer for layer in reversed(layers)}
    pairs = [(first[source.spec.name], source) for source in trained if source.spec.name in first]
    for layer, source in pairs:
        found, expected = ([tuple(getattr(one, name).shape) for name in one.blob_names] for one in (layer, source))
        layer.require(found == expected, f"blobs of shapes {expected}, as in the training net", str(found))
    return pairs, [source.spec.name for source in trained if source.spec.name not in first]


def stored_blobs(layer: Layer, diff: bool) -> "Iterator[schema.BlobProto]":
    """The layer's blobs as a caffemodel stores them; `diff`: and their gradients, 0 where there are none."""
    for name in layer.blob_names:
        values, parameter = getattr(layer, name).detach().cpu().numpy(), layer.owner(name)
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.detach()
        yield array_to_blob(values, gradient.cpu().numpy().reshape(values.shape) if diff else None)


def _paired(layers: Sequence[Layer], stored: "Sequence[schema.LayerParameter]") -> tuple[list[Pair], list[Layer]]:
    """Stored layers with those that they are for, and the layers with blobs that none is for."""
    sources, targets = defaultdict(list), defaultdict(list)
    names = renamed([layer.spec.name for layer in layers if layer.blob_names], [source.name for source in stored])
    for source in stored:
        sources[names.get(source.name, source.name)].append(source)
    for layer in layers:
        targets[layer.spec.name].append(layer)
    pairs: list[Pair] = []
    missing: list[Layer] = []
    for name, same in targets.items():
        learned = [layer for layer in same if layer.blob_names]
        for layer, source in zip_longest(learned or same[:1], sources[name]):
            if source is None:
                missing += [layer] if learned else []
            elif layer is not None:
                pairs.append((source, layer))
    return pairs, missing


def _first_names(names: Iterable[str]) -> str:
    all_names = list(names)
    return ", ".join(f"'{name}'" for name in all_names[:3]) + (", …" if len(all_names) > 3 else "")


def _differences(source: "schema.LayerParameter", layer: Layer) -> list[str]:
    """Why the stored blobs cannot be this layer's; empty if they can."""
    place = f"layer '{source.name}'"
    if len(source.blobs) != len(layer.blob_names):
        return [f"{place}: expected {len(layer.blob_names)} blobs, as the prototxt has, found {len(source.blobs)}"]
    pairs = [
        (tuple(getattr(layer, name).shape), blob) for name, blob in zip(layer.blob_names, source.blobs, strict=True)
    ]
    return [
        f"{place}, blob {index}: expected shape {wanted}, as the prototxt has, found {blob_shape(blob)}"
        for index, (wanted, blob) in enumerate(pairs)
        if not fits(blob_shape(blob), wanted, legacy=not blob.HasField("shape"))
    ]
