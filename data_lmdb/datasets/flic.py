"""Frames Labeled In Cinema (FLIC): examples.mat and images to annotations with 9 joints.

`examples` is a struct array, one element a person: `coords` (2, 29), x and y with NaN for what FLIC does not
mark, `filepath`, `torsobox` (x1, y1, x2, y2), `istest`. The 11 marked columns are L shoulder, elbow, wrist,
R shoulder, elbow, wrist, L hip, R hip, two eyes and the nose; the release drops the eyes. It also calls left
what is left for the observer: people seen from behind are relabelled.

As in the release, annolist_index is the element's number (from 1), and people_index is always 1.
"""

import os
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from data_lmdb.annotations import Annotation
from data_lmdb.joints import PARTS_9, mirrored
from prototxt_import.files import InputError

from .marked_people import MarkedPerson, Progress, Skipped, annotations_of, image_sizes, usable
from .matlab import field, fields, number, numbers, read_variables, structs, text

DATASET = "FLIC"
MARKED = 11
EYES = [8, 9]
SCALE_PER_TORSO_PIXEL = 0.0110


def flic_annotations(
    path: str | os.PathLike[str], images: str | os.PathLike[str], progress: Progress = lambda images: images
) -> tuple[list[Annotation], Skipped]:
    """Annotations of the persons in examples.mat, those of the test set with isValidation, and who was skipped.

    `images` is the folder of the frames. Others are the elements with the same file. InputError if the file is
    not of this kind or nobody is left.
    """
    skipped = Skipped()
    people = usable(_people(path, skipped), skipped)
    sizes = image_sizes((person.image for person in people), images, progress)
    return annotations_of(people, sizes, DATASET, path, skipped), skipped


def _people(path: str | os.PathLike[str], skipped: Skipped) -> Iterator[MarkedPerson]:
    examples = structs(read_variables(path, "examples")[0])
    missing = {"coords", "filepath", "torsobox", "istest"} - set(fields(examples[0]) if examples else ())
    if missing:
        raise InputError(f"{path}: expected a struct array examples with {min(missing)}, found none")
    for index, example in enumerate(examples, start=1):
        where = f"examples({index})"
        name, torso_box = text(example, "filepath"), numbers(field(example, "torsobox"))
        if not name:
            raise InputError(f"{path}: {where}: expected a filepath, found none")
        marked = _marked(field(example, "coords"))
        if marked.shape[1] != MARKED:
            skipped.add(f"not {MARKED} joints are marked", where)
        elif torso_box.size != 4:
            skipped.add("no torso box", where)
        else:
            yield _person(index, name, marked, torso_box, number(example, "istest") == 1)


def _marked(coords: np.ndarray) -> NDArray[np.float64]:
    """The columns (2, n) that are not NaN; none if `coords` has not two rows of numbers."""
    if coords.ndim != 2 or len(coords) != 2 or coords.dtype.kind not in "iuf":
        return np.zeros((2, 0))
    return coords[:, ~np.isnan(coords).any(axis=0)].astype(np.float64)


def _person(
    index: int, name: str, marked: NDArray[np.float64], torso_box: NDArray[np.float64], is_test: bool
) -> MarkedPerson:
    x1, y1, x2, y2 = torso_box
    return MarkedPerson(
        image=name,
        joints=_joints(marked),
        objpos=np.array([(x1 + x2) / 2, 0.7 * y1 + 0.3 * y2]),
        scale=SCALE_PER_TORSO_PIXEL * (y2 - y1),
        annolist_index=index,
        people_index=1,
        is_validation=is_test,
    )


def _joints(marked: NDArray[np.float64]) -> NDArray[np.float64]:
    """(9, 3) of the 11 marked columns (2, 11); all count as visible."""
    points = np.delete(marked, EYES, axis=1).T
    if points[PARTS_9.index("r_shoulder"), 0] > points[PARTS_9.index("l_shoulder"), 0]:
        points = points[list(mirrored(PARTS_9))]
    return np.column_stack([points, np.ones(len(points))])
