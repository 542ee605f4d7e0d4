"""LMDBs made of others' records: some of them, or those of two together. Each is made once."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import decode_annotations
from data_lmdb.records.writer import SMALL_PAGES, growing
from prototxt_import.files import InputError

JOINTS = 16
"""As MPII, LSP and drawn people are stored; FLIC's 9 are not taken."""


def part(out: Path, lmdb: Path, first: int, last: int) -> Path:
    """The records `first` to before `last` of an LMDB, in their order."""
    with LmdbReader(lmdb) as reader:
        return _written(out, [reader.read(index) for index in range(first, min(last, len(reader)))])


def together(out: Path, lmdbs: Sequence[Path], seed: int = 0) -> Path:
    """All records of several LMDBs, shuffled."""
    values: list[bytes] = []
    for lmdb in lmdbs:
        with LmdbReader(lmdb) as reader:
            values += [reader.read(index) for index in range(len(reader))]
    order = np.random.RandomState(seed).permutation(len(values))
    return _written(out, [values[index] for index in order])


def with_others(out: Path, lmdb: Path) -> Path:
    """The records whose pictures show other people too; InputError if there is none."""

    def several(value: bytes, where: str) -> bool:
        return bool(decode_annotations(value, JOINTS, where).others)

    kept = _chosen(lmdb, several)
    if not kept:
        raise InputError(f"{lmdb}: expected pictures with several annotated people, found none")
    return _written(out, kept)


def _chosen(lmdb: Path, wanted: Callable[[bytes, str], bool]) -> list[bytes]:
    with LmdbReader(lmdb) as reader:
        values = ((reader.read(index), reader.where(index)) for index in range(len(reader)))
        return [value for value, where in values if wanted(value, where)]


def _written(out: Path, values: Sequence[bytes]) -> Path:
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        with growing(out, page_size=SMALL_PAGES) as writer:
            for value in values:
                writer.append(value)
    return out
