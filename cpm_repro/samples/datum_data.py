"""Caffe's Data layer: Datums of an LMDB or LevelDB in key order, and their labels (data_layer.cpp).

Its `rand_skip` and `prefetch` change nothing, as in the original.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from torch import Tensor

from data_lmdb.images import decode_any
from prototxt_import.files import InputError
from prototxt_import.formats import schema

from .data_layer import State, open_source
from .datum_transformer import DatumTransformer


class DatumData:
    """The batches of one Data layer. InputErrors name layer and record."""

    whole = True

    def __init__(self, layer: schema.LayerParameter, folder: Path, phase: str) -> None:
        self._where, self._tops, self._param = f"layer {layer.name}", list(layer.top), layer.data_param
        if self._param.batch_size < 1:
            raise InputError(f"{self._where}: expected a batch_size of 1 or more, found {self._param.batch_size}")
        self._transformer = DatumTransformer(layer.transform_param, phase, folder, self._where)
        self._reader = open_source(layer, folder)
        self._cursor = 0
        try:
            shape = self._transformer.shape(self._image(0)[0].shape)
        except InputError:
            self._reader.close()
            raise
        size = self._param.batch_size
        self._shapes = dict(zip(self._tops, ((size, *shape), (size,)), strict=False))

    @property
    def said(self) -> Sequence[tuple[str, str]]:
        """What Caffe's log says when it is set up."""
        shape = ",".join(map(str, self._shapes[self._tops[0]]))
        return [("data_layer.cpp:41", f"output data size: {shape}")]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of data, (batch_size, C, H, W), and label, (batch_size,)."""
        return self._shapes

    def start(self, drawn: np.ndarray) -> None:
        """The last number but one is the transformer's; the threads' generators are never asked."""
        if self._transformer.draws:
            self._transformer.start(int(drawn[-2]))

    def next_batch(self) -> dict[str, Tensor]:
        """The next Datums, around the end."""
        blobs = [np.empty(shape, np.float32) for shape in self._shapes.values()]
        for row in range(self._param.batch_size):
            image, label = self._image(self._cursor)
            sample = self._transformer(image)
            if sample.shape != blobs[0].shape[1:]:
                found = f"{self._reader.where(self._cursor)} with {sample.shape}"
                raise InputError(f"{self._where}: expected images of one shape, {blobs[0].shape[1:]}, found {found}")
            blobs[0][row] = sample
            if len(blobs) > 1:
                blobs[1][row] = label
            self._cursor = (self._cursor + 1) % len(self._reader)
        return {top: torch.from_numpy(blob) for top, blob in zip(self._tops, blobs, strict=True)}

    def state(self) -> State:
        """The record that comes next, and the transformer's generator."""
        return {"cursor": self._cursor, "mt19937": self._transformer.state()}

    def restore(self, state: State) -> None:
        """Continues from a `state()`; InputError if it does not fit the database."""
        if not 0 <= state["cursor"] < len(self._reader):
            raise InputError(f"{self._where}: expected a cursor below {len(self._reader)}, found {state['cursor']}")
        self._cursor = state["cursor"]
        self._transformer.restore(state["mt19937"])

    def close(self) -> None:
        """Closes the database."""
        self._reader.close()

    def _image(self, index: int) -> tuple[NDArray[np.uint8] | NDArray[np.float32], int]:
        """A record's image (C, H, W) and label."""
        where, datum = f"{self._where}: {self._reader.where(index)}", schema.Datum()
        try:
            datum.ParseFromString(self._reader.read(index))
        except DecodeError:
            raise InputError(f"{where}: expected a Datum, found something else") from None
        if datum.encoded:
            return decode_any(datum.data, where, self._param.force_encoded_color), datum.label
        shape = (datum.channels, datum.height, datum.width)
        values = np.frombuffer(datum.data, np.uint8) if datum.data else np.array(datum.float_data, np.float32)
        if min(shape) < 1 or values.size != shape[0] * shape[1] * shape[2]:
            raise InputError(f"{where}: expected {shape[0]} x {shape[1]} x {shape[2]} values, found {values.size}")
        return values.reshape(shape), datum.label
