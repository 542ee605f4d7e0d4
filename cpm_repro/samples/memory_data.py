"""Caffe's MemoryData layer: batches of what a program hands in, in order and again from the start
(memory_data_layer.cpp)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prototxt_import.files import InputError
from prototxt_import.formats import schema


class MemoryData:
    """The batches of one MemoryData layer; InputErrors name it."""

    whole = True
    said: Sequence[tuple[str, str]] = ()

    def __init__(self, layer: schema.LayerParameter) -> None:
        self._where, self._tops = f"layer {layer.name}", list(layer.top)
        param = layer.memory_data_param
        self._batch_size = param.batch_size
        self._row_shape = (param.channels, param.height, param.width)
        self._data: np.ndarray | None = None
        self._labels = np.zeros(0, np.float32)
        self._place = 0

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of data and label, (batch_size, C, H, W) and (batch_size, 1, 1, 1)."""
        shapes = ((self._batch_size, *self._row_shape), (self._batch_size, 1, 1, 1))
        return dict(zip(self._tops, shapes, strict=False))

    def reset(self, data: np.ndarray, labels: np.ndarray) -> None:
        """From now on these: data float32 (n, C, H, W) and labels float32 (n,), n a multiple of batch_size."""
        fits = data.shape[1:] == self._row_shape and labels.shape == (len(data),)
        if not fits or not len(data) or len(data) % self._batch_size:
            expected = f"data of shape (n, {', '.join(map(str, self._row_shape))}) and n labels, n a multiple of "
            found = f"shapes {data.shape} and {labels.shape}"
            raise InputError(f"{self._where}: expected {expected}{self._batch_size}, found {found}")
        self._data, self._labels, self._place = data.astype(np.float32), labels.astype(np.float32), 0

    def start(self, drawn: np.ndarray) -> None:
        """It draws nothing."""

    def next_batch(self) -> dict[str, Tensor]:
        """The next batch, copies."""
        if self._data is None:
            raise InputError(f"{self._where}: expected data from a program (MemoryData.reset), found none")
        rows = slice(self._place, self._place + self._batch_size)
        blobs = (self._data[rows].copy(), self._labels[rows].copy().reshape(-1, 1, 1, 1))
        self._place = rows.stop % len(self._data)
        return dict(zip(self._tops, map(torch.from_numpy, blobs), strict=False))

    def state(self) -> dict[str, Any]:
        """The row that comes next."""
        return {"row": self._place}

    def restore(self, state: dict[str, Any]) -> None:
        """Continues from a `state()`; InputError beyond what there is."""
        row = state["row"]
        if row % self._batch_size or not 0 <= row <= len(self._labels):
            raise InputError(f"{self._where}: expected the start of one of its batches, found row {row}")
        self._place = row

    def close(self) -> None:
        """It holds nothing open."""
