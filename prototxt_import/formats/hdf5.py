"""HDF5 as Caffe uses it (util/hdf5.cpp), read with suspicion: what a file declares must lie in it, once, and may not
take more memory than four times its size.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from prototxt_import.files import InputError, replacing

MAGIC = b"\x89HDF\r\n\x1a\n"
"""The first bytes of every HDF5 file."""


class Hdf5Reader:
    """The groups and values of one file, each handed out once; InputError where the file is not what it should be."""

    def __init__(self, path: str | os.PathLike[str], file: h5py.File) -> None:
        self.path, self._file = path, file
        self._size = Path(path).stat().st_size
        self._left = 4 * self._size  # bytes of values that it may still declare
        self._seen: set[int] = set()

    def group(self, name: str) -> h5py.Group:
        """A group at the top, which has to lie in this file: links to other files are not followed."""
        member = self.members(self._file).get(name)
        if not isinstance(member, h5py.Group):
            raise InputError(f"{self.path}: expected the group /{name} in this file, found {sorted(self._file)}")
        return member

    def dataset(self, name: str) -> h5py.Dataset:
        """A dataset at the top of this file."""
        member = self.members(self._file).get(name)
        if not isinstance(member, h5py.Dataset):
            raise InputError(f"{self.path}: expected the dataset /{name} in this file, found {sorted(self._file)}")
        return member

    def members(self, group: h5py.Group) -> dict[str, h5py.HLObject]:
        """What the group itself holds, by name."""
        hard = [name for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)]
        return {name: group[name] for name in hard}

    def once(self, member: h5py.HLObject) -> h5py.HLObject:
        """The member; InputError if it was asked for before, under another name."""
        address = h5py.h5o.get_info(member.id).addr
        if address in self._seen:
            raise InputError(f"{self.path}: {member.name}: expected a tree of groups, found this in it twice")
        self._seen.add(address)
        return member

    def values(self, dataset: h5py.Dataset, kinds: str = "f") -> np.ndarray:
        """The dataset's values, whose dtype is one of NumPy's `kinds`."""
        elsewhere = dataset.external is not None or dataset.is_virtual
        empty = dataset.shape is None  # HDF5's null dataspace
        if dataset.dtype.kind not in kinds or empty or elsewhere or dataset.nbytes > self._left:
            kind = {"f": "float", "i": "integer", "S": "character"}.get(kinds, "number")
            raise InputError(
                f"{self.path}: {dataset.name}: expected {kind} values that the file's {self._size} bytes can hold, "
                f"found {dataset.dtype} of shape {dataset.shape}{' in other files' if elsewhere else ''}"
            )
        self._left -= dataset.nbytes
        return np.asarray(dataset[()])


@contextmanager
def reading_hdf5(path: str | os.PathLike[str]) -> Iterator[Hdf5Reader]:
    """The file's reader; InputError for whatever h5py raises for broken files."""
    try:
        with h5py.File(path, "r") as file:
            yield Hdf5Reader(path, file)
    except InputError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: expected an HDF5 file, found one that cannot be read ({error})") from None


@contextmanager
def writing_hdf5(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """A file to fill, which takes the place of `path` when it is whole."""
    # In memory first: the library ends the process where the disk is full when it closes a file.
    with h5py.File(str(path), "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        content = file.id.get_file_image()
    with replacing(path) as temporary:
        temporary.write_bytes(content)
