"""Cost over the records of an LMDB: writing, opening, reading them in order and shuffled, the first training sample.

The records are small (a grey picture's file, one person), so that a million of them are half a gigabyte: what is
measured is the tree of keys and the reader, not the disk.
"""

import random
from collections.abc import Callable, Sequence
from io import BytesIO
from itertools import repeat
from pathlib import Path

import numpy as np
from PIL import Image

from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import Person, Record, encode_file
from data_lmdb.records.writer import write_lmdb

from ..samples.makers import JOINTS
from .growth import Series, grow
from .images import samples

SIDE = 64  # px of the pictures
WHAT = "records"


def small_record() -> bytes:
    """A grey picture as a PNG file, with one person in it."""
    image = np.full((SIDE, SIDE, 3), 128, np.uint8)
    file = BytesIO()
    Image.fromarray(image).save(file, "PNG")
    joints = np.full((JOINTS, 3), SIDE / 2, np.float32)
    joints[:, 2] = 1
    person = Person(np.full(2, SIDE / 2, np.float32), 0.3, joints)
    return encode_file(Record("GREY", False, image, SIDE, SIDE, person), file.getvalue())


def over_records(counts: Sequence[int], folder: Path, rounds: int, limit: float) -> list[Series]:
    """The series; the LMDBs are written below `folder`, one for each count."""
    value = small_record()

    def place(count: int) -> Path:
        return folder / str(count)

    writing = grow(
        "writing", WHAT, counts, lambda count: lambda: write_lmdb(place(count), repeat(value, count)), rounds, limit
    )
    written = [point.count for point in writing.points]
    works: dict[str, Callable[[int], Callable[[], object]]] = {
        "opening": lambda count: lambda: LmdbReader(place(count)).close(),
        "reading in order": lambda count: lambda: _read(place(count), range(count)),
        "reading shuffled": lambda count: _shuffled(place(count), count),
        "first training sample": lambda count: samples(place(count), 1, threads=1),
    }
    return [writing, *(grow(name, WHAT, written, make, rounds, limit) for name, make in works.items())]


def _shuffled(path: Path, count: int) -> Callable[[], None]:
    order = list(range(count))
    random.Random(1).shuffle(order)
    return lambda: _read(path, order)


def _read(path: Path, order: Sequence[int]) -> None:
    with LmdbReader(path) as reader:
        for index in order:
            reader.read(index)
