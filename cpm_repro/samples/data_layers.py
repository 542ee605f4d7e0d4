"""All data layers of a net: opened before the net is built, whose shapes they know, and asked for every pass's batch.

Each type has a module of its own: CPMData in data_layer, Data in datum_data, ImageData in image_data, HDF5Data in
hdf5_data, MemoryData in memory_data. DummyData needs none: the net makes its blobs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor

from cpm_kernels.samples.rand import GlibcRand
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.graph import names_apart
from prototxt_import.net import Net

from .data_layer import CPMData, DataOptions, State
from .datum_data import DatumData
from .hdf5_data import ONCE, HDF5Data
from .image_data import ImageData
from .memory_data import MemoryData

Shape = tuple[int, ...]
Sentence = tuple[str, str]
"""A line of source and a sentence of Caffe's log."""


class DataLayer(Protocol):
    """What feeds the tops of one layer. InputErrors name the layer.

    whole: whether it makes the whole batch where several processes share it; shapes: of each top, of the whole batch
    if it does; said: what Caffe's log says when it is set up.
    """

    whole: bool

    @property
    def said(self) -> Sequence[Sentence]: ...

    @property
    def shapes(self) -> Mapping[str, Shape]: ...

    def start(self, drawn: np.ndarray) -> None:
        """Takes the numbers that the net drew for it (uint32); called once, before the first batch."""

    def next_batch(self) -> Mapping[str, Tensor]:
        """float32 tensors by top; they are the caller's until the next call."""

    def state(self) -> State:
        """Where the last batch that was taken left off: numbers and lists of numbers."""

    def restore(self, state: State) -> None:
        """Continues from a `state()`; InputError if it does not fit the layer's files."""

    def close(self) -> None:
        """Lets go of files and threads; harmless twice."""


@dataclass(frozen=True)
class Opening:
    """What a data layer needs to be opened, beside itself.

    folder: what its names start from; phase: the net's; srand: the seed of CPMData's rand(); shuffles: the rand() that
    all HDF5Data layers of a process share.
    """

    folder: Path
    phase: str
    srand: int
    shuffles: GlibcRand
    options: DataOptions


def _cpm_data(layer: schema.LayerParameter, opening: Opening) -> DataLayer:
    return CPMData(layer, opening.folder, GlibcRand(opening.srand), opening.phase, opening.options)


_TYPES: dict[str, Callable[[schema.LayerParameter, Opening], DataLayer]] = {
    "CPMData": _cpm_data,
    "Data": lambda layer, opening: DatumData(layer, opening.folder, opening.phase),
    "ImageData": lambda layer, opening: ImageData(layer, opening.folder, opening.phase),
    "HDF5Data": lambda layer, opening: HDF5Data(layer, opening.folder, opening.shuffles),
    "MemoryData": lambda layer, opening: MemoryData(layer),
}


def open_data_layers(net: schema.NetParameter, opening: Opening, where: str) -> "DataLayers":
    """The data layers of a net that has only its phase's layers; InputError, named by `where`, if one cannot be opened
    or there is nobody to feed an Input layer."""
    layers: dict[str, DataLayer] = {}
    try:
        _check(net, opening.phase)
        for name, layer in zip(names_apart(net), net.layer, strict=True):
            if layer.type in _TYPES:
                layers[name] = _TYPES[layer.type](layer, opening)
    except InputError as error:
        for opened in layers.values():
            opened.close()
        raise InputError(f"{where}: {error}") from None
    return DataLayers(layers, opening.options)


def _check(net: schema.NetParameter, phase: str) -> None:
    types = [layer.type for layer in net.layer]
    feeding = [name for name in types if name in (*_TYPES, "DummyData", "Input")]
    if not feeding or "Input" in feeding:
        known = ", ".join((*_TYPES, "DummyData"))
        raise InputError(f"expected data layers in the {phase} phase ({known}), found {', '.join(feeding) or 'none'}")
    if phase == "TRAIN" and types.count("CPMData") > 1:
        raise InputError(
            f"expected one CPMData layer in the TRAIN phase, found {types.count('CPMData')}: the original's threads "
            "take numbers of one rand() in an order that varies from run to run"
        )


class DataLayers:
    """The batches of all data layers of a net, on the options' device; a context manager.

    Where several processes share the batch, each gets its rows.
    """

    def __init__(self, layers: Mapping[str, DataLayer], options: DataOptions) -> None:
        self._layers, self._options = dict(layers), options

    @property
    def shapes(self) -> dict[str, list[Shape]]:
        """By layer, the whole batch's shapes of its tops."""
        return {
            name: list(layer.shapes.values()) for name, layer in self._layers.items() if not isinstance(layer, CPMData)
        }

    @property
    def skipped(self) -> dict[str, str]:
        """With skip_bad: what was wrong with each record that was replaced."""
        cpm_data = [layer for layer in self._layers.values() if isinstance(layer, CPMData)]
        return {key: sentence for layer in cpm_data for key, sentence in layer.skipped.items()}

    @property
    def device(self) -> str:
        """Where the batches are."""
        return self._options.device

    def said(self, layer: str, told: set[Sentence]) -> list[Sentence]:
        """What Caffe's log says when the layer of that name is set up, but for what a process says only once and
        was `told`."""
        said = self._layers[layer].said if layer in self._layers else ()
        new = [sentence for sentence in said if sentence not in told]
        told.update(sentence for sentence in new if sentence[0] in ONCE)
        return new

    def __getitem__(self, layer: str) -> DataLayer:
        return self._layers[layer]

    def start(self, net: Net) -> None:
        """Takes the numbers that the net drew for each layer at its set-up."""
        for name, layer in self._layers.items():
            layer.start(net.layer(name).drawn)

    def next_batch(self) -> dict[str, Tensor]:
        """The next batch, float32 tensors by top, the caller's until the next call."""
        return {top: blob for layer in self._layers.values() for top, blob in self._batch(layer).items()}

    def _batch(self, layer: DataLayer) -> dict[str, Tensor]:
        batch = {top: blob.to(self._options.device) for top, blob in layer.next_batch().items()}
        if not layer.whole or self._options.share.count == 1:
            return batch
        return {top: blob[self._options.share.rows(len(blob))] for top, blob in batch.items()}

    def state(self) -> dict[str, np.ndarray]:
        """Where the last batch that was taken left off, int64 by `<layer>/<what>`."""
        states = {name: layer.state() for name, layer in self._layers.items()}
        pairs = [(f"{name}/{key}", value) for name, state in states.items() for key, value in state.items()]
        return {key: np.array(value, np.int64) for key, value in pairs}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continues from a `state()`; InputError if it is none of these layers'."""
        for key, value in self.state().items():
            found = state.get(key)
            if found is None or found.dtype != np.int64 or found.ndim != value.ndim:
                kind = "none" if found is None else f"{found.dtype} of {found.ndim} axes"
                raise InputError(f"{key}: expected int64 of {value.ndim} axes, found {kind}")
        for name, layer in self._layers.items():
            layer.restore({key: state[f"{name}/{key}"].tolist() for key in layer.state()})

    def close(self) -> None:
        """Lets go of files and threads; harmless twice."""
        for layer in self._layers.values():
            layer.close()

    def __enter__(self) -> "DataLayers":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
