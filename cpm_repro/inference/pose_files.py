"""Poses as files that other programs read: COCO's keypoint results, a table, and OpenPose's files.

JSON: a list with an object for each person, as COCO's evaluation reads it (`tools/evaluate.py --predictions` too):

    image_id       1, 2, ... in the order of the pictures
    category_id    1, COCO's "person"
    keypoints      x, y, score of each part, one after the other
    score          the mean of the parts' scores

and, beside what COCO asks for, `file_name`, `people_index` (1, 2, ... in the picture), `parts` (the keypoints' names in
their order, `joints.PARTS`; COCO's own 17 are others), `center` and `scale` that the pose was looked for with.

CSV: a line for each person with `image`, `person`, `center_x`, `center_y`, `scale`, `score`, and `<part>_x`, `<part>_y`
and `<part>_score` of each part.

OpenPose's JSON, a file for each picture: `people`, each with `pose_keypoints_2d`: x, y, score of each part in the order
of OpenPose's MPI model, which begins with this project's 14 parts; its 15th, the chest, is not found: 0, 0, 0.

Coordinates are 0-based pixels, x right, y down; scores are the averaged belief maps' peaks; scale is height / 200 px.
"""

import csv
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_lmdb.joints import Limbs, limbs_of, part_names
from prototxt_import.files import replacing, write_text

PERSON_CATEGORY = 1
DECIMALS = 4
OPENPOSE_PARTS = 14  # of the MPI model, in front of its chest


@dataclass(frozen=True)
class FoundPose:
    """One person's pose: joints float64 (P, 2) and scores (P,), where it was found and how it was looked for.

    image_id and people_index count from 1; center (x, y) in pixels, scale is height / 200 px; own_names: as
    `Net.own_parts`.
    """

    image: str
    image_id: int
    people_index: int
    center: tuple[float, float]
    scale: float
    joints: np.ndarray
    scores: np.ndarray
    own_names: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts, in the order of the joints."""
        return part_names(len(self.joints), self.own_names)

    @property
    def limbs(self) -> Limbs:
        """Those to draw, and their colours; none of parts that are not the release's."""
        return limbs_of(len(self.joints), self.own_names)

    @property
    def score(self) -> float:
        """The mean of the parts' scores."""
        return mean_score(self.scores)


def mean_score(scores: np.ndarray) -> float:
    """Of a person's parts."""
    return math.fsum(scores) / len(scores)


def _rounded(values: np.ndarray | Sequence[float]) -> list[float]:
    return [round(float(value), DECIMALS) for value in values]


def keypoints_result(pose: np.ndarray, scores: np.ndarray) -> dict[str, object]:
    """What COCO's results say of a pose: joints (P, 2) in 0-based pixels and their scores (P,)."""
    return {
        "category_id": PERSON_CATEGORY,
        "keypoints": _rounded(np.column_stack([pose, scores]).ravel()),
        "score": round(mean_score(scores), DECIMALS),
    }


def coco_result(pose: FoundPose) -> dict[str, object]:
    """The object of one person in COCO's results, with this project's own fields."""
    return {
        "image_id": pose.image_id,
        **keypoints_result(pose.joints, pose.scores),
        "file_name": pose.image,
        "people_index": pose.people_index,
        "parts": list(pose.parts),
        "center": _rounded(pose.center),
        "scale": round(pose.scale, DECIMALS),
    }


def write_coco(path: str | os.PathLike[str], poses: Sequence[FoundPose]) -> None:
    """COCO's results of all poses, a person on a line; whole or not at all."""
    people = ",\n".join(json.dumps(coco_result(pose)) for pose in poses)
    write_text(path, f"[\n{people}\n]\n" if people else "[]\n")


def write_csv(path: str | os.PathLike[str], poses: Sequence[FoundPose], parts: Sequence[str]) -> None:
    """The table of all poses, whose parts have these names; whole or not at all. A picture's name that is no UTF-8
    stands there in its own bytes."""
    columns = [f"{name}_{what}" for name in parts for what in ("x", "y", "score")]
    bytes_too = "surrogateescape"
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8", errors=bytes_too) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image", "person", "center_x", "center_y", "scale", "score", *columns])
        for pose in poses:
            numbers = _rounded([*pose.center, pose.scale, pose.score])
            places = _rounded(np.column_stack([pose.joints, pose.scores]).ravel())
            table.writerow([pose.image, pose.people_index, *numbers, *places])


def write_openpose(path: str | os.PathLike[str], poses: Sequence[FoundPose]) -> None:
    """OpenPose's file of one picture's poses; whole or not at all."""
    people = []
    for pose in poses:
        keypoints = _rounded(np.column_stack([pose.joints, pose.scores]).ravel())
        chest = [0.0, 0.0, 0.0] if len(pose.joints) == OPENPOSE_PARTS else []
        people.append({"person_id": [pose.people_index], "pose_keypoints_2d": keypoints + chest})
    write_text(path, json.dumps({"version": 1.3, "people": people}) + "\n")
