"""Which annotated persons become records, and in which order: a list that holds places in JSON files, not persons."""

import hashlib
import json
import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_lmdb.annotations import Annotation, parse_record
from data_lmdb.json_stream import records
from prototxt_import.files import InputError

VALIDATION: dict[str, Callable[[Annotation], bool]] = {
    "exclude": lambda annotation: not annotation.is_validation,
    "only": lambda annotation: annotation.is_validation,
    "include": lambda annotation: True,
}
"""Which records a choice of `--validation` takes."""

ORDERS = ("shuffled", "sequential")


@dataclass
class Source:
    """One annotated person, and where it was read (file and record), for messages."""

    annotation: Annotation
    where: str


@dataclass(frozen=True)
class Sources:
    """The persons to write, in their order; each is read from its file when it is asked for.

    places: int64 (n, 4): number of the file in `paths`, number of the record in the file, its first byte and length.
    """

    paths: tuple[Path, ...]
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Source:
        file, record, offset, length = self.places[index].tolist()
        path = self.paths[file]
        where = f"{path}: record {record}"
        try:
            with open(path, "rb") as opened:
                opened.seek(offset)
                text = opened.read(length)
            return Source(parse_record(json.loads(text), where), where)
        except (OSError, ValueError) as error:  # ValueError: another JSON, or none, since the list was made
            raise InputError(f"{where}: cannot be read again: {error}") from None

    def __iter__(self) -> Iterator[Source]:
        return (self[index] for index in range(len(self)))

    def taken(self, indices: Iterable[int]) -> "Sources":
        """The sources at `indices`, in that order."""
        return replace(self, places=self.places[np.fromiter(indices, np.int64)])

    def digest(self) -> str:
        """Changes with the content of the files, with the choice of persons and with their order."""
        content = hashlib.sha256(self.places.astype("<i8").tobytes())
        for path in self.paths:
            with open(path, "rb") as file:
                while block := file.read(1 << 20):
                    content.update(block)
        return content.hexdigest()


def read_sources(paths: Iterable[str | os.PathLike[str]], validation: str = "exclude") -> Sources:
    """The persons of all annotation files that `validation` (a key of `VALIDATION`) takes, in their order.

    Every record is checked as `annotations.parse_record` does. InputError also if the files' numbers of joints differ,
    or if no person is left.
    """
    files = tuple(Path(path) for path in paths)
    places: array[int] = array("q")
    first = None
    for file, path in enumerate(files):
        number = -1
        for number, record in enumerate(records(path)):
            where = f"{path}: record {number}"
            annotation = parse_record(record.value, where)
            if VALIDATION[validation](annotation):
                places.extend((file, number, record.offset, record.length))
                first = first or (len(annotation.joint_self), where)
                _require_joints(annotation, where, *first)
        if number < 0:
            raise InputError(f"{path}: expected annotated persons, found an empty list")
    if not places:
        raise InputError(f"{', '.join(map(str, files))}: expected persons, found none with --validation {validation}")
    return Sources(files, np.array(places).reshape(-1, 4))


def ordered(sources: Sources, order: str = "shuffled", seed: int = 0) -> Sources:
    """`sources` as they are, or in the random order of NumPy's legacy generator seeded with `seed`."""
    if order == "sequential":
        return sources
    return sources.taken(np.random.RandomState(seed).permutation(len(sources)))


def _require_joints(annotation: Annotation, where: str, joints: int, first: str) -> None:
    found = len(annotation.joint_self)
    if found != joints:
        raise InputError(f"{where}: expected {joints} joints as in {first}, found {found}")
