"""Writes an LMDB that Caffe reads: keys `%07d` of the write counter, one serialized Datum each."""

import os
from collections.abc import Iterable
from pathlib import Path

import lmdb

from prototxt_import.files import InputError, replacing

RECORDS_PER_TRANSACTION = 100
FIRST_MAP_SIZE = 1 << 24  # bytes; doubled whenever the map is full
LMDB_FILES = {"data.mdb", "lock.mdb"}


def write_lmdb(path: str | os.PathLike, values: Iterable[bytes]) -> int:
    """Write `values` as records 0000000, 0000001, … of a new LMDB folder at `path`; returns how many.

    An LMDB that is already there is replaced when the last record is written, and stays as it was if
    anything fails. InputError if something that is no LMDB is in the way, if `values` is empty, or if the
    disk is full.
    """
    path = Path(path)
    _check_replaceable(path)
    with replacing(path) as temporary:
        temporary.mkdir()
        # Without the lock file: nobody else knows the temporary name.
        environment = lmdb.open(str(temporary), map_size=FIRST_MAP_SIZE, lock=False, sync=False)
        try:
            count = _write_all(environment, values)
            environment.sync(True)
        except lmdb.Error as error:
            raise InputError(f"{path}: cannot be written: {error}") from None
        finally:
            environment.close()
        if count == 0:
            raise InputError(f"{path}: expected records to write, found none")
    return count


def _check_replaceable(path: Path) -> None:
    """Never replace a folder that may hold someone's photographs."""
    if path.is_dir():
        strangers = sorted(entry.name for entry in path.iterdir() if entry.name not in LMDB_FILES)
        if strangers:
            raise InputError(f"{path}: expected a new folder or an LMDB to replace, found {strangers[0]} in it")
    elif path.exists():
        raise InputError(f"{path}: expected a new folder or an LMDB to replace, found a file")


def _write_all(environment: lmdb.Environment, values: Iterable[bytes]) -> int:
    count = 0
    waiting = []
    for value in values:
        waiting.append((f"{count:07d}".encode("ascii"), value))
        count += 1
        if len(waiting) == RECORDS_PER_TRANSACTION:
            _commit(environment, waiting)
            waiting = []
    _commit(environment, waiting)
    return count


def _commit(environment: lmdb.Environment, items: list[tuple[bytes, bytes]]) -> None:
    """One transaction; if the map is full, double it and write the transaction anew."""
    while True:
        try:
            with environment.begin(write=True) as transaction:
                for key, value in items:
                    transaction.put(key, value, append=True)
            return
        except lmdb.MapFullError:
            environment.set_mapsize(2 * environment.info()["map_size"])
