"""COCO keypoints: person_keypoints_*.json and images to annotations with MPII's 16 joints.

COCO marks 17 points, in 0-based pixels (1 is added here): nose, eyes, ears and the twelve joints of arms and legs.
The twelve are MPII's. Of the other four of MPII's 16:

* pelvis is the middle of the hips, thorax the middle of the shoulders, where both are marked;
* neck is the middle of the shoulders too, as in the multi-person successor of CPM (MPII's is a little higher);
* head, MPII's top of the head, is missing. COCO has nothing there, and a guess from nose and ears would teach the
  network a joint that nobody marked. No peak is drawn for a missing joint, so a network trained on COCO alone
  never learns its head map, and a mixture of data sets learns it from the others.

Of COCO's visibility, 2 is visible, 1 is occluded but marked, 0 is missing. objpos is the middle of the person's
box, scale_provided its height / 200 px.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from data_lmdb.annotations import Annotation
from data_lmdb.joints import COCO_17, STORED_16, TRUNK
from prototxt_import.files import InputError, parse_json, read_bytes

from .marked_people import (
    PIXELS_PER_SCALE,
    MarkedPerson,
    Progress,
    Skipped,
    annotations_of,
    image_sizes,
    usable,
    with_middles,
)

DATASET = "COCO"
MIDDLES = TRUNK | {"neck": ("l_shoulder", "r_shoulder")}
# As in CPM's successor, a person must be worth a crop; smaller ones are still others to their neighbours.
FEWEST_KEYPOINTS = 5
SMALLEST_AREA = 32 * 32  # px


def coco_annotations(
    path: str | os.PathLike[str],
    images: str | os.PathLike[str],
    validation: bool = False,
    progress: Progress = lambda images: images,
) -> tuple[list[Annotation], Skipped]:
    """Annotations of the persons with at least 5 keypoints and 32 x 32 px of area, and who was skipped.

    `images` is the folder of photographs; `validation` marks every person of the file. annolist_index is COCO's
    image id; people_index counts the image's annotations that are no crowd. InputError, naming the annotation, if
    the file is not of this kind, or if nobody is left.
    """
    skipped = Skipped()
    people = usable(_people(path, validation, skipped), skipped)
    sizes = image_sizes((person.image for person in people), images, progress)
    return annotations_of(people, sizes, DATASET, path, skipped), skipped


def _people(path: str | os.PathLike[str], validation: bool, skipped: Skipped) -> Iterator[MarkedPerson]:
    names, annotations = _read(path)
    people_so_far: Counter[int] = Counter()
    for index, annotation in enumerate(annotations):
        where = f"{path}: annotation {index}"
        annotation = annotation if isinstance(annotation, dict) else {}
        image_id = annotation.get("image_id")
        if type(image_id) is not int or image_id not in names:
            raise InputError(f"{where}: expected the image_id of one of the images, found {json.dumps(image_id)[:40]}")
        keypoints = _numbers(annotation, "keypoints", 3 * len(COCO_17), where).reshape(-1, 3)
        box = _numbers(annotation, "bbox", 4, where)
        if annotation.get("iscrowd"):
            skipped.add("a crowd", names[image_id])
            continue
        people_so_far[image_id] += 1
        yield MarkedPerson(
            image=names[image_id],
            joints=_joints(keypoints, where),
            objpos=box[:2] + box[2:] / 2 + 1,
            scale=box[3] / PIXELS_PER_SCALE,
            annolist_index=image_id,
            people_index=people_so_far[image_id],
            is_validation=validation,
            only_other=_too_small(annotation, keypoints, where),
        )


def _read(path: str | os.PathLike[str]) -> tuple[dict[int, str], list[object]]:
    """File names by image id, and the annotations."""
    content = parse_json(read_bytes(path), path, _without_outline)
    content = content if isinstance(content, dict) else {}
    images, annotations = content.get("images"), content.get("annotations")
    if not (isinstance(images, list) and images and isinstance(annotations, list) and annotations):
        raise InputError(f"{path}: expected COCO's person keypoints, with lists images and annotations, found others")
    names = {}
    for index, image in enumerate(images):
        image_id, name = (image.get("id"), image.get("file_name")) if isinstance(image, dict) else (None, None)
        if type(image_id) is not int or not isinstance(name, str) or not name:
            raise InputError(f"{path}: image {index}: expected an id and a file_name, found something else")
        names[image_id] = name
    return names, annotations


def _without_outline(parsed: dict[str, object]) -> dict[str, object]:
    """Outlines are most of the file; dropped while parsing they never fill the memory."""
    parsed.pop("segmentation", None)
    return parsed


def _numbers(annotation: dict[str, object], name: str, count: int, where: str) -> NDArray[np.float64]:
    values = annotation.get(name)
    if isinstance(values, list) and len(values) == count and all(type(value) in (int, float) for value in values):
        with suppress(OverflowError):  # an integer beyond float's range
            return np.array([float(value) for value in values])
    found = f"{len(values)} values" if isinstance(values, list) else json.dumps(values)[:40]
    raise InputError(f"{where}: {name}: expected {count} numbers, found {found}")


def _too_small(annotation: dict[str, object], keypoints: NDArray[np.float64], where: str) -> str:
    """Why the person gets no crop of its own; empty if it does."""
    if (keypoints[:, 2] > 0).sum() < FEWEST_KEYPOINTS:
        return f"fewer than {FEWEST_KEYPOINTS} keypoints"
    area = annotation.get("area")
    if not isinstance(area, int | float) or isinstance(area, bool):
        raise InputError(f"{where}: area: expected a number, found {json.dumps(area)[:40]}")
    return "" if area >= SMALLEST_AREA else f"an area below {SMALLEST_AREA} px"


def _joints(keypoints: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    """(16, 3), 1-based, of COCO's (17, 3)."""
    if not np.isin(keypoints[:, 2], (0, 1, 2)).all():
        raise InputError(f"{where}: keypoints: expected a visibility of 0, 1 or 2, found another")
    known = {
        name: np.array([x + 1, y + 1, visibility == 2])
        for name, (x, y, visibility) in zip(COCO_17, keypoints, strict=True)
        if visibility > 0
    }
    with_trunk = with_middles(known, MIDDLES)
    return np.array([with_trunk.get(name, np.zeros(3)) for name in STORED_16])
