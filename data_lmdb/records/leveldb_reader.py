"""Reads a LevelDB as Caffe's data layers do, values in key order; unlike LevelDB's library it writes nothing there."""

import os
import re
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from prototxt_import.files import InputError, naming, read_bytes

from .leveldb_files import (
    VALUE,
    Broken,
    batch_entries,
    block_entries,
    live_files,
    log_records,
    table_block,
    table_blocks,
)

_BLOCKS_KEPT = 8  # decompressed ones
_MANIFEST = re.compile(r"MANIFEST-\d+")


class _Place(NamedTuple):
    """Where a value is: in a block of a file, or, where `block` is None, in memory."""

    path: Path
    block: tuple[int, int] | None
    memory: bytes
    offset: int
    length: int


class LevelDbReader:
    """The records of one LevelDB folder, by index in key order, with `LmdbReader`'s methods; safe to use from several
    threads.

    Opening reads every key, and so every file once; what is only in a log stays in memory. InputError if the folder is
    no LevelDB, if one of its files is broken, cut short or not there, or if there is no record in it. Also a context
    manager.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._blocks: OrderedDict[tuple[Path, tuple[int, int]], bytes] = OrderedDict()
        self._lock = Lock()
        found: dict[bytes, tuple[int, int, _Place]] = {}
        for key, sequence, kind, place in self._entries():
            if key not in found or found[key][0] < sequence:
                found[key] = (sequence, kind, place)
        alive = [(key, place) for key, (_, kind, place) in found.items() if kind == VALUE]
        self._records = sorted(alive, key=lambda record: record[0])
        if not self._records:
            raise InputError(f"{self.path}: expected a LevelDB with records, found none in it")

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[memoryview]:
        """The values in key order."""
        return (self.value(index) for index in range(len(self)))

    def keys(self) -> list[bytes]:
        """All keys, ascending."""
        return [key for key, _ in self._records]

    def value(self, index: int) -> memoryview:
        """The value of the index-th key; IndexError beyond the last one, InputError if its file went away."""
        place = self._records[index][1]
        block = place.memory if place.block is None else self._block(place.path, place.block)
        return memoryview(block)[place.offset : place.offset + place.length]

    def read(self, index: int) -> bytes:
        """The value of the index-th key, a copy."""
        return bytes(self.value(index))

    def key(self, index: int) -> str:
        """The index-th key as text."""
        return self._records[index][0].decode("ascii", "backslashreplace")

    def where(self, index: int) -> str:
        """Names LevelDB and key, for messages."""
        return f"{self.path}: record {self.key(index)}"

    def close(self) -> None:
        """Forgets the blocks that it keeps; no file is open."""
        with self._lock:
            self._blocks.clear()

    def __enter__(self) -> "LevelDbReader":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _entries(self) -> Iterator[tuple[bytes, int, int, _Place]]:
        """All entries of all files alive: key, sequence number, kind and place."""
        manifest = self._manifest()
        content = read_bytes(manifest)
        with naming(manifest, Broken):
            files = live_files(content)
        for number in files.tables:
            yield from self._of_table(self._table_path(number))
        logs = sorted(path for path in self.path.glob("*.log") if path.stem.isdigit())
        for path in logs:
            if int(path.stem) >= files.log or int(path.stem) == files.previous_log:
                yield from self._of_log(path)

    def _manifest(self) -> Path:
        current = self.path / "CURRENT"
        if not current.is_file():
            raise InputError(f"{self.path}: expected a LevelDB folder with a file CURRENT, found none")
        name = read_bytes(current)[:100].decode("ascii", "replace").strip()
        if not _MANIFEST.fullmatch(name):
            raise InputError(f"{current}: expected the name of a manifest, found {name!r}")
        return self.path / name

    def _table_path(self, number: int) -> Path:
        paths = [self.path / f"{number:06d}.{suffix}" for suffix in ("ldb", "sst")]
        return next((path for path in paths if path.is_file()), paths[0])

    def _of_table(self, path: Path) -> Iterator[tuple[bytes, int, int, _Place]]:
        data = read_bytes(path)
        with naming(path, Broken):
            for block in table_blocks(data):
                for entry in block_entries(table_block(data, *block)):
                    place = _Place(path, block, b"", entry.offset, entry.length)
                    yield entry.key, entry.sequence, entry.kind, place

    def _of_log(self, path: Path) -> Iterator[tuple[bytes, int, int, _Place]]:
        data = read_bytes(path)
        with naming(path, Broken):
            for record in log_records(data):
                for entry in batch_entries(record):
                    place = _Place(path, None, record, entry.offset, entry.length)
                    yield entry.key, entry.sequence, entry.kind, place

    def _block(self, path: Path, block: tuple[int, int]) -> bytes:
        """A block of a table, of which some are kept: neighbouring records share one."""
        key = (path, block)
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
        offset, length = block
        try:
            with open(path, "rb") as file:
                file.seek(offset)
                made = table_block(file.read(length + 5), 0, length)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        except Broken as error:
            raise InputError(f"{path}: {error}") from None
        with self._lock:
            self._blocks[key] = made
            if len(self._blocks) > _BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        return made
