"""Annotations and images to an LMDB: every person's record, made by several processes, written in order."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from data_lmdb.annotations import Annotation, image_path
from data_lmdb.images import WrongSize, decode_bgr
from prototxt_import.files import InputError, read_bytes

from .record import Person, Record, encode, encode_file, pad_to_minimum_width
from .shrinking import Shrinking
from .sources import Sources
from .workers import in_order
from .writer import SMALL_PAGES, growing

Item = TypeVar("Item")


class Bar(Protocol):
    """Wraps what takes long, as a progress bar does: its title, the number of items, how many are done before."""

    def __call__(self, items: Iterable[Item], title: str, total: int, first: int, /) -> Iterable[Item]: ...


class Problem(NamedTuple):
    """Why a person has no record: in few words, the same for all of a kind, and in a sentence."""

    reason: str
    sentence: str


def make_lmdb(
    path: str | os.PathLike[str],
    sources: Sources,
    folders: Sequence[str | os.PathLike[str]],
    storage: str = "raw",
    jobs: int = 1,
    skip_bad: bool = False,
    bar: Bar = lambda items, title, total, first: items,
    say: Callable[[str], None] = lambda sentence: None,
    outside: bool = False,
    shrinking: Shrinking | None = None,
) -> tuple[int, list[Problem]]:
    """Write the LMDB of `sources`, in their order, with images found in `folders`.

    storage: one of `record.STORAGES`. jobs: processes that decode; the LMDB is the same with any number. `bar` wraps
    what takes long (title, number of items, how many are done before) and `say` is told about interrupted runs, see
    `writer.growing`; outside: images may lie outside of the folders; shrinking: how photographs are made smaller.
    Returns the number of records and who was skipped.

    InputError for an image that is missing, broken, of another size than annotated, or too small for its record; an
    LMDB that was at `path` then stays. With skip_bad all images are decoded once before, so that the records know
    their number, and those persons are left out.
    """
    maker = RecordMaker(sources, tuple(map(Path, folders)), storage, outside, shrinking)
    problems: list[Problem] = []
    if skip_bad:
        maker, problems = _without_bad(maker, path, jobs, bar)
    else:
        maker.check_images_exist()
    count = len(maker.sources)
    page_size = SMALL_PAGES if storage == "file" else None
    with (
        growing(path, maker.digest(), page_size, say) as writer,
        closing(in_order(maker, range(writer.count, count), jobs)) as values,
    ):
        for value in bar(values, "writing", count, writer.count):
            writer.append(value)
    return count, problems


def _without_bad(
    maker: "RecordMaker", path: str | os.PathLike[str], jobs: int, bar: Bar
) -> tuple["RecordMaker", list[Problem]]:
    """A maker of the persons with good images, and who is left out; InputError if nobody is left."""
    count = len(maker.sources)
    with closing(in_order(maker.problem, range(count), jobs)) as problem_or_none:
        found = list(bar(problem_or_none, "checking", count, 0))
    problems = [problem for problem in found if problem]
    if len(problems) == count:
        raise InputError(f"{path}: expected persons with good images, found none: {problems[0].sentence}")
    return maker.of(index for index, problem in enumerate(found) if not problem), problems


def record_of(annotation: Annotation, image: NDArray[np.uint8], write_count: int, total_write_count: int) -> Record:
    """The LMDB record of one annotation and its image, uint8 (H, W, 3) BGR without padding."""
    others = zip(annotation.objpos_other, annotation.scale_provided_other, annotation.joint_others, strict=True)
    return Record(
        dataset=annotation.dataset,
        is_validation=annotation.is_validation,
        image=pad_to_minimum_width(image),
        img_width=annotation.img_width,
        img_height=annotation.img_height,
        self_person=_person(annotation.objpos, annotation.scale_provided, annotation.joint_self),
        others=[_person(*other) for other in others],
        people_index=annotation.people_index,
        annolist_index=float(annotation.annolist_index),
        write_count=float(write_count),
        total_write_count=float(total_write_count),
    )


def _person(objpos: NDArray[np.float64], scale: float, joints: NDArray[np.float64]) -> Person:
    return Person(objpos.astype(np.float32), float(scale), joints.astype(np.float32))


class BadRecord(InputError):
    """A person who cannot have a record: the sentence, and the reason in few words."""

    def __init__(self, sentence: str, reason: str):
        super().__init__(sentence)
        self.args = (*self.args, reason)  # what a worker's copy is made of
        self.reason = reason

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class RecordMaker:
    """Makes the LMDB's values, in whichever process it is called."""

    sources: Sources
    folders: tuple[Path, ...]
    storage: str
    outside: bool = False
    shrinking: Shrinking | None = None

    def __call__(self, index: int) -> bytes:
        """The value of the index-th source; BadRecord if there is something wrong with it."""
        source = self.sources[index]
        annotation = source.annotation
        with _bad(source.where, "no such image"):
            path = image_path(annotation, self.folders, source.where, self.outside)
        where = f"{source.where} ({annotation.img_paths})"
        with _bad(where, "not a readable image"):
            file = read_bytes(path)
            image = decode_bgr(file, path, (annotation.img_width, annotation.img_height))
        if self.shrinking:
            annotation, file = self.shrinking(annotation, image)
            image = decode_bgr(file, path, (annotation.img_width, annotation.img_height))
        record = record_of(annotation, image, index, len(self.sources))
        with _bad(where, "people who do not fit in a record of that image"):
            return encode(record) if self.storage == "raw" else encode_file(record, file)

    def problem(self, index: int) -> Problem | None:
        """What is wrong with the index-th source, if anything is."""
        try:
            self(index)
        except BadRecord as error:
            return Problem(error.reason, str(error))
        return None

    def of(self, indices: Iterable[int]) -> "RecordMaker":
        """The maker of those sources alone."""
        return replace(self, sources=self.sources.taken(indices))

    def check_images_exist(self) -> None:
        """Before hours of writing, not after."""
        for source in self.sources:
            image_path(source.annotation, self.folders, source.where, self.outside)

    def digest(self) -> str:
        """Tells whether another run writes the same: persons, order, storage, shrinking and folders of images."""
        folders = "\n".join(str(folder.resolve()) for folder in self.folders)
        return hashlib.sha256(
            f"{self.storage} {self.shrinking}\n{self.sources.digest()}\n{folders}".encode("utf-8", "surrogateescape")
        ).hexdigest()


@contextmanager
def _bad(where: str, reason: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        sentence = str(error) if str(error).startswith(where) else f"{where}: {error}"
        reason = "an image of another size than annotated" if isinstance(error, WrongSize) else reason
        raise BadRecord(sentence, reason) from None
