"""Arrays by name in `.npz` files, the form of dumps, traces and the run state: no pickle, nothing half-written."""

import io
import math
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from prototxt_import.files import InputError, check_file, check_unpacked, replacing

DEFLATE_LIMIT = 1032  # no deflated byte makes more than this many


def read_npz(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Every array of the file by name; InputError if it is missing, no `.npz`, cut short or holds pickled objects."""
    check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            check_members(archive, path)
            return {info.filename.removesuffix(".npy"): read_member(archive, info) for info in archive.infolist()}
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: expected a .npz file of plain arrays, found one that is not ({error})") from None


def check_members(archive: zipfile.ZipFile, path: str | os.PathLike[str]) -> None:
    """InputError if all that is in a zip file is too much, unpacked, for its size."""
    check_unpacked(sum(info.file_size for info in archive.infolist()), os.path.getsize(path), str(path))


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """One array; ValueError if its header does not fit its bytes or it holds objects."""
    if info.file_size > DEFLATE_LIMIT * info.compress_size + 1024:
        raise ValueError(f"{info.filename} claims {info.file_size} bytes in {info.compress_size}")
    content = archive.read(info)
    stream = io.BytesIO(content)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(stream)
    if version not in read_header:
        raise ValueError(f"{info.filename} has the format {version}")
    shape, by_columns, dtype = read_header[version](stream)
    size = len(content) - stream.tell()
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{info.filename} holds {size} bytes, not {dtype} of shape {shape}")
    values = np.frombuffer(content, dtype, offset=stream.tell())
    return values.reshape(shape, order="F" if by_columns else "C").copy()


@contextmanager
def writing_npz(path: str | os.PathLike[str]) -> Iterator[Callable[[str, np.ndarray], None]]:
    """A function that adds an array under a name to the file; the file appears whole, at the end, or not at all."""
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:

        def add(name: str, array: np.ndarray) -> None:
            entry = zipfile.ZipInfo(f"{name}.npy")  # of a fixed date: same arrays, same bytes
            with archive.open(entry, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(array, order="C"), allow_pickle=False)

        yield add


def write_npz(path: str | os.PathLike[str], arrays: dict[str, np.ndarray]) -> None:
    """The arrays as one file."""
    with writing_npz(path) as add:
        for name, array in arrays.items():
            add(name, array)
