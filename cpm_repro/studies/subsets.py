"""LMDBs made of others' records: some of them, or those of two together. Each is made once."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import decode_annotations
from data_lmdb.records.writer import SMALL_PAGES, write_lmdb
from prototxt_import.files import InputError

JOINTS = 16
"""As MPII, LSP and drawn people are stored; FLIC's 9 are not taken."""


def part(out: Path, lmdb: Path, first: int, last: int) -> Path:
    """The records `first` to before `last` of an LMDB, in their order."""
    with LmdbReader(lmdb) as reader:
        return _written(out, (reader.read(index) for index in range(first, min(last, len(reader)))))


def together(out: Path, lmdbs: Sequence[Path], seed: int = 0) -> Path:
    """All records of several LMDBs, shuffled."""
    with ExitStack() as opened:
        readers = [opened.enter_context(LmdbReader(lmdb)) for lmdb in lmdbs]
        records = [(reader, index) for reader in readers for index in range(len(reader))]
        order = np.random.RandomState(seed).permutation(len(records))
        return _written(out, (reader.read(index) for reader, index in (records[place] for place in order)))


def with_others(out: Path, lmdb: Path) -> Path:
    """The records whose pictures show other people too; InputError if there is none."""
    with LmdbReader(lmdb) as reader:
        kept = [index for index in range(len(reader)) if _shows_others(reader, index)]
        if not kept:
            raise InputError(f"{lmdb}: expected pictures with several annotated people, found none")
        return _written(out, (reader.read(index) for index in kept))


def _shows_others(reader: LmdbReader, index: int) -> bool:
    return bool(decode_annotations(reader.read(index), JOINTS, reader.where(index)).others)


def _written(out: Path, values: Iterable[bytes]) -> Path:
    """The LMDB of these records, which are not asked for where it is there."""
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        write_lmdb(out, values, SMALL_PAGES)
    return out
