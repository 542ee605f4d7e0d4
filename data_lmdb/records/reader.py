"""Reads an LMDB as Caffe's data layers do: read-only, values in key order."""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from prototxt_import.files import InputError

from .lmdb_pages import BrokenPages, entries


class LmdbReader:
    """The records of one LMDB folder, by index in key order; safe to use from several threads.

    The file is mapped, not read: opening costs the keys, a `value` nothing until its bytes are looked at. Whoever has
    all of a value's bytes in mind, or goes on for days, asks for a copy with `read`: should somebody cut the file
    short meanwhile, that is an error, while a look at a map's lost page ends the process. Several readers may share a
    folder, in one process or many. InputError if the folder holds no data.mdb, if that file is broken or cut short, or
    if there is no record in it. Also a context manager; `close` is harmless twice, and values taken before it stay
    good.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._file = _opened(self.path)
        try:
            self._data = memoryview(_mapped(self._file, self.path))
        except InputError:
            os.close(self._file)
            raise
        self._closed = False
        try:
            self._entries = entries(self._bytes, len(self._data))
        except (BrokenPages, OSError) as error:
            self.close()
            reason = f"cannot be read: {error.strerror}" if isinstance(error, OSError) else error
            raise InputError(f"{self.path / 'data.mdb'}: {reason}") from None
        if not self._entries:
            self.close()
            raise InputError(f"{self.path}: expected an LMDB with records, found none in it")

    def _bytes(self, offset: int, length: int) -> bytes:
        return os.pread(self._file, length, offset)

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
        `close`, InputError if the file was cut short since it was opened."""
        entry = self._entries[index]
        view = self._data[entry.offset : entry.offset + entry.length]
        self._check_size(os.fstat(self._file).st_size)
        return view

    def read(self, index: int) -> bytes:
        """The value of the index-th key, a copy; errors as of `value`, and InputError if the disk does not give it."""
        entry = self._entries[index]
        if self._closed:
            raise ValueError(f"{self.path}: read after close")
        try:
            value = os.pread(self._file, entry.length, entry.offset)
            if len(value) < entry.length:  # of more than 2 GB, or of a file that was cut short
                self._check_size(os.fstat(self._file).st_size)
                return bytes(self.value(index))
        except OSError as error:
            raise InputError(f"{self.where(index)}: cannot be read: {error.strerror}") from None
        return value

    def _check_size(self, found: int) -> None:
        if found < len(self._data):
            name = self.path / "data.mdb"
            raise InputError(f"{name}: expected {len(self._data)} bytes as when it was opened, found {found}")

    def key(self, index: int) -> str:
        """The index-th key as text."""
        return self._entries[index].key.decode("ascii", "backslashreplace")

    def where(self, index: int) -> str:
        """Names LMDB and key, for messages."""
        return f"{self.path}: record {self.key(index)}"

    def close(self) -> None:
        if not self._closed:
            os.close(self._file)
        self._closed = True
        self._data.release()  # the map itself goes with the last value that somebody holds

    def __enter__(self) -> "LmdbReader":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def _opened(path: Path) -> int:
    try:
        return os.open(path / "data.mdb", os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for its writer
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: expected an LMDB folder with a data.mdb, found none") from None
    except OSError as error:
        raise InputError(f"{path / 'data.mdb'}: cannot be read: {error.strerror}") from None


def _mapped(file: int, path: Path) -> mmap.mmap:
    try:
        return mmap.mmap(file, 0, access=mmap.ACCESS_READ)
    except ValueError:  # an empty file cannot be mapped
        raise InputError(f"{path / 'data.mdb'}: expected an LMDB, found an empty file") from None
    except OSError as error:
        raise InputError(f"{path / 'data.mdb'}: cannot be read: {error.strerror}") from None
