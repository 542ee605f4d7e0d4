"""Annotations and images to LMDB records: which persons, in which order, with which pixels."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data_lmdb.annotations import Annotation, image_path, read_json
from data_lmdb.images import read_bgr
from data_lmdb.record import Person, Record, encode, pad_to_minimum_width
from data_lmdb.writer import write_lmdb
from prototxt_import.files import InputError

VALIDATION = {
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


def read_sources(paths: Iterable[str | os.PathLike], validation: str = "exclude") -> list[Source]:
    """The persons of all annotation files that `validation` (a key of `VALIDATION`) takes, in their order.

    InputError if the files' numbers of joints differ, or if no person is left.
    """
    sources = []
    for path in paths:
        annotations = read_json(path)
        sources += [Source(a, f"{path}: record {i}") for i, a in enumerate(annotations) if VALIDATION[validation](a)]
    if not sources:
        raise InputError(f"{', '.join(map(str, paths))}: expected persons, found none with --validation {validation}")
    joints = len(sources[0].annotation.joint_self)
    for source in sources:
        found = len(source.annotation.joint_self)
        if found != joints:
            raise InputError(f"{source.where}: expected {joints} joints as in {sources[0].where}, found {found}")
    return sources


def ordered(sources: list[Source], order: str = "shuffled", seed: int = 0) -> list[Source]:
    """`sources` as they are, or in the random order of NumPy's legacy generator seeded with `seed`."""
    if order == "sequential":
        return sources
    return [sources[index] for index in np.random.RandomState(seed).permutation(len(sources))]


def make_lmdb(
    path: str | os.PathLike,
    sources: Sequence[Source],
    folders: Sequence[str | os.PathLike],
    progress: Callable[[Sequence[Source]], Iterable[Source]] = lambda sources: sources,
) -> int:
    """Write the LMDB of `sources`, in their order, with images found in `folders`; returns the number of
    records.

    `progress` wraps the iteration (a progress bar). InputError for an image that is missing, broken, of
    another size than annotated, or too small for its record; an LMDB that was at `path` then stays.
    """
    _check_images_exist(sources, folders)
    return write_lmdb(path, _values(progress(sources), len(sources), folders))


def record_of(annotation: Annotation, image: np.ndarray, write_count: int, total_write_count: int) -> Record:
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


def _person(objpos: np.ndarray, scale: float, joints: np.ndarray) -> Person:
    return Person(objpos.astype(np.float32), float(scale), joints.astype(np.float32))


def _check_images_exist(sources: Sequence[Source], folders: Sequence[str | os.PathLike]) -> None:
    """Before hours of writing, not after."""
    for source in sources:
        image_path(source.annotation, folders, source.where)


def _values(sources: Iterable[Source], total: int, folders: Sequence[str | os.PathLike]) -> Iterator[bytes]:
    for write_count, source in enumerate(sources):
        path = image_path(source.annotation, folders, source.where)
        try:
            image = read_bgr(path)
            _check_size(source.annotation, image)
            yield encode(record_of(source.annotation, image, write_count, total))
        except InputError as error:
            raise InputError(f"{source.where} ({source.annotation.img_paths}): {error}") from None


def _check_size(annotation: Annotation, image: np.ndarray) -> None:
    height, width = image.shape[:2]
    if (width, height) != (annotation.img_width, annotation.img_height):
        expected = f"{annotation.img_width:g} x {annotation.img_height:g} px as annotated"
        raise InputError(f"expected an image of {expected}, found {width} x {height} px")
