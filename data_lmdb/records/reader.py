"""Reads an LMDB as Caffe's data layers do: read-only, values in key order."""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from prototxt_import.files import InputError

from .lmdb_pages import BrokenPages, entries


class LmdbReader:
    """The records of one LMDB folder, by index in key order; safe to use from several threads.

    The file is mapped, not read: opening costs the keys, a value nothing until its bytes are looked at. Several
    readers may share a folder, in one process or many. InputError if the folder holds no data.mdb, if that file is
    broken or cut short, or if there is no record in it. Also a context manager; `close` is harmless twice, and
    values taken before it stay good.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._data = memoryview(_mapped(self.path))
        try:
            self._entries = entries(self._data)
        except BrokenPages as error:
            self.close()
            raise InputError(f"{self.path / 'data.mdb'}: {error}") from None
        if not self._entries:
            self.close()
            raise InputError(f"{self.path}: expected an LMDB with records, found none in it")

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[memoryview]:
        """The values in key order."""
        return (self.value(index) for index in range(len(self)))

    def keys(self) -> list[bytes]:
        """All keys, ascending."""
        return [entry.key for entry in self._entries]

    def value(self, index: int) -> memoryview:
        """The value of the index-th key, a view of the mapped file; IndexError beyond the last one, ValueError after
        `close`."""
        entry = self._entries[index]
        return self._data[entry.offset : entry.offset + entry.length]

    def key(self, index: int) -> str:
        """The index-th key as text."""
        return self._entries[index].key.decode("ascii", "backslashreplace")

    def where(self, index: int) -> str:
        """Names LMDB and key, for messages."""
        return f"{self.path}: record {self.key(index)}"

    def close(self) -> None:
        self._data.release()  # the map itself goes with the last value that somebody holds

    def __enter__(self) -> "LmdbReader":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def _mapped(path: Path) -> mmap.mmap:
    try:
        with open(path / "data.mdb", "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: expected an LMDB folder with a data.mdb, found none") from None
    except ValueError:  # an empty file cannot be mapped
        raise InputError(f"{path / 'data.mdb'}: expected an LMDB, found an empty file") from None
    except OSError as error:
        raise InputError(f"{path / 'data.mdb'}: cannot be read: {error.strerror}") from None
