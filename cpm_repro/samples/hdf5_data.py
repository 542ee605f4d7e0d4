"""Caffe's HDF5Data layer: rows of HDF5 files, a dataset for each top (hdf5_data_layer.cpp).

A text file names the files; they are read one after the other, each as a whole, and then again. With `shuffle` the
files change places before each round, and a file's rows when it is read and once more after each of its ends, by
std::random_shuffle, which takes numbers of C's rand().
"""

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cpm_kernels.samples.rand import GlibcRand
from prototxt_import.files import naming, read_bytes, require
from prototxt_import.formats import schema
from prototxt_import.formats.hdf5 import reading_hdf5

Shape = tuple[int, ...]
_CLASSES = {"f": ("hdf5.cpp:32", "Datatype class: H5T_FLOAT"), "i": ("hdf5.cpp:35", "Datatype class: H5T_INTEGER")}
ONCE = tuple(source for source, _ in _CLASSES.values())
"""The lines of source whose sentence a process says once, for all layers."""


class HDF5Data:
    """The batches of one HDF5Data layer; `random` is the rand() of the process. InputErrors name layer and file."""

    whole = True

    def __init__(self, layer: schema.LayerParameter, folder: Path, random: GlibcRand) -> None:
        self._where, self._tops, self._random = f"layer {layer.name}", list(layer.top), random
        self._require = partial(require, self._where)
        param = layer.hdf5_data_param
        self._batch_size, self._shuffles = param.batch_size, param.shuffle
        self._require(self._batch_size > 0, "a batch_size of 1 or more", self._batch_size)
        self._require(param.source != "", "a source", "none")
        self._paths = self._listed(folder / param.source, folder)
        self.said = [
            ("hdf5_data_layer.cpp:85", f"Loading list of HDF5 filenames from: {param.source}"),
            ("hdf5_data_layer.cpp:99", f"Number of HDF5 files: {len(self._paths)}"),
        ]
        self._files = list(range(len(self._paths)))  # in the order of this round
        self._file = self._row = 0
        if self._shuffles:
            random.shuffle(self._files)
        kinds = self._load()
        self.said += [_CLASSES[kind] for kind in dict.fromkeys(kinds)]
        self._shapes = {top: (self._batch_size, *blob.shape[1:]) for top, blob in self._blobs.items()}

    def _listed(self, source: Path, folder: Path) -> list[Path]:
        names = read_bytes(source).split()  # bytes: at ASCII's blanks alone, as C++ does
        self._require(len(names) > 0, f"names of HDF5 files in {source}", "none")
        return [folder / os.fsdecode(name) for name in names]

    @property
    def shapes(self) -> dict[str, Shape]:
        """Of each top: batch_size and the axes of a row."""
        return self._shapes

    def start(self, drawn: np.ndarray) -> None:
        """It draws from C's rand() only."""

    def next_batch(self) -> dict[str, Tensor]:
        """The next rows, float32 tensors by top."""
        batch = {top: np.empty(shape, np.float32) for top, shape in self._shapes.items()}
        for row in range(self._batch_size):
            if self._row == len(self._rows):
                self._end_of_file()
            for top, blob in batch.items():
                blob[row] = self._blobs[top][self._rows[self._row]]
            self._row += 1
        return {top: torch.from_numpy(blob) for top, blob in batch.items()}

    def _end_of_file(self) -> None:
        if len(self._files) > 1:
            self._file += 1
            if self._file == len(self._files):
                self._file = 0
                if self._shuffles:
                    self._random.shuffle(self._files)
            self._load()
            rows = {top: blob.shape[1:] for top, blob in self._blobs.items()}
            first = {top: shape[1:] for top, shape in self._shapes.items()}
            self._require(rows == first, f"rows of {first}, as in the first file, in {self._path}", rows)
        self._row = 0
        if self._shuffles:
            self._random.shuffle(self._rows)

    @property
    def _path(self) -> Path:
        return self._paths[self._files[self._file]]

    def _load(self) -> list[str]:
        """Reads the current file; returns the kind of each dataset's numbers, "f" or "i"."""
        with naming(self._where), reading_hdf5(self._path) as reader:
            stored = {top: reader.values(reader.dataset(top), "fiu") for top in self._tops}
            with np.errstate(over="ignore"):  # too large a double is infinite
                self._blobs = {top: values.astype(np.float32) for top, values in stored.items()}
        counts = {top: len(blob) if blob.ndim else 0 for top, blob in self._blobs.items()}
        alike = len(set(counts.values())) == 1 and 0 not in counts.values()
        self._require(alike, f"datasets of equally many rows in {self._path}", counts)
        self._rows = list(range(next(iter(counts.values()))))
        if self._shuffles:
            self._random.shuffle(self._rows)
        return ["f" if values.dtype.kind == "f" else "i" for values in stored.values()]

    def state(self) -> dict[str, Any]:
        """Where the last batch left off: the file and row that come next, their orders, and rand()'s words."""
        rows = self._rows if self._shuffles else []
        return {
            "file": self._file,
            "row": self._row,
            "files": list(self._files),
            "rows": list(rows),
            "rand": self._random.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a `state()`; InputError if it is none of these files'."""
        files, file, row = state["files"], state["file"], state["row"]
        self._require(sorted(files) == list(range(len(self._paths))), f"an order of {len(self._paths)} files", files)
        self._require(0 <= file < len(files), f"a file below {len(files)}", file)
        self._files, self._file = files, file
        self._load()
        rows = state["rows"] or self._rows
        self._require(sorted(rows) == sorted(self._rows), f"an order of {len(self._rows)} rows", rows[:5])
        self._require(0 <= row <= len(rows), f"a row up to {len(rows)}", row)
        self._rows, self._row = rows, row
        with naming(self._where, ValueError):
            self._random.restore(state["rand"])

    def close(self) -> None:
        """No file stays open."""
