"""The people that a data set marks in its images, and the annotations made of them: one for each person, with
everybody else in the image as others (the two kinds of people of the CPM's labels).

Every data set's own file (mpii.py, lsp.py, flic.py, coco.py, own.py) turns its format into `MarkedPerson`s;
what follows is the same for all and is here: who is left out and why, the images' sizes, the others.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_lmdb.annotations import Annotation
from data_lmdb.counts import how_many
from data_lmdb.images import image_size
from prototxt_import.files import LARGEST, InputError

MOST_OTHERS = 255  # the LMDB record counts them in one byte
PIXELS_PER_SCALE = 200.0  # height of a person of scale 1

Joint = Sequence[float] | NDArray[np.float64]
"""x, y, visible."""

Progress = Callable[[Sequence[str]], Iterable[str]]
"""Wraps the iteration over images, as a progress bar does."""


@dataclass
class MarkedPerson:
    """One person of a data set, in 1-based pixels.

    joints (p, 3): x, y, visible, (0, 0, 0) where there is no joint; objpos (2,); scale: height / 200 px.
    only_other: why the person, if so, gets no annotation and is just one of the others of those who do.
    """

    image: str
    joints: NDArray[np.float64]
    objpos: NDArray[np.float64]
    scale: float
    annolist_index: int
    people_index: int
    is_validation: bool = False
    only_other: str = ""

    def fault(self) -> str:
        """Why nothing can be learnt from this person; empty if something can."""
        if not ((np.abs(self.joints) <= LARGEST).all() and (np.abs(self.objpos) <= LARGEST).all()):
            return "a joint or the position is no place in a photograph"
        if not self.joints.any():
            return "no joint is marked"
        return "" if 0 < self.scale <= LARGEST else "no positive scale"


class Skipped:
    """Persons who were left out: how many for each reason, and the first of them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def add(self, reason: str, who: str) -> None:
        """Count one person; `who` names the image, or the place in the file."""
        self.counts[reason] += 1
        self.first.setdefault(reason, who)

    def lines(self) -> list[str]:
        """One line a reason."""
        return [
            f"skipped {how_many(n, 'person')}: {reason} (first: {self.first[reason]})"
            for reason, n in self.counts.items()
        ]


def usable(people: Iterable[MarkedPerson], skipped: Skipped) -> list[MarkedPerson]:
    """Those without fault."""
    kept = []
    for person in people:
        if fault := person.fault():
            skipped.add(fault, person.image)
        else:
            kept.append(person)
    return kept


def image_sizes(
    images: Iterable[str], folder: str | os.PathLike[str], progress: Progress = lambda images: images
) -> dict[str, tuple[int, int] | str]:
    """(width, height) in px of each image, or what is wrong with it."""
    sizes = {}
    for image in progress(list(dict.fromkeys(images))):
        path = Path(folder) / image
        try:
            sizes[image] = image_size(path) if os.path.exists(path) else f"the image is not in {folder}"
        except InputError:
            sizes[image] = "the image cannot be read"
    return sizes


def annotations_of(
    people: Sequence[MarkedPerson],
    sizes: Mapping[str, tuple[int, int] | str],
    dataset: str,
    source: str | os.PathLike[str],
    skipped: Skipped,
) -> list[Annotation]:
    """Annotations of the people, in their order; `sizes` as from `image_sizes`.

    InputError, naming `source` and the reasons, if all were skipped.
    """
    groups = defaultdict(list)
    for person in people:
        groups[person.image].append(person)
    annotations = []
    for person in people:
        group, size = groups[person.image], sizes[person.image]
        if isinstance(size, str):
            skipped.add(size, person.image)
        elif person.only_other:
            skipped.add(f"{person.only_other}; only among the others", person.image)
        elif len(group) - 1 > MOST_OTHERS:
            skipped.add(f"more than {MOST_OTHERS} other people in the image", person.image)
        else:
            annotations.append(_annotation(person, [other for other in group if other is not person], size, dataset))
    if not annotations:
        reasons = "; ".join(skipped.lines()) or "nobody is marked"
        raise InputError(f"{source}: expected annotated persons, found none that can be used: {reasons}")
    return annotations


def middle_of(joints: Iterable[Joint]) -> NDArray[np.float64]:
    """(x, y) of the middle of the bounding box of `joints`, each x, y and perhaps more."""
    points = np.array([joint[:2] for joint in joints])
    middle: NDArray[np.float64] = (points.min(axis=0) + points.max(axis=0)) / 2
    return middle


def with_middles(joints: Mapping[str, Joint], middles: Mapping[str, tuple[str, str]]) -> dict[str, Joint]:
    """`joints` by name and, for each name in `middles`, the point half-way between the two joints
    there, where both are marked; visible if both are."""
    known = dict(joints)
    for name, (one, other) in middles.items():
        if one in joints and other in joints:
            ends = np.array([joints[one], joints[other]])
            known[name] = np.array([*ends[:, :2].mean(axis=0), ends[:, 2].min()])
    return known


def _annotation(person: MarkedPerson, others: list[MarkedPerson], size: tuple[int, int], dataset: str) -> Annotation:
    return Annotation(
        dataset=dataset,
        is_validation=person.is_validation,
        img_paths=person.image,
        img_width=size[0],
        img_height=size[1],
        objpos=person.objpos,
        joint_self=person.joints,
        scale_provided=person.scale,
        annolist_index=person.annolist_index,
        people_index=person.people_index,
        joint_others=np.array([other.joints for other in others]).reshape(-1, *person.joints.shape),
        scale_provided_other=np.array([other.scale for other in others]),
        objpos_other=np.array([other.objpos for other in others]).reshape(-1, 2),
    )
