"""PCKh, MPII's metric: a joint is right within a fraction of the head, 0.6 x its annotated box's diagonal.

An LMDB record has no head box, so the heads come from a second file, one of the two that are about:

* the data set's own mpii_human_pose_v1_u12_1.mat: a person's head is found by annolist_index and people_index;
* the validation file of Tompson et al. (`pos_gt_src`, `jnt_missing`, `headboxes_src` of 2,958 persons): it has no
  such indices, so persons are recognised by their annotated joints. It is ground truth enough without any LMDB.
"""

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from data_lmdb.datasets.matlab import read_variables, variable_names
from data_lmdb.joints import STORED_16, STORED_TO_14
from prototxt_import.files import InputError, plain, read_bytes

from .ground_truth import GroundTruth
from .mpii_release import release_heads
from .pck import THRESHOLDS, Pck, count_hits

HEAD_SHARE = 0.6
PAPER_THRESHOLD = 0.5
SAME_JOINT = 0.5  # px; annotations of one person agree to the JSON's three decimals
FEWEST_SHARED = 3  # joints that show that two annotations are of one person


def pckh(
    predicted: Sequence[np.ndarray],
    truths: Sequence[GroundTruth],
    head_sizes: np.ndarray,
    thresholds: np.ndarray = THRESHOLDS,
) -> Pck:
    """PCKh of predicted joints, each float (P, 2) in 0-based pixels; people whose head has no size are left out.

    head_sizes: (N,) px as from `with_heads` or `read_validation_file`.
    """
    return count_hits(predicted, truths, judged_heads(head_sizes), thresholds)


def judged_heads(head_sizes: np.ndarray) -> np.ndarray:
    """The sizes (N,) in px; NaN for heads that have none."""
    return np.where(head_sizes > 0, head_sizes, np.nan)


def read_validation_file(path: str | os.PathLike[str]) -> tuple[list[GroundTruth], np.ndarray]:
    """The persons of a validation file, 16 joints each as MPII stores them, and their head sizes (N,) in px.

    They have neither centre nor scale (NaN) nor place. InputError if the file is not of this kind.
    """
    joints, missing, boxes = (
        value.astype(np.float64) if value.dtype.kind in "buif" else np.zeros(0)
        for value in read_variables(path, "pos_gt_src", "jnt_missing", "headboxes_src")
    )
    joints, boxes = (value[..., None] if value.ndim == 2 else value for value in (joints, boxes))
    count, number = joints.shape[-1] if joints.ndim == 3 else 0, len(STORED_16)
    shapes = {"pos_gt_src": (joints, (number, 2, count)), "jnt_missing": (missing, (number, count))}
    for name, (value, shape) in (shapes | {"headboxes_src": (boxes, (2, 2, count))}).items():
        if value.shape != shape or not count:
            expected, found = (" x ".join(map(str, lengths)) for lengths in (shape, value.shape))
            raise InputError(f"{path}: {name}: expected {expected} numbers for at least one person, found {found}")
    nowhere = (np.nan, np.nan)
    present = (missing == 0) & np.isfinite(joints).all(axis=1)
    truths = [GroundTruth(joints[..., n] - 1, present[:, n], nowhere, np.nan) for n in range(count)]
    return truths, HEAD_SHARE * np.linalg.norm(boxes[1] - boxes[0], axis=0)


def with_heads(path: str | os.PathLike[str], truths: Sequence[GroundTruth]) -> tuple[list[GroundTruth], np.ndarray]:
    """People of an LMDB (14 parts) as they are judged, and their head sizes (N,) in px, from either kind of file.

    A validation file also says where their joints are and which count as missing: it leaves out some that the data
    set marks. InputError if one of the people is not in the file.
    """
    if "RELEASE" not in variable_names(path):
        known, sizes = read_validation_file(path)
        return _recognised(truths, known, sizes, path)
    diagonals = release_heads(path)
    for truth in truths:
        if truth.place not in diagonals:
            image, person = truth.place
            raise InputError(f"{path}: expected a head box in RELEASE.annolist({image}).annorect({person}), found none")
    return list(truths), HEAD_SHARE * np.array([diagonals[truth.place] for truth in truths])


def _recognised(
    truths: Sequence[GroundTruth], known: Sequence[GroundTruth], sizes: np.ndarray, path: str | os.PathLike[str]
) -> tuple[list[GroundTruth], np.ndarray]:
    """For each person the one among `known` all of whose joints, as far as both are marked, are the same."""
    parts = np.stack([person.parts[list(STORED_TO_14)] for person in known])
    present = np.stack([person.present[list(STORED_TO_14)] for person in known])
    judged, indices = [], []
    for record, truth in enumerate(truths):
        both = present & truth.present
        differ = (np.abs(parts - truth.parts).max(axis=2) > SAME_JOINT) & both
        shared = np.where(differ.any(axis=1), 0, both.sum(axis=1))
        index = int(shared.argmax())
        if shared[index] < FEWEST_SHARED:
            raise InputError(
                f"{path}: expected a person with the joints of record {record} of the LMDB, found none: "
                "are these MPII's validation people?"
            )
        judged.append(replace(truth, parts=parts[index], present=present[index]))
        indices.append(index)
    return judged, sizes[indices]


def read_clusters(path: str | os.PathLike[str], count: int) -> np.ndarray:
    """(count,) int: the viewpoint cluster of each person, one whole number a line in the order of the persons.

    The paper's clusters (figure 11) come of head and torso orientations that MPII keeps to itself, so whoever has
    such labels brings them. InputError, naming the line, for anything else.
    """
    clusters = []
    for number, line in enumerate(read_bytes(path).splitlines(), start=1):
        try:
            clusters.append(int(plain(line.decode("ascii"))))
        except ValueError:
            found = line[:40].decode("utf-8", "replace")
            raise InputError(f"{path}: line {number}: expected a whole number, found {found!r}") from None
    if len(clusters) != count:
        raise InputError(f"{path}: expected the clusters of {count} people, found {len(clusters)}")
    return np.array(clusters)


def pckh_by_cluster(
    predicted: Sequence[np.ndarray], truths: Sequence[GroundTruth], head_sizes: np.ndarray, clusters: np.ndarray
) -> dict[int, Pck]:
    """`pckh` of the people of each cluster, smallest label first."""
    results = {}
    for label in np.unique(clusters):
        own = np.flatnonzero(clusters == label).tolist()
        results[int(label)] = pckh([predicted[i] for i in own], [truths[i] for i in own], head_sizes[own])
    return results
