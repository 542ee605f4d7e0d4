"""Where the joints of annotated people are: what predictions are judged by.

Truths come from LMDB records (`read_people`) or from annotations as they are stored (`ground_truth`). The mean pose
of training people, which looks at no picture, is the floor that any detector must clear. Coordinates are 0-based
pixels.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from cpm_repro.inference import crops
from data_lmdb import joints
from data_lmdb.datasets import coco, flic, lsp, mpii
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import Person, Record, decode
from prototxt_import.files import InputError

NO_PLACE = (0, 0)
STORED_JOINTS = {flic.DATASET: 9, mpii.DATASET: 16, lsp.DATASET: 16, coco.DATASET: 16}


@dataclass(frozen=True)
class GroundTruth:
    """One annotated person in 0-based pixels.

    parts: float64 (P, 2), x and y; present: bool (P,), False where nobody marked the joint;
    center: (x, y) of objpos; scale: height / 200 px; place: (annolist_index, people_index), both from 1, or
    `NO_PLACE`; dataset: its name, "" if unknown.
    """

    parts: np.ndarray
    present: np.ndarray
    center: tuple[float, float]
    scale: float
    place: tuple[int, int] = NO_PLACE
    dataset: str = ""


def ground_truth(
    stored_joints: np.ndarray, objpos: np.ndarray, scale_provided: float, number_of_parts: int = 14
) -> GroundTruth:
    """The annotation of one person (of an LMDB record or of the JSON, 1-based pixels) as the network's parts.

    stored_joints: (16, 3) for 14 or 28 parts, (9, 3) for 9; x, y, visible. A joint counts as missing where
    both coordinates are 0 or less (MPII's dummy 0, 0; LSPET's unmarked joints); an occluded one is present.
    """
    stored = np.asarray(stored_joints, np.float64)
    pairs = np.array(joints.PAIRS_OF_STORED[number_of_parts])
    expected = 9 if number_of_parts == 9 else 16
    if stored.shape != (expected, 3):
        raise InputError(f"a person's joints: expected {expected} x 3 numbers, found {stored.shape}")
    missing = np.all(stored[:, :2] <= 0, axis=1)
    parts = stored[pairs, :2].mean(axis=1) - 1
    x, y = (float(value) - 1 for value in objpos)
    return GroundTruth(parts, ~missing[pairs].any(axis=1), (x, y), float(scale_provided))


def person_truth(person: Person, number_of_parts: int = 14) -> GroundTruth:
    """`ground_truth` of a person as an LMDB record holds him or her."""
    return ground_truth(person.joints, person.objpos, person.scale_provided, number_of_parts)


def record_picture(record: Record) -> np.ndarray:
    """The record's picture, uint8 (H, W, 3) BGR, without the padding to 64 columns of narrow ones."""
    return record.image[: int(record.img_height), : int(record.img_width)]


def read_records(
    reader: LmdbReader, limit: int | None = None, number_of_parts: int = 14
) -> Iterator[tuple[str, Record]]:
    """The first `limit` records (default: all), and the name of each for messages.

    Raises InputError for the people of a data set that has other joints: the record itself does not say how many.
    """
    number_of_joints = 9 if number_of_parts == 9 else 16
    for index in range(len(reader) if limit is None else min(limit, len(reader))):
        where = reader.where(index)
        record = decode(reader.read(index), number_of_joints, where)
        stored = STORED_JOINTS.get(record.dataset, number_of_joints)
        if stored != number_of_joints:
            raise InputError(
                f"{where}: expected a person with {number_of_joints} joints, found {record.dataset}'s {stored}"
            )
        yield where, record


def read_people(
    reader: LmdbReader, limit: int | None = None, number_of_parts: int = 14
) -> Iterator[tuple[crops.Person, GroundTruth]]:
    """The primary person of each record, as asked and as annotated; limit and errors as of `read_records`."""
    for where, record in read_records(reader, limit, number_of_parts):
        place = int(record.annolist_index), record.people_index
        truth = replace(person_truth(record.self_person, number_of_parts), place=place, dataset=record.dataset)
        yield crops.Person(record_picture(record), truth.center, truth.scale, where), truth


def observer_order(parts: np.ndarray) -> np.ndarray:
    """(P,) int: the part to take for each part so that left and right are the observer's (P, 2 joints given).

    As the original relabels FLIC: where the right shoulder lies to the right of the left one the person is seen from
    behind, and all of the person's left and right joints change names. Nobody is relabelled twice: a pose that is
    observer-centric stays as it is.
    """
    names = joints.PARTS[len(parts)]
    from_behind = parts[names.index("r_shoulder"), 0] > parts[names.index("l_shoulder"), 0]
    return np.array(joints.mirrored(names)) if from_behind else np.arange(len(parts))


def observer_centric(truth: GroundTruth) -> GroundTruth:
    """The person with left and right as the observer sees them; as annotated if a shoulder is missing."""
    names = joints.PARTS[len(truth.parts)]
    if not truth.present[[names.index("r_shoulder"), names.index("l_shoulder")]].all():
        return truth
    order = observer_order(truth.parts)
    return replace(truth, parts=truth.parts[order], present=truth.present[order])


def mean_pose(truths: Iterable[GroundTruth]) -> np.ndarray:
    """float64 (P, 2): where the joints of the training people lie on average, relative to the person's centre
    and in units of `scale` (200 px of a person's height of 200 px); missing joints are left out.

    Raises InputError if a part is missing in everybody.
    """
    total: np.ndarray = np.zeros(())
    counts: np.ndarray = np.zeros((), np.int64)
    for truth in truths:
        relative = (truth.parts - np.asarray(truth.center)) / truth.scale
        total = total + np.where(truth.present[:, None], relative, 0.0)
        counts = counts + truth.present.astype(np.int64)
    if np.min(counts) == 0:
        raise InputError("the mean pose: expected every part in at least one training person, found none")
    mean: np.ndarray = total / counts[:, None]
    return mean


def place_mean_pose(mean: np.ndarray, truth: GroundTruth) -> np.ndarray:
    """The mean pose (P, 2) at a test person's centre, in his or her size: 0-based pixels."""
    placed: np.ndarray = mean * truth.scale + np.asarray(truth.center)
    return placed
