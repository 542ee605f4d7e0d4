"""Writes an LMDB that Caffe reads: keys `%07d` of the write counter, one serialized Datum each.

It grows in a folder beside its place, `<name>.partial`, and is renamed when it is complete. Every 16 MB are made safe
on the disk, so that a run that was stopped, by Ctrl-C, a full disk or a power cut, can go on where it was.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import lmdb

from prototxt_import.files import InputError, try_lock

from . import lmdb_pages
from .reader import LmdbReader

COMMIT_BYTES = 1 << 24
MAP_STEP = 1 << 26  # bytes by which the map grows
SMALL_PAGES = 512  # bytes: LMDB's smallest. A value fills whole pages, and half a page of 4096 is 12 % of a 17 kB JPEG
_BOOKKEEPING = 64  # bytes; more than a record's key, header and place in the tree take


class LmdbWriter:
    """A growing LMDB in `folder`, which is to become `path`; use `growing`.

    page_size: of a new LMDB, in bytes (None: the operating system's). `count` is the number of records, and the next
    one's key.
    """

    def __init__(self, folder: Path, path: Path, page_size: int | None):
        self._path = path
        self._transaction: lmdb.Transaction | None = None
        self._bytes = 0  # in the transaction
        with _disk_errors(path):
            folder.mkdir(exist_ok=True)
            if page_size and not (folder / "data.mdb").exists():
                (folder / "data.mdb").write_bytes(lmdb_pages.empty(page_size, MAP_STEP))
            # Without LMDB's own lock file: `growing` keeps others away.
            self._environment = lmdb.open(os.fsencode(folder), map_size=MAP_STEP, lock=False)
            self.count = self._environment.stat()["entries"]

    def append(self, value: bytes) -> None:
        """The next record; it is safe after the next `commit`, which comes by itself every 16 MB."""
        size = len(value) + _BOOKKEEPING
        if self._bytes + size > COMMIT_BYTES:
            self.commit()
        with _disk_errors(self._path):
            if self._transaction is None:
                self._make_room(max(size, COMMIT_BYTES))
                self._transaction = self._environment.begin(write=True)
            self._transaction.put(f"{self.count:07d}".encode("ascii"), value, append=True)
        self.count += 1
        self._bytes += size

    def commit(self) -> None:
        """Return when all records are on the disk."""
        transaction, self._transaction = self._transaction, None
        self._bytes = 0
        if transaction is not None:
            with _disk_errors(self._path):
                transaction.commit()

    def close(self) -> None:
        """Without a commit."""
        if self._transaction is not None:
            self._transaction.abort()
        self._environment.close()

    def _make_room(self, size: int) -> None:
        """Grow the map so that a transaction of `size` bytes fits: a value may take twice its size in pages."""
        info = self._environment.info()
        needed = (info["last_pgno"] + 64) * self._environment.stat()["psize"] + 3 * size
        if needed > info["map_size"]:
            self._environment.set_mapsize(-(-needed // MAP_STEP) * MAP_STEP)


def write_lmdb(path: str | os.PathLike[str], values: Iterable[bytes], page_size: int | None = None) -> int:
    """Write `values` as records 0000000, 0000001, … of a new LMDB folder at `path`; returns how many.

    An LMDB that is already there is replaced when the last record is written, and stays as it was if
    anything fails. Errors as in `growing`.
    """
    with growing(path, page_size=page_size) as writer:
        for value in values:
            writer.append(value)
    return writer.count


@contextmanager
def growing(
    path: str | os.PathLike[str],
    job: str | None = None,
    page_size: int | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> Iterator[LmdbWriter]:
    """The LMDB at `path` while it is written: `with growing(path) as writer: writer.append(value)`.

    What is at `path` is replaced at the end. With a `job`, a text that tells what is written, a run that fails leaves
    its records in `<path>.partial`, and the next one with the same text starts with them (`writer.count`); `say` hears
    of both. InputError if something that is no LMDB is in the way, if another run is at it, if there is no record in
    the end, or if the disk is full.
    """
    path = Path(path)
    _check_replaceable(path)
    with _partial_folder(path, job, say) as folder:
        writer = LmdbWriter(folder, path, page_size)
        try:
            yield writer
            writer.commit()
        except _DiskError:
            raise
        except BaseException:
            writer.commit()  # what is finished stays finished
            raise
        finally:
            writer.close()
        if writer.count == 0:
            raise InputError(f"{path}: expected records to write, found none")
        with _disk_errors(path):
            _put_in_place(folder, path)


class _DiskError(InputError):
    """The disk does not take what is written."""


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except lmdb.Error as error:  # of a full disk LMDB says sometimes so, sometimes "Input/output error"
        raise _DiskError(f"{path}: cannot be written, is the disk full? LMDB says: {error}") from None
    except OSError as error:
        raise _DiskError(f"{path}: cannot be written: {error.strerror or error}") from None


@contextmanager
def _partial_folder(path: Path, job: str | None, say: Callable[[str], None]) -> Iterator[Path]:
    """The folder in which the LMDB grows, reserved for this process, with the records that are left of `job`."""
    partial = path.parent / f"{path.name}.partial"
    with _disk_errors(path):
        _check_only(partial, {"job", "lmdb"}, "a folder that an interrupted run left, or none")
        partial.mkdir(parents=True, exist_ok=True)
        (partial / "job").touch()
    with open(partial / "job", "r+", encoding="utf-8") as file:
        _reserve(file, path)
        try:
            _prepare(partial, file, job, say)
            yield partial / "lmdb"
        except BaseException:
            count = _records_in(partial / "lmdb") if job else 0
            if count:
                say(f"{partial}: {count} records are kept; the same command goes on from there")
            else:
                shutil.rmtree(partial, ignore_errors=True)
            raise
        shutil.rmtree(partial, ignore_errors=True)


def _reserve(file: TextIO, path: Path) -> None:
    if try_lock(file.fileno(), fcntl.lockf) is False:  # a lock that is not for the children
        raise InputError(f"{path}: expected to write it alone, found another run at it")


def _prepare(partial: Path, file: TextIO, job: str | None, say: Callable[[str], None]) -> None:
    """Leave in `partial` what an earlier run has finished of the same job, or nothing."""
    found = file.read()
    count = _records_in(partial / "lmdb")
    if job and found == job and count:
        say(f"{partial}: goes on after {count} records of an earlier run")
        return
    if count:
        say(f"{partial}: starts anew, the {count} records there are of another command or of changed annotations")
    with _disk_errors(partial):
        shutil.rmtree(partial / "lmdb", ignore_errors=True)
        file.seek(0)
        file.truncate()
        file.write(job or "")
        file.flush()


def _records_in(folder: Path) -> int:
    """The number of records 0000000, 0000001, …; 0 if there is anything else, or a broken file."""
    try:
        with LmdbReader(folder) as reader:
            return len(reader) if reader.keys()[-1] == f"{len(reader) - 1:07d}".encode("ascii") else 0
    except InputError:
        return 0


def _check_replaceable(path: Path) -> None:
    """Never replace a folder that may hold someone's photographs."""
    _check_only(path, {"data.mdb", "lock.mdb"}, "a new folder or an LMDB to replace")


def _check_only(folder: Path, names: set[str], expected: str) -> None:
    if folder.is_dir():
        strangers = sorted(entry.name for entry in folder.iterdir() if entry.name not in names)
        if strangers:
            raise InputError(f"{folder}: expected {expected}, found {strangers[0]} in it")
    elif folder.exists():
        raise InputError(f"{folder}: expected {expected}, found a file")


def _put_in_place(folder: Path, path: Path) -> None:
    """One rename, whether there is an LMDB at `path` or not: never none, never half of one."""
    if path.is_dir():
        os.replace(folder / "data.mdb", path / "data.mdb")
        (path / "lock.mdb").unlink(missing_ok=True)
    else:
        os.rename(folder, path)
