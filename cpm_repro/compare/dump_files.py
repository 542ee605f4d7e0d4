"""Reads dumps one array at a time: `.npz`, a folder of `.npy`, HDF5, MATLAB's `.mat`, or the weights in a
`.caffemodel`, told by their content.

Whoever compares two programs brings what the other one could write; a CPM's dump has a gigabyte, so nothing is read
before it is asked for. No pickle, and no more memory than the file's bytes account for.
"""

import os
import re
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from cpm_repro import npz
from data_lmdb.datasets.matlab import variable_at, variable_places
from prototxt_import.files import InputError, check_file, check_unpacked
from prototxt_import.formats.blobs import blob_to_array
from prototxt_import.formats.caffemodel import read_caffemodel

WEIGHTS = (".caffemodel", ".caffemodel.h5")
_COMPLAINTS = (
    *(OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, OverflowError),
    *(zipfile.BadZipFile, zlib.error),
    tokenize.TokenError,  # by NumPy, of a damaged .npy header
)
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MATLAB_5, _MATLAB_7_3 = b"MATLAB 5", b"MATLAB 7"
_ZIP = b"PK"


@dataclass(frozen=True)
class Dump:
    """Arrays by name, in the order of their file; `read(name)` gives one, `where` names the file in messages.

    of_matlab: read as MATLAB's, whose axes come the other way round and may be scipy's (see `matlab_axes`).
    """

    where: str
    names: tuple[str, ...]
    read: Callable[[str], np.ndarray]
    of_matlab: bool = False


def dump_of(where: str, arrays: dict[str, np.ndarray]) -> Dump:
    """A dump that is in memory."""
    return Dump(where, tuple(arrays), arrays.__getitem__)


@contextmanager
def open_dump(path: str | os.PathLike[str]) -> Iterator[Dump]:
    """The dump at `path`, told by its content; InputError, here or by `read`, if it is damaged or none."""
    path = Path(path)
    start = b"" if path.is_dir() else _first_bytes(path)
    if path.is_dir():
        yield _folder(path)
    elif path.name.endswith(WEIGHTS):
        yield dump_of(str(path), _weights(path))
    elif start == _MATLAB_5:
        yield _matlab(path)
    elif not start.startswith((_HDF5_SIGNATURE, _MATLAB_7_3, _ZIP)) and (weights := _weights_if_any(path)):
        yield dump_of(str(path), weights)
    else:
        kind = _hdf5 if start in (_HDF5_SIGNATURE, _MATLAB_7_3) else _npz
        with kind(path) as dump:
            yield dump


def _first_bytes(path: Path) -> bytes:
    check_file(path)
    try:
        with path.open("rb") as file:
            return file.read(len(_HDF5_SIGNATURE))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


@contextmanager
def _expecting(where: str, what: str) -> Iterator[None]:
    """Every complaint of a reader about a damaged file as an InputError."""
    try:
        yield
    except InputError:
        raise
    except _COMPLAINTS as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{where}: expected {what}, found a file that is none ({reason})") from None


@contextmanager
def _npz(path: Path) -> Iterator[Dump]:
    with _expecting(str(path), "a dump (.npz, .h5, .mat, .caffemodel or a folder of .npy files)"):
        archive = zipfile.ZipFile(path)
        npz.check_members(archive, path)
    strange = [name for name in archive.namelist() if not name.endswith(".npy")]
    if strange:
        hint = ": torch's, of which `cpm convert` makes a .caffemodel" if strange[0].endswith(".pkl") else ""
        raise InputError(f"{path}: expected .npy files in a .npz, found {strange[0]}{hint}")
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

    def read(name: str) -> np.ndarray:
        with _expecting(f"{path}: {name}", "a plain array"):
            return npz.read_member(archive, members[name])

    with archive:
        yield Dump(str(path), tuple(members), read)


def _folder(path: Path) -> Dump:
    """`<folder>/conv1/0.npy` is called conv1/0; a folder has no order but that of its names, numbers by value."""
    files = {file.relative_to(path).with_suffix("").as_posix(): file for file in path.rglob("*.npy")}
    if not files:
        raise InputError(f"{path}: expected a folder of .npy files, found none in it")

    def read(name: str) -> np.ndarray:
        with _expecting(str(files[name]), "a plain .npy array"):
            mapped: np.ndarray = np.load(files[name], mmap_mode="r", allow_pickle=False)
            return mapped

    return Dump(str(path), tuple(sorted(files, key=_by_value)), read)


def _by_value(name: str) -> list[tuple[int, str]]:
    return [(int(number or -1), text) for number, text in re.findall(r"(\d+)|(\D+)", name)]


@contextmanager
def _hdf5(path: Path) -> Iterator[Dump]:
    """Every dataset by its path; links to other files are not followed."""
    names: list[str] = []
    with _expecting(str(path), "an HDF5 file"):
        file = h5py.File(path, "r")
    with file:
        with _expecting(str(path), "an HDF5 file"):
            file.visititems(lambda name, item: names.append(name) if _is_array(name, item) else None)
        of_matlab = _first_bytes(path) == _MATLAB_7_3
        yield Dump(str(path), tuple(names), lambda name: _read_dataset(file, name, path), of_matlab)


def _is_array(name: str, item: object) -> bool:
    """MATLAB keeps what its cells and structs refer to in `#refs#`."""
    return isinstance(item, h5py.Dataset) and not name.startswith("#")


def _matlab(path: Path) -> Dump:
    """Variables of numbers; MATLAB's first axis is Caffe's last, and one-image blobs lack the axis of images."""
    places = variable_places(path)

    def read(name: str) -> np.ndarray:
        found = variable_at(path, name, places[name])
        if found.dtype.kind not in "fiub":
            raise InputError(f"{path}: {name}: expected numbers, found a variable of {found.dtype}")
        values: np.ndarray = found.transpose()
        return values

    return Dump(str(path), tuple(sorted(places, key=_by_value)), read, of_matlab=True)


def _read_dataset(file: h5py.File, name: str, path: Path) -> np.ndarray:
    with _expecting(f"{path}: {name}", "numbers that lie in this file"):
        dataset = file[name]
        stored = dataset.id.get_storage_size()
        elsewhere = dataset.is_virtual or dataset.external
        if elsewhere or dataset.dtype.hasobject or dataset.nbytes > npz.DEFLATE_LIMIT * stored:
            raise InputError(
                f"{path}: {name}: expected numbers that lie in this file, found {dataset.dtype} of shape "
                f"{dataset.shape} in {stored} bytes"
            )
        check_unpacked(dataset.nbytes, path.stat().st_size, f"{path}: {name}")
        values: np.ndarray = dataset[()]
        return values


def _weights_if_any(path: Path) -> dict[str, np.ndarray]:
    """None of a file that is no `.caffemodel`."""
    try:
        return _weights(path)
    except InputError:
        return {}


def _weights(path: Path) -> dict[str, np.ndarray]:
    """`<layer>/<i>`, the i-th blob of each layer."""
    layers = read_caffemodel(path).layer
    named = ((f"{layer.name}/{index}", blob) for layer in layers for index, blob in enumerate(layer.blobs))
    return {name: blob_to_array(blob, f"{path}: {name}") for name, blob in named}
