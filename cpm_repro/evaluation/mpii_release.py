"""mpii_human_pose_v1_u12_1.mat beyond the training annotations: head boxes, and the people that MPII's server asks for.

The joints of the test images are withheld. For its single-person benchmark the server takes a `pred_keypoints_mpii.mat`
whose struct array `pred` has an element for each test image, in the order of RELEASE.annolist:
pred(i).annorect(p).annopoints.point(k).{x, y, id}. Only the people listed in RELEASE.single_person are judged, and
their objpos and scale may be used. `prediction_structs` also makes that form for people of other images.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cpm_repro.inference.crops import Person
from data_lmdb.datasets.matlab import field, number, numbers, structs
from data_lmdb.datasets.mpii import image_name, objpos_of, read_release
from data_lmdb.images import read_bgr
from prototxt_import.files import InputError, require


class AskedPerson(NamedTuple):
    """A person whose pose the server wants: the image's file name; place: (annolist_index, people_index), from 1;
    center: (x, y) in 0-based px; scale: height / 200 px."""

    image: str
    place: tuple[int, int]
    center: tuple[float, float]
    scale: float


def release_heads(path: str | os.PathLike[str]) -> dict[tuple[int, int], float]:
    """The diagonal of each head box in px, by (annolist_index, people_index); people without a box have none."""
    diagonals = {}
    for i, image in enumerate(read_release(path)[1], start=1):
        for p, person in enumerate(structs(field(image, "annorect")), start=1):
            x1, y1, x2, y2 = (number(person, name) for name in ("x1", "y1", "x2", "y2"))
            if np.isfinite(diagonal := np.hypot(x2 - x1, y2 - y1)):
                diagonals[i, p] = float(diagonal)
    return diagonals


def read_asked_people(path: str | os.PathLike[str]) -> tuple[list[AskedPerson], list[int]]:
    """The single people of the test images, and the annolist_index of every test image, in order.

    InputError if the file has no such people, or one of them without position and scale.
    """
    release, annolist = read_release(path)
    is_train = numbers(field(release, "img_train"))
    single = field(release, "single_person").ravel()
    if not len(annolist) == len(is_train) == len(single):
        found = f"{len(annolist)}, {len(is_train)} and {len(single)}"
        raise InputError(f"{path}: expected as many RELEASE.annolist as img_train and single_person, found {found}")
    tested = [int(i) + 1 for i in np.flatnonzero(is_train == 0)]
    people = [
        _asked_person(annolist[i - 1], (i, int(p)), path)
        for i in tested
        if isinstance(single[i - 1], np.ndarray)
        for p in numbers(single[i - 1])
    ]
    if not people:
        raise InputError(f"{path}: expected single people in test images, found none")
    return people, tested


def _asked_person(image: np.void, place: tuple[int, int], path: str | os.PathLike[str]) -> AskedPerson:
    name, people = image_name(image), structs(field(image, "annorect"))
    known = np.full(3, np.nan)
    if 1 <= place[1] <= len(people):
        person = people[place[1] - 1]
        known[:] = *objpos_of(person), number(person, "scale")
    where = f"{path}: RELEASE.annolist({place[0]}).annorect({place[1]})"
    whole = name != "" and bool(np.isfinite(known).all())
    require(where, whole, "an image name, objpos and scale of a single person", "none")
    x, y, scale = map(float, known)
    return AskedPerson(name, place, (x - 1, y - 1), scale)


def asked_pictures(people: Sequence[AskedPerson], images: str | os.PathLike[str]) -> Iterator[Person]:
    """The people with their pictures, read from the folder `images` as they are asked for."""
    for person in people:
        path = Path(images) / person.image
        yield Person(read_bgr(path), person.center, person.scale, f"{path}: person {person.place[1]}")


def prediction_structs(points: Mapping[tuple[int, int], Mapping[int, np.ndarray]], images: Sequence[int]) -> np.ndarray:
    """The struct array `pred`, one element for each annolist_index in `images`.

    points: by (annolist_index, people_index) the places (x, y) in 1-based px of MPII's joint ids.
    """
    people: dict[int, dict[int, Mapping[int, np.ndarray]]] = {}
    for (image, person), joints in points.items():
        people.setdefault(image, {})[person] = joints
    pred = np.zeros((1, len(images)), [("annorect", object)])
    for index, image in enumerate(images):
        own = people.get(image, {})
        pred[0, index]["annorect"] = annorect = np.zeros((1, max(own, default=0)), [("annopoints", object)])
        for p in range(annorect.size):
            annorect[0, p]["annopoints"] = _annopoints(own.get(p + 1, {}))
    return pred


def _annopoints(joints: Mapping[int, np.ndarray]) -> np.ndarray:
    if not joints:
        return np.zeros((0, 0))
    points = np.zeros((1, len(joints)), [("x", object), ("y", object), ("id", object)])
    for index, (joint, (x, y)) in enumerate(sorted(joints.items())):
        points[0, index] = (float(x), float(y), float(joint))
    annopoints = np.zeros((1, 1), [("point", object)])
    annopoints[0, 0]["point"] = points
    return annopoints


def read_prediction_structs(pred: np.ndarray) -> dict[tuple[int, int], dict[float, np.ndarray]]:
    """What `prediction_structs` was given, for images counted from 1."""
    points = {}
    for i, image in enumerate(structs(pred), start=1):
        for p, person in enumerate(structs(field(image, "annorect")), start=1):
            marked = [point for each in structs(field(person, "annopoints")) for point in structs(field(each, "point"))]
            if marked:
                points[i, p] = {number(point, "id"): _place(point) for point in marked}
    return points


def _place(point: np.void) -> np.ndarray:
    return np.array([number(point, "x"), number(point, "y")])
